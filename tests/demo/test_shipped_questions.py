"""Every question of the page, put to the model that ships; what it answers is held against plain layers."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner.encoder import FeatureGrid
from captioner.photo import open_photo
from captioner.probes.second import SecondOpinion
from demo.boxes import boxes_of
from demo.callbacks import caption_json, view_photo
from demo.examples import list_examples
from demo.learning import RECORD_FILE
from demo.probing import EXPERIMENTS
from demo.questions import ANSWERS, AT_ONCE, CAPTIONS, Answerer
from shipped import FEW, NATS, SHARE, best_caption, close, example_files, grid, missing, plain, shipped
from shipped import step as middle
from shipped import words as said

SQUARE = [[0.2, 0.2], [0.7, 0.2], [0.7, 0.7], [0.2, 0.7]]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first example was uploaded to."""
    folder = tmp_path_factory.mktemp("uploads")
    shutil.copy(example_files()[0], folder / "photo.jpg")
    return folder


@pytest.fixture(scope="module")
def answerer(uploads: Path) -> Answerer:
    return Answerer(shipped, uploads)


def ask(answerer: Answerer, kind: str, **question: object) -> dict[str, Any]:
    """The answer, as JSON carries it to the browser."""
    photo = {"path": str(answerer.uploads / "photo.jpg")}
    answer = answerer.answer({"kind": kind, "photo": photo, **question})
    assert answer["kind"] != "problem", answer
    carried: dict[str, Any] = json.loads(json.dumps(answer, allow_nan=False))
    return carried


def drawn_maps(view: dict[str, Any]) -> NDArray[np.float64]:
    """(N, H, W) as the browser reads them."""
    levels = np.frombuffer(base64.b64decode(view["maps"]["fractions"]), "<u2").reshape(-1, *view["grid"])
    maps: NDArray[np.float64] = levels / 65535 * view["maps"]["peak"]
    return maps


def check_result(view: dict[str, Any], features: FeatureGrid | None) -> None:
    """A result for the page: its words, their probabilities and maps are those of the plain layers.

    Args:
        features: of its photo; None where its maps were brushed.
    """
    assert view["kind"] == "result"
    assert view["grid"] == [grid().height, grid().width]
    assert view["captions"]
    maps = drawn_maps(view)
    for caption in view["captions"]:
        words = [word["word"] for word in caption["words"]]
        assert len(words) > 0
        if features is not None:
            again = plain().replay(features, words)
            close([word["log_prob"] for word in caption["words"]], again.log_probs, NATS)
            close(maps[[word["map"] for word in caption["words"]]], again.attention, SHARE)
            close([word["gate"] for word in caption["words"]], again.gate, 10 * SHARE)
    for tree in view["trees"]["widths"].values():
        assert len(tree["words"]) == len(tree["steps"]) == len(tree["fates"]) > 0


def spoken() -> list[dict[str, Any]]:
    """The caption as the page sends it back to be drawn or taught."""
    caption = best_caption()
    parts = zip(caption.words, caption.log_probs.tolist(), caption.attention, strict=True)
    return [{"word": word, "log_prob": number, "map": drawn.ravel().tolist()} for word, number, drawn in parts]


def opened_room(answerer: Answerer) -> dict[str, Any]:
    """A room about the caption."""
    return ask(answerer, "room_open", grid=[grid().height, grid().width], words=spoken(), place=middle(), network="t")


class TestEveryQuestion:
    def test_health(self, answerer: Answerer) -> None:
        assert shipped().self_test.healthy
        answerer.checkup._found.result(60)
        told = ask(answerer, "health")
        assert (told["state"], told["findings"], told["model"]) == ("good", [], shipped().card.name)

    def test_learning(self, answerer: Answerer) -> None:
        if not RECORD_FILE.is_file():
            pytest.skip("no record of the training ships")
        told = ask(answerer, "learning")
        assert len(told["photos"]) == len(told["moments"][-1]["tellings"]) > 0

    def test_continue(self, answerer: Answerer) -> None:
        view = ask(answerer, "continue", words=list(said()[:2]))
        check_result(view, grid())
        assert all([word["word"] for word in caption["words"]][:2] == list(said()[:2]) for caption in view["captions"])

    def test_describe(self, answerer: Answerer) -> None:
        view = ask(answerer, "describe")
        check_result(view, grid())
        assert tuple(word["word"] for word in view["captions"][view["ranking"]["3"][0]]["words"]) == said()

    def test_example(self, answerer: Answerer) -> None:
        for index in range(len(list_examples())):
            check_result(ask(answerer, "example", index=index), grid(index))

    def test_open(self, answerer: Answerer) -> None:
        description = shipped().search(grid(), FEW)[0]
        record = json.loads(json.dumps(description.to_record()))
        view = ask(answerer, "open", record=record)
        check_result(view, grid())
        assert len(view["captions"]) == len(description.captions)

    @pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("gif", b"GIF8"), ("webp", b"RIFF")])
    def test_picture(self, answerer: Answerer, kind: str, start: bytes) -> None:
        sides = [grid().height, grid().width]
        answer = ask(answerer, "picture", format=kind, grid=sides, words=spoken()[:2], smooth=True)
        assert base64.b64decode(answer["address"].partition(",")[2]).startswith(start)

    def test_probe(self, answerer: Answerer) -> None:
        assert missing(EXPERIMENTS, TestEveryExperiment) == []

    def test_inside(self, answerer: Answerer) -> None:
        """The numbers of every card, at every word and the end, are those of the plain layers."""
        again = plain().replay(grid(), said())
        sizes = {
            name: getattr(shipped().decoder.options, f"{name}_dim") for name in ("annotation", "attention", "hidden")
        }
        for place, word in enumerate([*said(), ""]):
            told = ask(answerer, "inside", words=list(said()[:place]), word=word)
            expected = plain().look_inside(grid(), said()[:place])
            close(told["score"]["scores"], expected.scores, NATS)
            close(told["score"]["shares"], expected.attention, SHARE)
            close(told["context"]["gate_mean"], expected.gate.mean(), SHARE)
            close(told["context"]["gated"], expected.gated[told["context"]["channels"]], NATS)
            close(told["lstm"]["hidden"], expected.lstm.hidden[told["lstm"]["units"]], NATS)
            chosen = told["words"]["words"].index(word)
            assert chosen == told["words"]["chosen"]
            log_prob = again.log_probs[place] if word else again.end_log_prob
            close(np.log(told["words"]["probabilities"][chosen]), log_prob, NATS)
            assert {name: told["sizes"][name] for name in sizes} == sizes

    def test_stages(self, answerer: Answerer) -> None:
        told = ask(answerer, "stages")
        assert told["grid"] == [grid().height, grid().width]
        assert told["size"] == shipped().photo_settings.size
        last = told["stages"][-1]
        assert (last["height"], last["width"], last["total"]) == (*told["native"], shipped().encoder.channels)
        annotations = grid().annotations[0].numpy()  # (L, D)
        if not grid().stretched:
            close(last["strengths"], annotations.std(axis=0)[last["channels"]], NATS)
            close(last["highs"], annotations.max(axis=0)[last["channels"]], NATS)

    def test_room_open(self, answerer: Answerer) -> None:
        room = opened_room(answerer)
        assert (room["teaching"], room["words"]) == (True, list(said()))

    def test_room_join(self, answerer: Answerer) -> None:
        room = opened_room(answerer)
        pupil = ask(answerer, "room_join", code=room["code"])
        assert (pupil["teaching"], pupil["state"]["word"]) == (False, said()[middle()])

    def test_room_state(self, answerer: Answerer) -> None:
        room = opened_room(answerer)
        assert ask(answerer, "room_state", **{"pass": room["pass"]})["word"] == said()[middle()]

    def test_room_word(self, answerer: Answerer) -> None:
        room = opened_room(answerer)
        assert ask(answerer, "room_word", **{"pass": room["pass"]}, place=0)["word"] == said()[0]

    def test_room_point(self, answerer: Answerer) -> None:
        pupil = ask(answerer, "room_join", code=opened_room(answerer)["code"])
        pointed = ask(answerer, "room_point", **{"pass": pupil["pass"]}, place=middle(), point=[0.5, 0.5])
        assert (pointed["own"], pointed["pointed"]) == ([0.5, 0.5], 1)

    def test_room_reveal(self, answerer: Answerer) -> None:
        """The class sees the map of the caption."""
        room = opened_room(answerer)
        shown = ask(answerer, "room_reveal", **{"pass": room["pass"]}, phase="model")["model_map"]
        seen = drawn_maps({"maps": shown, "grid": [grid().height, grid().width]})[0]
        close(seen, plain().replay(grid(), said()).attention[middle()], SHARE)

    def test_room_close(self, answerer: Answerer) -> None:
        room = opened_room(answerer)
        assert ask(answerer, "room_close", **{"pass": room["pass"]})["kind"] == "room_gone"
        assert ask(answerer, "room_state", **{"pass": room["pass"]})["kind"] == "room_gone"

    def test_none_is_left_out(self) -> None:
        assert missing([*AT_ONCE, *CAPTIONS, *ANSWERS], TestEveryQuestion) == []


def probe(answerer: Answerer, test: str, **question: object) -> dict[str, Any]:
    return ask(answerer, "probe", test=test, words=list(said()), **question)


class TestEveryExperiment:
    def test_map(self, answerer: Answerer) -> None:
        told = probe(answerer, "map", step=middle())
        close(told["log_prob"], plain().replay(grid(), said()).log_probs[middle()], NATS)
        assert told["word"] == said()[middle()]

    def test_seen(self, answerer: Answerer) -> None:
        told = probe(answerer, "seen")
        close(told["log_probs"], plain().replay(grid(), said()).log_probs, NATS)
        close(told["gains"], np.subtract(told["log_probs"], told["blind"]), NATS)

    def test_second(self, answerer: Answerer) -> None:
        told = probe(answerer, "second", step=middle())
        close(told["attention"], plain().replay(grid(), said()).attention[middle()], SHARE)
        opinion = SecondOpinion(*(np.array(told[name], np.float32) for name in ("attention", "attribution")))
        assert (told["verdict"], opinion.attention.shape) == (opinion.verdict, (grid().height, grid().width))
        close(told["agreement"], opinion.agreement, SHARE)

    def test_boxes(self, tmp_path: Path) -> None:
        """On every example that has boxes, for all that the model has a word for."""
        drawn = {file: boxes_of(open_photo(file)) for file in example_files()}
        assert any(drawn.values())
        for file, boxes in drawn.items():
            names = [name for name in boxes if name in shipped().vocabulary]
            if names:
                shutil.copy(file, tmp_path / "photo.jpg")
                answer = ask(Answerer(shipped, tmp_path), "probe", test="boxes", words=names)
                assert [check["word"] for check in answer["words"]] == names
                assert all(0 <= check["mass"] <= 1 for check in answer["words"])

    def test_shuffled(self, answerer: Answerer) -> None:
        maps = np.array(probe(answerer, "shuffled")["maps"])
        close(maps.sum(axis=(1, 2)), np.ones(len(said())), SHARE)

    def test_gaze(self, answerer: Answerer) -> None:
        weights = np.zeros((grid().height, grid().width))
        weights[0, 1] = 1
        told = probe(answerer, "gaze", weights=weights.tolist(), step=middle())
        check_result(told["result"], None)
        maps = drawn_maps(told["result"])
        for caption in told["result"]["captions"]:
            close(maps[caption["words"][middle()]["map"]], weights, SHARE)

    def test_erase(self, answerer: Answerer) -> None:
        told = probe(answerer, "erase", outline=SQUARE, fill="flat")
        check_result(told["result"], None)
        assert told["outlook"]["words"] == list(said())

    def test_none_is_left_out(self) -> None:
        assert missing(EXPERIMENTS, TestEveryExperiment) == []


def test_the_photo_itself_is_answered_on_the_page_and_through_the_api(answerer: Answerer, uploads: Path) -> None:
    upload = {"path": str(uploads / "photo.jpg")}
    check_result(dict(view_photo(answerer.scheduler, uploads, upload)), grid())
    told = caption_json(answerer.scheduler, uploads, upload, 3)
    first = told["captions"][0]
    assert [word["word"] for word in first["words"]] == list(said())
    again = plain().replay(grid(), said())
    close(np.log([word["probability"] for word in first["words"]]), again.log_probs, NATS)
    close([word["attention"] for word in first["words"]], again.attention, SHARE)
    assert told["grid"] == [grid().height, grid().width]
