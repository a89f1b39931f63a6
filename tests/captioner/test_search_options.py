"""Presets are what they say."""

from __future__ import annotations

import pytest

from captioner.errors import SearchError
from captioner.search_options import SearchOptions


def test_presets() -> None:
    assert SearchOptions.preset("saywhere") == SearchOptions()
    assert SearchOptions.preset("saywhere", (3,)) == SearchOptions(widths=(3,))
    tutorial = SearchOptions.preset("tutorial", (1, 5))
    assert (tutorial.widths, tutorial.max_steps, tutorial.length_normalisation) == ((1, 5), 51, 0.0)
    assert tutorial.any_token
    assert tutorial.min_words == 0


def test_a_preset_that_is_none() -> None:
    with pytest.raises(SearchError, match="expected a preset out of saywhere, tutorial, got 'textbook'"):
        SearchOptions.preset("textbook")
    with pytest.raises(SearchError, match="expected beam widths of 1"):
        SearchOptions.preset("tutorial", (0,))
