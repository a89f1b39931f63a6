"""Evaluation end to end on tiny photos: a captioner that says known captions, and a real one with random weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from builders import caption, photo, tiny_captioner
from captioner.__main__ import main
from captioner.beam_search import SearchOptions
from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.checkpoint import ModelCard
from captioner.description import Description
from captioner.errors import CaptionerError, DataError, PhotoError, SearchError
from captioner.training.data import CaptionData, Example
from captioner.training.evaluate import EvaluateOptions, evaluate
from captioner.training.phrases import Label, Phrase, Sentence
from captioner.training.report import EvaluationReport, write_captions, write_report

# What the fake says of a photo, told apart by its width in pixels: best caption of beam width 1, of beam width 3.
SAID = {
    20: ("a dog runs fast", "a red dog runs fast"),
    30: ("a dog runs fast", "two men swim"),
    40: ("the ball", "the red ball"),
}
OPTIONS = EvaluateOptions(widths=(1, 3), batch_size=2, tokenizer="simple")


@dataclass
class FakeCaptioner:
    """Knows what to say of every photo; the caption of the photo 40 pixels wide is never finished."""

    card: ModelCard = field(default_factory=lambda: ModelCard("fake", "nothing"))
    batches: list[list[int]] = field(default_factory=list)
    searched: list[tuple[int, ...]] = field(default_factory=list)

    def encode(self, photos: Sequence[Image.Image]) -> list[int]:
        self.batches.append([photo.width for photo in photos])
        return self.batches[-1]

    def search(self, grid: Sequence[int], options: SearchOptions) -> tuple[Description, ...]:
        self.searched.append(options.widths)
        return tuple(self.describe(pixels) for pixels in grid)

    def describe(self, pixels: int) -> Description:
        best = tuple(self.say(text, pixels) for text in SAID[pixels])
        worse = self.say("water", pixels)
        return Description((*best, worse), {1: (0,), 3: (1, 2)}, {1: (), 3: ()}, (2, 3), (2, 3), "fake")

    def say(self, text: str, pixels: int) -> Caption:
        said = caption(tuple(text.split()), seed=pixels)
        return replace(said, finished=False, end_log_prob=None) if pixels == 40 else said


@pytest.fixture
def data(tmp_path: Path) -> CaptionData:
    """Three validation photos, whose references are what beam width 3 says, and one training photo."""
    examples = []
    for pixels, (_, text) in SAID.items():
        path = tmp_path / f"{pixels}.png"
        photo(pixels, 12).save(path)
        examples.append(Example(path.name, path, "val", (text.upper(), "something else")))
    return CaptionData((Example("other.png", tmp_path / "other.png", "train", ("x",)), *examples))


def run(data: CaptionData, options: EvaluateOptions = OPTIONS, fake: FakeCaptioner | None = None) -> EvaluationReport:
    return evaluate(cast(Captioner, fake or FakeCaptioner()), data, options, progress=False)


def test_every_photo_is_described_once_in_batches(data: CaptionData) -> None:
    fake = FakeCaptioner()
    report = run(data, fake=fake)
    assert fake.batches == [[20, 30], [40]]
    assert fake.searched == [(1, 3), (1, 3)]
    assert (report.model, report.split, report.photos) == ("fake", "val", 3)
    assert 0 < report.seconds_per_photo < 5


def test_each_width_reports_its_best_captions(data: CaptionData) -> None:
    one, three = run(data).widths
    assert (one.width, three.width) == (1, 3)
    assert dict(one.captions) == {"20.png": "a dog runs fast", "30.png": "a dog runs fast", "40.png": "the ball"}
    assert dict(three.captions) == {"20.png": "a red dog runs fast", "30.png": "two men swim", "40.png": "the red ball"}
    assert one.distinct == 2
    assert one.distinct_share == pytest.approx(2 / 3)
    assert (three.distinct, three.distinct_share) == (3, 1.0)
    assert one.words_used == 6  # a dog runs fast the ball
    assert three.words_used == 10
    assert one.mean_words == pytest.approx((4 + 4 + 2) / 3)
    assert (one.unfinished, three.unfinished) == (1, 1)


def test_each_width_gets_its_own_scores_and_attention_health(data: CaptionData) -> None:
    one, three = run(data).widths
    assert three.scores.bleu_4 == pytest.approx(1.0)
    assert three.scores.rouge_l == pytest.approx(1.0)
    # 6 of the 10 words said with beam width 1 are in a reference of their photo; the references closest in length
    # have 5, 3 and 2 words, 10 in all, so nothing is too short.
    assert one.scores.bleu_1 == pytest.approx(6 / 10)
    assert one.scores.cider < three.scores.cider
    assert (one.health.captions, one.health.words, one.health.cells) == (3, 10, 6)
    assert three.health.words == 11
    assert not one.health.collapsed


def test_a_limit_takes_the_first_photos(data: CaptionData) -> None:
    fake = FakeCaptioner()
    report = run(data, replace(OPTIONS, limit=2, batch_size=16), fake)
    assert fake.batches == [[20, 30]]
    assert report.photos == 2


def test_a_real_captioner_is_evaluated(data: CaptionData) -> None:
    report = evaluate(tiny_captioner(), data, EvaluateOptions(widths=(1, 2), tokenizer="simple"), progress=False)
    assert report.model == "tiny"
    for width in report.widths:
        assert set(width.captions) == {"20.png", "30.png", "40.png"}
        assert width.health.cells == 16
        assert 1 <= width.mean_words <= 30
    json.dumps(report.as_dict(captions=True), allow_nan=False)


def test_photos_with_labels_are_searched_for_objects(data: CaptionData) -> None:
    others, swimmers = data.examples[:2] + data.examples[3:], data.examples[2]
    labelled = CaptionData((*others, replace(swimmers, labels=(Label("person"),))))
    assert all(width.objects is None for width in run(data).widths)
    report = run(labelled)
    one, three = (width.objects for width in report.widths)
    assert one is not None
    assert three is not None
    assert (one.photos, one.named, one.invented, three.named, three.invented) == (1, 0, 1, 1, 0)
    assert (one.dogless, one.dogs_said) == (2, 1)  # the swimmers and the ball
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert record["beam_width"]["3"]["objects"]["categories"] == {"person": {"photos": 1, "named": 1, "invented": 0}}
    lines = report.table().splitlines()
    assert lines[14] == "width  named  CHAIRi  CHAIRs  says dog   (percent; 1 photos with labels, 2 without a dog)"
    assert lines[15] == "    1    0.0   100.0   100.0      50.0"
    assert lines[16] == "    3  100.0     0.0     0.0       0.0"
    assert lines[-3:] == [
        "                photos     width 1     width 3",
        "person               1       0 + 0       1 + 0",
        "dog                  0       0 + 1       0 + 0",
    ]


def test_grounding_is_measured_when_asked_for(data: CaptionData) -> None:
    man = Sentence("A man runs .", (Phrase(0, 2, ("people",), ((0.0, 0.0, 0.5, 1.0),)),))
    annotated = CaptionData(tuple(replace(e, sentences=(man,) * 50) for e in data.examples[:2]) + data.examples[2:])
    options = EvaluateOptions(widths=(1, 2), batch_size=2, tokenizer="simple", grounding=True)
    report = evaluate(tiny_captioner(), annotated, options, progress=False)
    assert report.grounding is not None
    assert report.grounding.phrases == 50
    assert [row.name for row in report.grounding.rows] == ["all but scene", "people"]
    for width in report.widths:
        assert width.localisation is not None
        assert (width.localisation.photos, width.localisation.nouns) == (1, 1)
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert record["grounding"]["types"]["people"]["mass"]["uniform"] == pytest.approx(0.5)
    assert "f1_all" in record["beam_width"]["2"]["localisation"]
    assert "width  F1_all  F1_loc   pooled: F1_all  F1_loc  centre" in report.table()
    assert "grounding: 50 phrases with boxes" in report.table()


def test_grounding_without_boxes_is_refused_before_the_first_photo(data: CaptionData) -> None:
    fake = FakeCaptioner()
    with pytest.raises(DataError, match=r"none of these 3 photos has phrases with boxes: put phrase_boxes\.json"):
        run(data, replace(OPTIONS, grounding=True), fake)
    assert fake.batches == []


def test_the_report_is_json(data: CaptionData) -> None:
    report = run(data)
    record: dict[str, Any] = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert sorted(record) == ["beam_width", "model", "people", "photos", "seconds_per_photo", "split"]
    assert record["beam_width"]["1"]["distinct_captions"] == 2
    assert record["beam_width"]["3"]["scores"]["bleu_4"] == pytest.approx(1.0)
    assert record["beam_width"]["3"]["scores"]["meteor"] is None
    assert record["beam_width"]["3"]["attention"]["collapsed"] is False
    assert report.as_dict(captions=True)["captions"]["40.png"] == {"1": "the ball", "3": "the red ball"}


def test_the_table_is_for_people(data: CaptionData) -> None:
    lines = run(data).table().splitlines()
    assert lines[0].startswith("fake: 3 photos of val, ")
    assert lines[2].startswith("width   BLEU-1  BLEU-2  BLEU-3  BLEU-4  METEOR ROUGE-L   CIDEr   (percent, simple")
    assert lines[3].startswith("    1     60.0 ")
    assert lines[4].startswith("    3    100.0   100.0   100.0   100.0       -   100.0 ")
    assert lines[6] == "width  distinct  words used  words a caption  unfinished"
    assert lines[7] == "    1     66.7%           6              3.3           1"
    assert lines[10] == "width  effective cells    peak  next word  all words  photos"
    assert " of 6 " in lines[11]
    assert lines[14].startswith("width  said twice  in a row   (percent of captions: ")
    assert lines[15] == "    1         0.0       0.0"
    assert lines[17] == "people        0.0       0.0   (6 captions of the same photos)"
    assert lines[19].startswith("width 1: attention not collapsed. The maps are not flat")
    assert len(lines) == 21


def test_words_said_twice_are_reported_beside_people_s(
    data: CaptionData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {20: ("a boat boat on a boat", "a boat"), 30: ("the the men swim", "two men"), 40: ("the ball", "a ball")}
    monkeypatch.setattr(f"{__name__}.SAID", said)
    swimmers = replace(data.examples[2], captions=("A man beside a man .", "Swimmers ."))
    report = run(CaptionData((*data.examples[:2], swimmers, data.examples[3])))
    lines = report.table().splitlines()
    assert lines[15:18] == [
        "    1        33.3      66.7",
        "    3         0.0       0.0",
        "people       16.7       0.0   (6 captions of the same photos)",
    ]
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert "repeats" not in record
    assert record["beam_width"]["1"]["repeats"]["said_twice_share"] == pytest.approx(1 / 3)
    assert record["beam_width"]["1"]["repeats"]["in_a_row"] == 2
    assert record["people"]["repeats"]["captions"] == 6
    assert record["people"]["repeats"]["said_twice"] == 1
    write_captions(report, tmp_path / "said.json")
    written = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    assert written["captions"]["20.png"] == {"1": "a boat boat on a boat", "3": "a boat"}
    assert written["repeats"] == {
        "20.png": {"1": {"said_twice": ["boat"], "in_a_row": ["boat"]}},
        "30.png": {"1": {"in_a_row": ["the"]}},
    }
    assert report.as_dict(captions=True)["repeats"] == written["repeats"]


def test_a_collapsed_model_is_called_so(data: CaptionData, monkeypatch: pytest.MonkeyPatch) -> None:
    say = FakeCaptioner.say

    def same_map(fake: FakeCaptioner, text: str, pixels: int) -> Caption:
        said = say(fake, text, pixels)
        return replace(said, attention=said.attention[:1].repeat(len(said.words), axis=0))

    monkeypatch.setattr(FakeCaptioner, "say", same_map)
    report = run(data)
    assert all(width.health.collapsed for width in report.widths)
    assert "width 3: attention COLLAPSED. The maps of a caption's words are the same" in report.table()


def test_a_damaged_photo_is_named(data: CaptionData) -> None:
    data.examples[2].path.write_bytes(b"not a photo at all")
    with pytest.raises(PhotoError, match=r"30\.png"):
        run(data)
    data.examples[1].path.unlink()
    with pytest.raises(PhotoError, match=r"20\.png"):
        run(data)


def test_what_scoring_lacks_is_found_out_before_the_first_photo(
    data: CaptionData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fake = FakeCaptioner()
    with pytest.raises(DataError, match="need Java"):
        run(data, EvaluateOptions(widths=(1, 3)), fake)
    assert fake.batches == []


def test_an_empty_split_is_refused(data: CaptionData) -> None:
    with pytest.raises(DataError, match="no photo of this data set is in the split 'test'"):
        run(data, replace(OPTIONS, split="test"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "dev"}, "expected a split out of train, val, test, got 'dev'"),
        ({"batch_size": 0}, "expected a batch of 1 photo or more, got 0"),
        ({"limit": 0}, "expected a limit of 1 photo or more, got 0"),
        ({"tokenizer": "spacy"}, "expected a tokenizer out of ptb, simple, got 'spacy'"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        EvaluateOptions(**wrong)


@pytest.mark.parametrize("widths", [(), (0,), (1000,), (3, 1)])
def test_impossible_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(SearchError, match="beam widths"):
        EvaluateOptions(widths=widths)


def test_progress_is_shown_only_when_asked(data: CaptionData, capsys: pytest.CaptureFixture[str]) -> None:
    run(data)
    assert capsys.readouterr() == ("", "")
    evaluate(cast(Captioner, FakeCaptioner()), data, OPTIONS)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "describing: 100%" in shown.err
    assert "3/3" in shown.err


def test_the_report_is_written_whole(data: CaptionData, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(run(data), path, captions=True)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["captions"]["20.png"]["3"] == "a red dog runs fast"
    write_report(run(data), path)
    assert "captions" not in json.loads(path.read_text(encoding="utf-8"))


def test_a_report_that_cannot_be_written_leaves_nothing(
    data: CaptionData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(data)
    folder = tmp_path / "reports"
    with pytest.raises(CaptionerError, match=r"report\.json could not be written: choose a folder"):
        write_report(report, folder / "report.json")
    folder.mkdir()
    path = folder / "report.json"
    path.write_text("before")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CaptionerError, match="could not be written"):
        write_report(report, path)
    assert [item.name for item in folder.iterdir()] == ["report.json"]
    assert path.read_text() == "before"


# Both Java programs, of which each fails once it has run as often as told.
FAILING_JAVA = """\
case "$*" in
*PTBTokenizer*) name=tokenizer most={tokenizer} ;;
*) name=meteor most={meteor} ;;
esac
echo >> "$JAVA_RUNS/$name"
if [ "$(wc -l < "$JAVA_RUNS/$name")" -gt "$most" ]; then echo "no heap left" >&2; exit 1; fi
if [ "$name" = tokenizer ]; then exec tr A-Z a-z; fi
while read -r line; do
  case "$line" in
  SCORE*) echo "1.0 2.0" ;;
  EVAL*) for part in $line; do if [ "$part" = "|||" ]; then echo 0.5; fi; done; echo 0.25 ;;
  esac
done
"""


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Put such a Java on the path."""

    def install(tokenizer: int, meteor: int) -> None:
        program = tmp_path / "bin" / "java"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n" + FAILING_JAVA.format(tokenizer=tokenizer, meteor=meteor))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("JAVA_RUNS", str(tmp_path))

    return install


@pytest.mark.parametrize(("tokenizer", "meteor", "program"), [(9, 0, "METEOR"), (0, 9, "the official tokenizer")])
def test_a_java_that_fails_is_found_out_before_the_first_photo(
    data: CaptionData, java: Callable[[int, int], None], tokenizer: int, meteor: int, program: str
) -> None:
    java(tokenizer, meteor)
    fake = FakeCaptioner()
    with pytest.raises(DataError, match=rf"Java could not run {program} \(no heap left\)"):
        run(data, replace(OPTIONS, tokenizer="ptb"), fake)
    assert fake.batches == []


def test_a_photo_without_a_word_to_score_by_is_found_out_before_the_first_photo(data: CaptionData) -> None:
    fake, wordless = FakeCaptioner(), replace(data.examples[1], captions=("!",))
    with pytest.raises(DataError, match=r"20\.png has no reference with a word in it"):
        run(CaptionData((wordless, *data.examples[2:])), fake=fake)
    assert fake.batches == []


@pytest.mark.parametrize(
    ("tokenizer", "meteor", "by", "program"), [(9, 1, "ptb", "METEOR"), (1, 9, "simple", "the official tokenizer")]
)
def test_a_java_that_fails_afterwards_costs_no_captions_and_no_other_score(
    data: CaptionData, java: Callable[[int, int], None], tokenizer: int, meteor: int, by: str, program: str
) -> None:
    java(tokenizer, meteor)
    report = run(data, replace(OPTIONS, tokenizer="ptb"))
    for width in report.widths:
        assert (width.scores.tokenizer, width.scores.meteor) == (by, None)
    assert report.widths[1].scores.bleu_4 == pytest.approx(1.0)
    assert report.widths[0].scores.bleu_1 == pytest.approx(6 / 10)
    record = report.as_dict(captions=True)
    assert record["problem"].startswith(f"Java could not run {program} (no heap left)")
    assert len(record["captions"]) == 3
    assert ("not comparable" in report.table()) == (by == "simple")


def test_a_java_that_works_leaves_no_problem(data: CaptionData, java: Callable[[int, int], None]) -> None:
    java(2, 2)
    report = run(data, replace(OPTIONS, tokenizer="ptb"))
    assert [width.scores.meteor for width in report.widths] == [0.25, 0.25]
    assert (report.problem, "problem" in report.as_dict()) == ("", False)


def test_the_command_gives_the_report_out_before_it_says_what_is_missing(
    tmp_path: Path,
    data: CaptionData,
    java: Callable[[int, int], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    java(9, 1)
    monkeypatch.setattr("captioner.commands.evaluate.load_model", lambda _: FakeCaptioner())
    monkeypatch.setattr("captioner.training.data.load_data", lambda _: data)
    out = tmp_path / "scores.json"
    assert main(["evaluate", "--data", "d", "--beam-width", "1,3", "--json", str(out), "--captions"]) == 2
    told = capsys.readouterr()
    assert "fake: 3 photos of val" in told.out
    assert "captioner: not everything was scored: Java could not run METEOR (no heap left)" in told.err
    assert json.loads(out.read_text())["captions"]["20.png"] == {"1": "a dog runs fast", "3": "a red dog runs fast"}
