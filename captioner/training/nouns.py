"""Plural nouns back to their singular, by rule: enough to tell that "dogs" are named by "dog"."""

from __future__ import annotations

_IRREGULAR = {
    "people": "person",
    "mice": "mouse",
    "geese": "goose",
    "oxen": "ox",
    "buses": "bus",
    "busses": "bus",
    "calves": "calf",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "scarves": "scarf",
    "shelves": "shelf",
    "wives": "wife",
    "wolves": "wolf",
    "feet": "foot",
    "teeth": "tooth",
}
# These end like plurals and are another thing, or nothing, without their s.
_PAIRS = "clothes glasses goggles headphones jeans leggings overalls pants scissors shorts skis sunglasses tights"
_NO_PLURALS = frozenset(_PAIRS.split())


def singular(word: str) -> str:
    """The singular of a lower-case noun; a word that is none may come back cut, always in the same way.

    >>> [singular(word) for word in ("dogs", "women", "puppies", "benches", "grass", "shorts")]
    ['dog', 'woman', 'puppy', 'bench', 'grass', 'shorts']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_PLURALS or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("men"):
        return word[:-2] + "an"
    if word.endswith("children"):
        return word[:-3]
    if word.endswith("ies") and len(word) > 4:  # not "ties"
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > 2 else word
