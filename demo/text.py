"""Every word people read on the page. Code never spells out a sentence of its own."""

from __future__ import annotations

from collections.abc import Mapping

TITLE = "SayWhere"
TAGLINE = "Give it a photo. It says what it sees, and shows where it looked for every word."

PHOTO_LABEL = "Your photo"
PHOTO_PLACEHOLDER = "# Drop a photo here\nor click to choose one, paste it, or use the camera"
EXAMPLES_LABEL = "Or try one of these"
PRIVACY = "Photos go no further than the server that runs this page; uploaded files are deleted within two hours."

API_DESCRIPTION = (
    "Caption one photo. Returns the captions of one beam width (1 to 100), best first, each with its score and, for "
    "every word, its probability, the gate, and the attention on the grid."
)
NO_PHOTO = "Give a photo: upload or paste one, or pick an example."
PHOTO_GONE = "The photo is no longer on the server: upload it again."
NOT_BASE64 = "The photo's data: address cannot be read: send a base64-encoded image or upload the file."
NO_OUTSIDE_ADDRESS = "Photos are not fetched from other addresses: upload the file instead."
UNEXPECTED = "Something went wrong while captioning this photo: try again, or try another photo."

# What the maps may claim: stands by the map, always.
CLAIM = (
    "The map is made just before its word is chosen: it shows where the network read the photo, not why this word "
    "won. Words that competed at the same step share one map."
)
CLAIM_SMOOTH = "Smoothing adds detail the network does not have; “Raw cells” shows what it really computed."
CLAIM_CELLS = "These are the cells as the network computed them."
CLAIM_STRETCHED = (
    "The network computed {native_rows} × {native_columns} cells; they are shown stretched to {rows} × {columns}."
)

VIEWER: Mapping[str, str] = {
    "empty_title": "Give it a photo",
    "empty_text": "Then read its caption word by word: point at a word and see where the network looked.|"
    "Slide the beam width and read what else it could have said.",
    "waiting": "Looking at the photo …",
    "problem_title": "That did not work",
    "caption_label": "Caption, word by word",
    "caption_hint": "Point at a word, tap it, or walk with the arrow keys ← →",
    "score": "score {score}",
    "guessing": "Guessing: this photo is unlike those the model has seen.",
    "unfinished": "cut off at the word limit",
    "chip_label": "{word}, probability {probability}",
    "photo_alt": "The photo being captioned: {caption}",
    "map_label": "{word}: {cells} of {total} cells, {place}, probability {probability}, gate {gate}",
    "style_label": "How the map is drawn",
    "style_smooth": "Smoothed",
    "style_cells": "Raw cells",
    "style_none": "Photo only",
    "legend": "Attention per cell, one scale for the whole caption",
    "legend_even": "an even spread: {share}",
    "word_title": "This word",
    "probability": "Probability",
    "probability_help": "of this word, given the words before it",
    "cells": "Looks at",
    "cells_value": "{cells} of {total} cells",
    "cells_help": "effective cells: 1 is one sharp point, {total} is everywhere alike",
    "gate": "Gate",
    "gate_help": "how much of what it read the network let through",
    "rivals": "Most likely words here",
    "stop": "(end of caption)",
    "beam": "Beam width",
    "beam_help": "How many captions the search keeps alive at each word. 1 always takes the likeliest next word.",
    "alternatives": "Captions found",
    "alternatives_help": "Score: the caption's log-probability, evened out for its length; nearer to 0 is better.",
    "strip": "Every word of the caption",
    "strip_help": "The same scale throughout: a pale tile means attention spread thin.",
    "claim": CLAIM,
    "claim_smooth": CLAIM_SMOOTH,
    "claim_cells": CLAIM_CELLS,
    "claim_stretched": CLAIM_STRETCHED,
    "model": "Captioned by {model}, trained on {trained_on}.",
    "places": "upper left|upper middle|upper right|middle left|centre|middle right|lower left|lower middle|lower right",
}


def beam_width_range(largest: int) -> str:
    """The sentence for a beam width outside 1 .. largest."""
    return f"Expected a beam width from 1 to {largest}, a whole number."
