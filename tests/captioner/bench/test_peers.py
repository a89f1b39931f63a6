"""Peers of a few hundred thousand weights: as many words as ours, or a line that says how to have them measured."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

from builders import photo, tiny_captioner
from captioner.bench import peers
from captioner.bench.harness import Comparisons
from captioner.bench.options import BenchOptions
from captioner.bench.peers import BEAM, INSTALL, Peer, PeerSizes, blip, measure_peers, peer_pairs, vit_gpt2
from captioner.bench.report import Report, describe_machine
from captioner.bench.task import Task
from captioner.search_options import SearchOptions

TINY = PeerSizes(hidden=24, layers=2, words=(50, 40), sides=(32, 48))
CPU = torch.device("cpu")
Maker = Callable[[PeerSizes, int, torch.device], Peer]


def task() -> Task:
    return Task(BenchOptions(("peers",), 3, "cpu"), CPU, photo(), lambda name: None)


def test_without_the_library_the_report_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LIBRARY", "no_such_library_is_installed")
    report = Report(describe_machine(CPU), {"peers": measure_peers(task())})
    assert report.same
    assert json.loads(json.dumps(report.record()))["entries"]["peers"] == {"not measured": INSTALL}
    assert report.table().endswith(f"not measured: {INSTALL}")


def test_with_the_library_the_shipped_model_takes_its_turn_with_every_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for each peer, and any library in the place of theirs."""
    said: list[str] = []

    def stand_in(name: str) -> Maker:
        return lambda sizes, length, device: Peer(name, 2_000_000, lambda photo: [said.append(name), length])  # type: ignore[list-item,func-returns-value]

    monkeypatch.setattr(peers, "LIBRARY", "json")
    monkeypatch.setattr(peers, "vit_gpt2", stand_in("one"))
    monkeypatch.setattr(peers, "blip", stand_in("two"))
    found = measure_peers(task())
    assert isinstance(found, Comparisons)
    assert said == ["one"] * 4 + ["two"] * 4
    assert [pair.name.split("against ")[1] for pair in found.pairs] == ["one (2 M)", "two (2 M)"]
    assert found.same


@pytest.fixture
def library() -> None:
    pytest.importorskip("transformers", reason=f"the peers are not installed: {INSTALL}")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("make", [vit_gpt2, blip])
@pytest.mark.parametrize("length", [3, 9])
def test_a_peer_says_exactly_as_many_words_as_it_is_told_to(make: Maker, length: int) -> None:
    peer = make(TINY, length, CPU)
    said = peer.say(photo())
    assert len(said) == length
    assert said == peer.say(photo()) == make(TINY, length, CPU).say(photo())


@pytest.mark.usefixtures("library")
def test_a_pair_is_as_long_on_both_sides() -> None:
    captioner = tiny_captioner()
    length = len(captioner.describe(photo(), SearchOptions(widths=(BEAM,))).at_width(BEAM)[0].words)
    pairs = list(peer_pairs(captioner, task(), TINY))
    assert ["ViT-GPT2" in pairs[0].name, "BLIP" in pairs[1].name] == [True, True]
    for pair in pairs:
        assert len(pair.ours().at_width(BEAM)[0].words) == length == len(pair.reference())
