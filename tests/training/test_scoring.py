"""The official scorer: hand-computed scores, and every way in which Java can be missing or fail."""

from __future__ import annotations

import gc
import importlib.util
import math
import os
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from captioner.errors import DataError
from captioner.training import evaluate, scoring
from captioner.training.java import ENGLISH, java_environment
from captioner.training.scoring import (
    TABLE_HEADER,
    CaptionScores,
    check_scorer,
    quick_cider,
    score_caption_sets,
    score_captions,
    try_scorer,
)

# Stands in for both Java programs: the tokenizer hands its lines through, METEOR answers 0.5 per photo, 0.25 in all.
FAKE_JAVA = """\
case "$*" in
*PTBTokenizer*) exec cat ;;
esac
echo $$ > "$PID_FILE"
while read -r line; do
  case "$line" in
  SCORE*) echo "$line" >> "$PID_FILE.said"; echo "1.0 2.0" ;;
  EVAL*) echo 0.5; echo 0.25 ;;
  esac
done
exec sleep 100
"""
DEATHS = (
    "exit 1",
    "read -r line; exit 1",
    "read -r line; echo 1.0; read -r line; exit 1",
    "read -r line; echo 1.0; read -r line; echo nonsense; exec sleep 100",
)
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="the official tokenizer and METEOR need Java")


def install_java(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def simple(candidate: str, *references: str) -> CaptionScores:
    return score_captions({"photo": candidate}, {"photo": references}, "simple")


def test_identical_captions_score_one() -> None:
    scores = simple("A dog runs in the grass.", "a cat", "a dog runs in the grass")
    assert (scores.bleu_1, scores.bleu_4, scores.rouge_l) == pytest.approx((1.0, 1.0, 1.0))
    assert (scores.meteor, scores.tokenizer) == (None, "simple")


def test_bleu_and_rouge_by_hand() -> None:
    scores = simple("the cat sat on the mat", "the cat sat on a mat")
    # 5 of 6 words ("the" counts once), 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; no brevity penalty.
    assert scores.bleu_1 == pytest.approx(5 / 6)
    assert scores.bleu_2 == pytest.approx(math.sqrt(1 / 2))
    assert scores.bleu_3 == pytest.approx((1 / 4) ** (1 / 3))
    assert scores.bleu_4 == pytest.approx((1 / 12) ** (1 / 4))
    # The longest common subsequence has 5 words: precision and recall are both 5/6.
    assert scores.rouge_l == pytest.approx(5 / 6)


def test_bleu_punishes_brevity() -> None:
    scores = simple("a dog", "a dog runs")
    assert scores.bleu_1 == pytest.approx(math.exp(1 - 3 / 2))


def test_bleu_counts_over_the_whole_set() -> None:
    scores = score_captions({"1": "a dog", "2": "x y z w"}, {"1": ["a dog"], "2": ["a b c d"]}, "simple")
    assert scores.bleu_1 == pytest.approx(2 / 6)  # the mean over photos would be 1/2


def test_cider_of_identical_long_captions_is_ten() -> None:
    captions = {"1": "a red ball rolls", "2": "two men swim fast"}
    assert quick_cider(captions, {name: [text] for name, text in captions.items()}) == pytest.approx(10.0)


def test_cider_by_hand() -> None:
    candidates = {"1": "dog", "2": "blue car"}
    references = {"1": ["red dog"], "2": ["blue car"]}
    # Photo 1: the cosine of (dog) and (red, dog) is 1/sqrt(2), single words are a quarter of the score, and one word
    # pair too few costs exp(-1/72). Photo 2: words and pairs agree, triples and quadruples do not exist.
    first = 10 / 4 / math.sqrt(2) * math.exp(-1 / 72)
    assert quick_cider(candidates, references) == pytest.approx((first + 5.0) / 2)
    assert score_captions(candidates, references, "simple").cider == pytest.approx(3.371692, abs=1e-6)


def test_cider_prefers_the_photo_s_own_words() -> None:
    references = {"1": ["a red ball rolls", "the ball rolls"], "2": ["two men swim fast"]}
    right = quick_cider({"1": "a red ball", "2": "two men swim"}, references)
    wrong = quick_cider({"1": "two men swim", "2": "a red ball"}, references)
    assert right > 1.0
    assert wrong == 0.0


def test_an_empty_caption_scores_nothing_and_breaks_nothing() -> None:
    scores = score_captions({"1": "", "2": "!"}, {"1": ["a dog"], "2": ["a cat"]}, "simple")
    assert (scores.bleu_1, scores.bleu_4, scores.rouge_l, scores.cider) == (0.0, 0.0, 0.0, 0.0)


def test_photos_are_matched_by_name_not_by_order() -> None:
    references = {"1": ["a dog"], "2": ["the cat", "one cat"]}
    assert score_captions({"2": "the cat", "1": "a dog"}, references, "simple").bleu_1 == pytest.approx(1.0)


def test_sets_are_scored_in_their_order() -> None:
    bad, good = score_caption_sets([{"1": "x y"}, {"1": "a dog"}], {"1": ["a dog"]}, "simple")
    assert bad.bleu_1 < 1e-6
    assert good.bleu_1 == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ({}, {}, "expected at least one caption"),
        ({"a.jpg": "x"}, {}, "a.jpg has no reference"),
        ({"a.jpg": "x"}, {"a.jpg": ["x"], "b.jpg": ["y"]}, "b.jpg has no caption"),
        ({"a.jpg": "x"}, {"a.jpg": []}, "a.jpg has no reference with a word in it"),
        ({"a.jpg": "x"}, {"a.jpg": [" . ", ""]}, "a.jpg has no reference with a word in it"),
    ],
)
def test_photos_that_do_not_match(candidates: dict[str, str], references: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        score_captions(candidates, references, "simple")
    with pytest.raises(DataError, match=message):
        quick_cider(candidates, references)


def test_unknown_tokenizer() -> None:
    with pytest.raises(DataError, match="expected a tokenizer out of ptb, simple, got 'spacy'"):
        score_captions({"1": "x"}, {"1": ["x"]}, "spacy")


def test_a_missing_java_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"Java, which was not found: install .*default-jre-headless"):
        score_captions({"1": "a dog"}, {"1": ["a dog"]})
    check_scorer("simple")
    assert quick_cider({"1": "a dog", "2": "b"}, {"1": ["a dog"], "2": ["b"]}) > 1.0


def test_a_missing_pycocoevalcap_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.bleu.bleu", None)
    with pytest.raises(DataError, match=r"needs the package pycocoevalcap: install it with pip install -r"):
        check_scorer("simple")


def test_scoring_is_tried_before_there_are_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try_scorer({"1": ["a dog"]}, "simple")
    with pytest.raises(DataError, match="2 has no reference with a word in it"):
        try_scorer({"1": ["a dog"], "2": ["!"]}, "simple")
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    install_java(tmp_path, FAKE_JAVA, monkeypatch)
    try_scorer({"1": ["a dog", "two dogs"], "2": ["a cat"]})
    assert (tmp_path / "pid.said").read_text() == "SCORE ||| a dog ||| two dogs ||| a dog\n"
    install_java(tmp_path, 'case "$*" in *PTBTokenizer*) exec cat ;; esac\necho "0,5" >&2\nexit 1\n', monkeypatch)
    with pytest.raises(DataError, match=r"could not run METEOR \(0,5\): see that `java -version` works"):
        try_scorer({"1": ["a dog"]})


@pytest.mark.parametrize("module", [scoring, evaluate])
def test_importing_needs_no_pycocoevalcap(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("pycocoevalcap", "pycocoevalcap.bleu.bleu", "pycocoevalcap.tokenizer.ptbtokenizer"):
        monkeypatch.setitem(sys.modules, part, None)
    spec = importlib.util.spec_from_file_location("imported_afresh", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    afresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "imported_afresh", afresh)
    spec.loader.exec_module(afresh)
    assert afresh.score_caption_sets.__name__ == "score_caption_sets"


def test_a_tokenizer_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_java(tmp_path, "echo 'first line' >&2\necho 'no heap left' >&2\nexit 1\n", monkeypatch)
    with pytest.raises(DataError, match=r"could not run the official tokenizer \(no heap left\): see that"):
        score_captions({"1": "a dog"}, {"1": ["a dog"]})


def test_a_tokenizer_that_loses_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_java(tmp_path, "echo a dog\n", monkeypatch)
    with pytest.raises(DataError, match="expected 2 captions back from the official tokenizer, got 1"):
        score_captions({"1": "a dog"}, {"1": ["a dog"]})


@pytest.mark.parametrize("death", DEATHS)
def test_a_meteor_that_fails_is_said_so_and_leaves_nothing(
    death: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = 'echo "no heap left" >&2\nprintf "\\tat Meteor.main(Unknown Source)\\n\\t... 3 more\\n" >&2\n'
    script = f'case "$*" in *PTBTokenizer*) exec cat ;; esac\n{stack}{death}\n'
    install_java(tmp_path, script, monkeypatch)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"could not run METEOR \(no heap left\): see that"):
        score_captions({"1": "a dog"}, {"1": ["a dog"]})
    gc.collect()  # would wait for ever, or warn of open pipes, had METEOR not been put away
    assert time.monotonic() - began < 60


def test_meteor_is_asked_once_per_caption_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    monkeypatch.setenv("PID_FILE", str(pid_file))
    install_java(tmp_path, FAKE_JAVA, monkeypatch)
    references = {"1": ["a ||| dog , runs", "the\ndog"]}
    began = time.monotonic()
    first, second = score_caption_sets([{"1": "a dog"}, {"1": "the\r\n cat ."}], references)
    assert (first.meteor, second.meteor, first.tokenizer) == (0.25, 0.25, "ptb")
    said = Path(f"{pid_file}.said").read_text().splitlines()
    assert said == ["SCORE ||| a dog runs ||| the dog ||| a dog", "SCORE ||| a dog runs ||| the dog ||| the cat"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert time.monotonic() - began < 60  # ended, not waited for


def test_java_speaks_english_whatever_its_options_say() -> None:
    assert {"-Duser.language=en", "-Duser.language.format=en", "-Duser.script.format="} <= set(ENGLISH)
    assert java_environment({"PATH": "/bin", "LANG": "de_DE"}) == {
        "PATH": "/bin",
        "LANG": "de_DE",
        "LC_ALL": "C.UTF-8",
    }
    german = java_environment({"_JAVA_OPTIONS": "-Xmx512m -Duser.language=de"})["_JAVA_OPTIONS"].split()
    assert german == ["-Xmx512m", "-Duser.language=de", *ENGLISH]  # the last one counts


# German writes 0,5; of a Turkish I becomes an ı; Arabic has digits of its own. Each variable beats the one before.
LANGUAGES = (
    {"JAVA_TOOL_OPTIONS": "-Duser.language=de", "JDK_JAVA_OPTIONS": "-Duser.language=tr -Duser.language.format=de"},
    {"_JAVA_OPTIONS": "-Duser.language=tr -Duser.language.format=ar -Duser.extensions.format=u-nu-arab"},
)


@needs_java
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_official_scorer(
    language: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in language.items():
        monkeypatch.setenv(name, value)
    written = {"1": ["A man's T-shirt isn't red.", "Ein “grüner” Ball"], "2": ["two dogs swim in cold water"]}
    same = {"1": "a man's t-shirt isn't red", "2": "Two dogs , SWIM IN cold water !"}
    perfect, half = score_caption_sets([same, {"1": same["1"], "2": ""}], written)
    assert (perfect.bleu_1, perfect.bleu_4, perfect.rouge_l) == pytest.approx((1.0, 1.0, 1.0))
    assert perfect.meteor == pytest.approx(1.0)
    assert perfect.tokenizer == "ptb"
    assert perfect.cider == pytest.approx(7.5)  # photo 2 gets 10, photo 1 the mean of 10 and 0 over its two references
    # 7 of the 13 reference words are said ("a man 's t-shirt is n't red"), all of them right.
    assert half.bleu_1 == pytest.approx(math.exp(1 - 13 / 7))
    assert half.rouge_l == pytest.approx(0.5)
    assert half.cider == pytest.approx(2.5)
    assert half.meteor is not None
    assert 0.2 < half.meteor < 0.8
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    score_caption_sets([{"1": "a dog"}], {"1": ["a dog"]}, "simple", progress=True)
    assert "scoring: 100%" in capsys.readouterr().err


def test_scores_print_as_percent() -> None:
    scores = CaptionScores(0.6514, 0.5, 0.4, 0.2349, 0.2, 0.45, 0.62)
    assert TABLE_HEADER == " BLEU-1  BLEU-2  BLEU-3  BLEU-4  METEOR ROUGE-L   CIDEr"
    assert scores.table_line() == "   65.1    50.0    40.0    23.5    20.0    45.0    62.0"
    without = CaptionScores(1.0, 0.5, 0.4, 0.2349, None, 0.45, 1.2, "simple")
    assert without.table_line() == "  100.0    50.0    40.0    23.5       -    45.0   120.0"
    assert without.as_dict()["meteor"] is None


def test_impossible_scores_are_refused() -> None:
    with pytest.raises(DataError, match="expected a bleu_1 of 0 to 1, got 65"):
        CaptionScores(65.0, 0.5, 0.4, 0.2, 0.2, 0.4, 0.6)
    with pytest.raises(DataError, match=r"expected a cider of 0 to 10, got -0\.1"):
        CaptionScores(0.6, 0.5, 0.4, 0.2, 0.2, 0.4, -0.1)
