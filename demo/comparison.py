"""The second photo of a comparison, where it is one of the page's examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from captioner.errors import PhotoError
from captioner.photo import open_photo
from captioner.search_options import SearchOptions
from demo import text
from demo.callbacks import read_preset
from demo.examples import ExamplePhoto, list_examples
from demo.view import build_view
from demo.view_types import ResultView

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def describe_example(captioner: Captioner, question: Mapping[str, Any]) -> ResultView:
    """{"kind": "example", "index": place, "preset": name}: a result like any other, of the example photo at that place.

    Raises:
        PhotoError: there is no such example.
        SearchError: there is no such preset.
    """
    photo = open_photo(find_example(question).path)
    preset = read_preset(question.get("preset"))
    description = captioner.describe(photo, SearchOptions.preset(preset))
    return build_view(description, photo, captioner.card.trained_on, preset=preset)


def find_example(question: object) -> ExamplePhoto:
    """The example photo at a question's "index".

    Raises:
        PhotoError: there is no such example.
    """
    examples, index = list_examples(), question.get("index") if isinstance(question, Mapping) else None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(examples):
        raise PhotoError(text.NO_SUCH_EXAMPLE)
    return examples[index]
