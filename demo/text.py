"""Every word people read on the page. Code never spells out a sentence of its own.

What the viewer says lies in `languages/`, one JSON file per language (see `read_languages`); here stands what the
server says, in English. A language's "sentences" translate the server's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LANGUAGES_FOLDER = Path(__file__).resolve().parent / "languages"
FIRST_LANGUAGE = "en"

Texts = Mapping[str, Any]  # key -> sentence; "sentences" -> a mapping of its own


def read_languages() -> dict[str, Texts]:
    """Every language of the page by its code, English first.

    Returns:
        language -> key -> sentence. Places of values are marked as {name}, lines are parted by |.
    """
    files = sorted(LANGUAGES_FOLDER.glob("*.json"), key=lambda file: (file.stem != FIRST_LANGUAGE, file.stem))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


VIEWER: Texts = read_languages()[FIRST_LANGUAGE]
TITLE: str = VIEWER["title"]

API_DESCRIPTION = (
    "Caption one photo, an uploaded file or a data: address. beam_width is a whole number from 1 to 100, by default 5. "
    "Returns the captions of that width, best first, each with its score and, for every word, its probability, the "
    "gate, and the attention on the grid."
)
NO_PHOTO = "Give a photo: upload or paste one, or pick an example."
NO_LEARNING = "No training was recorded for this page: record one with python -m captioner train --watch."
PHOTO_GONE = "The photo is no longer on the server: upload it again."
NOT_KEPT = "The server has no room for another photo: tell whoever runs it, then try again."
NOT_BASE64 = "The photo's data: address cannot be read: send a base64-encoded image or upload the file."
NO_OUTSIDE_ADDRESS = "Photos are not fetched from other addresses: upload the file instead."
UNEXPECTED = "Something went wrong while captioning this photo: try again, or try another photo."
UNANSWERED = "Something went wrong while answering: try again in a moment."
NO_SUCH_EXAMPLE = "There is no such example: reload the page and pick another."
GONE = "This was given up: ask again."
NO_RECORD = "This is no record of SayWhere: choose a .json file that was saved here."
BAD_RECORD = "This record is damaged or has been changed: save it again, then open that file."
NO_RECORD_PHOTO = "This record has no photo in it: show its photo first, then open the record."
NO_GAZE = "There is no place to look at: paint one on the photo."
NO_STEP = "Expected the place of a word, a whole number from 0."
NO_OUTLINE = "Expected an outline of points inside the photo: draw it around something."
NO_BOXES = "Nobody has drawn boxes on this photo: take one of the examples."
PROBE_DESCRIPTION = (
    "An experiment on one caption of a photo. The question is an object: test is map, seen, second, boxes, shuffled, "
    "gaze or erase; words the caption, by default the best of beam width 5; step the place of the word, from 0; "
    "weights (gaze) rows of numbers on the grid; outline (erase) points in shares of the photo, fill inpaint or flat; "
    "beam_width the width of the search that tells the photo again."
)
NO_ROOM = "There is no room with this code now: look at the code again, or ask your teacher."
ROOM_FULL = "This room is full: ask your teacher."
TOO_MANY_ROOMS = "Too many rooms are open on this server: try again in a few minutes."
TOO_MANY_CODES = "Too many wrong codes were tried: wait a minute, then try again."
POINT_LATE = "Your teacher has gone on: this word can no longer be pointed at."
UNKNOWN_QUESTION = "The page asked for something this server does not know: reload the page."


def beam_width_range(largest: int) -> str:
    """The sentence for a beam width outside 1 .. largest."""
    return f"Expected a beam width from 1 to {largest}, a whole number."


def try_again_in(seconds: int) -> str:
    """The sentence for a full line that will have been served in so many seconds."""
    return f"Many people are asking at once: try again in about {seconds} s."


def known_presets(names: Iterable[str]) -> str:
    """The sentence for a preset that there is none of."""
    return f"Expected a preset out of {', '.join(names)}."


def known_tests(names: Iterable[str]) -> str:
    """The sentence for an experiment that there is none of."""
    return f"Expected a test out of {', '.join(names)}."


def beyond_caption(words: int, asked: int) -> str:
    """The sentence for a word that a caption does not have."""
    return f"The caption has {words} words, there is no word {asked}: choose one of them."
