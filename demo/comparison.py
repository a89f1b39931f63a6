"""The second photo of a comparison, where it is one of the page's examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from captioner.errors import PhotoError
from captioner.photo import open_photo
from demo import text
from demo.examples import ExamplePhoto, list_examples
from demo.view import ResultView, build_view

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def describe_example(captioner: Captioner, question: Mapping[str, Any]) -> ResultView:
    """{"kind": "example", "index": place}: a result like any other, of the example photo at that place.

    Raises:
        PhotoError: there is no such example.
    """
    photo = open_photo(find_example(question).path)
    return build_view(captioner.describe(photo), photo, captioner.card.trained_on)


def find_example(question: object) -> ExamplePhoto:
    """The example photo at a question's "index".

    Raises:
        PhotoError: there is no such example.
    """
    examples, index = list_examples(), question.get("index") if isinstance(question, Mapping) else None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(examples):
        raise PhotoError(text.NO_SUCH_EXAMPLE)
    return examples[index]
