"""Every hostile or odd file gives the right pixels or one sentence."""

from __future__ import annotations

import pytest

from corpus.cases import Case, all_cases, open_or_explain

CASES = all_cases()


def test_the_corpus_is_large_and_made_the_same_at_every_call() -> None:
    assert len(CASES) >= 200
    for name in list(CASES)[::40]:
        assert CASES[name].make() == CASES[name].make()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what it reads over
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_file_gives_its_pixels_or_its_sentence(case: Case) -> None:
    assert case.objection(open_or_explain(case.make())) is None
