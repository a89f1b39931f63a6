"""A padded, replayed search finds what a plain one finds; and what is done on a GPU never leaves it in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from builders import photo, tiny_checkpoint, tiny_decoder, tiny_grid, tiny_vocabulary
from captioner import beam_search as module
from captioner import captioner as front_door
from captioner.beam_search import SearchOptions, SearchResult, SearchTokens, StepResult, beam_search
from captioner.captioner import Captioner
from captioner.decoder import AttentionDecoder, DecoderState
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import SearchError
from captioner.gaze import Gaze
from captioner.interrupt import InterruptedCaptioningError, interruptible
from captioner.recorder import Recorder
from captioner.recording import Capture, Recordings, Tensors
from captioner.search_steps import Step
from captioner.search_turns import Asked, Going, start_search, take_turn
from traced import capture_traced

WORDS = tiny_vocabulary()
TOKENS = SearchTokens(WORDS.start, WORDS.end, (WORDS.pad, WORDS.start, WORDS.unk))
OPTIONS = tiny_decoder().options
SEARCHES = [
    SearchOptions(widths=(1, 2, 3, 4, 5), max_steps=12),
    SearchOptions(widths=(1,), max_steps=9, min_words=0),
    SearchOptions(widths=(3, 7), max_steps=8, min_words=3, top_words=9),
    SearchOptions(widths=(40,), max_steps=3, top_words=2),  # more places than there are words
    SearchOptions(widths=(2, 4), max_steps=1, min_words=0),
]


def step_of(decoder: AttentionDecoder) -> Step[DecoderState]:
    def step(token_ids: Tensor, state: DecoderState) -> StepResult:
        said = decoder.step(token_ids, state)
        return StepResult(said.logits.log_softmax(-1), said.attention, said.gate.mean(-1), said.state)

    return step


def recorder(capture: Capture = capture_traced) -> Recorder:
    return Recorder(Recordings(capture), len(tiny_vocabulary()))


def refuses(_: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    raise RuntimeError("no graphs here")


def assert_same(found: dict[int, SearchResult], expected: dict[int, SearchResult]) -> None:
    assert found.keys() == expected.keys()
    for width, result in found.items():
        twin = expected[width]
        assert [h.tokens for h in result.hypotheses] == [h.tokens for h in twin.hypotheses]
        for name, column in result.columns._asdict().items():
            np.testing.assert_allclose(column, getattr(twin.columns, name), 1e-5, 1e-4, err_msg=name)
        np.testing.assert_allclose(result.glimpses.attention, twin.glimpses.attention, atol=1e-6)
        np.testing.assert_allclose(result.glimpses.gate, twin.glimpses.gate, atol=1e-6)
        words = [[word for word, _ in best] for best in result.glimpses.alternatives]
        assert words == [[word for word, _ in best] for best in twin.glimpses.alternatives]


@pytest.mark.parametrize("options", SEARCHES, ids=lambda options: f"{options.widths}")
@pytest.mark.parametrize("capture", [capture_traced, refuses])
def test_equals_the_search_that_is_not_padded(capture: Capture, options: SearchOptions) -> None:
    decoder, kept = tiny_decoder(seed=2), recorder(capture)
    for seed in range(3):  # the second is recorded, the third replayed
        start = decoder.start(tiny_grid(3, seed=seed))
        expected = beam_search(step_of(decoder), start, TOKENS, options, groups=3)
        found = beam_search(step_of(decoder), start, TOKENS, options, groups=3, recorder=kept)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)


def test_equal_totals_are_settled_alike() -> None:
    decoder = tiny_decoder(seed=1)
    with torch.no_grad():
        decoder.output.weight.zero_()
        decoder.output.bias.zero_()  # every word is as probable as any other
    start, options = decoder.start(tiny_grid(2)), SearchOptions(widths=(1, 3, 5), max_steps=5)
    expected = beam_search(step_of(decoder), start, TOKENS, options, groups=2)
    kept = recorder()
    beam_search(step_of(decoder), start, TOKENS, options, groups=2, recorder=kept)
    found = beam_search(step_of(decoder), start, TOKENS, options, groups=2, recorder=kept)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("capture", [capture_traced, refuses])
def test_more_prefixes_than_rows_begin_anew_with_all_there_can_be(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, options = tiny_decoder(seed=4), SearchOptions(widths=(2, 3, 4, 5), max_steps=6, min_words=5)
    monkeypatch.setattr(module, "_rows", lambda *_: (3, 14))  # the beam of 5 alone needs more than 3
    start, kept, sound = decoder.start(tiny_grid(2)), recorder(capture), step_of(decoder)
    asked: list[int] = []

    def counted(token_ids: Tensor, state: DecoderState) -> StepResult:
        asked.append(token_ids.shape[1])
        return sound(token_ids, state)

    expected = beam_search(sound, start, TOKENS, options, groups=2)
    for _ in range(3):
        found = beam_search(counted, start, TOKENS, options, groups=2, recorder=kept)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    assert set(asked) == {3, 14}


def test_only_what_may_be_replayed_is_asked_twice() -> None:
    cpu, gpu, kept = torch.device("cpu"), torch.device("cuda"), recorder()
    assert module._rows((2, 3, 4, 5), gpu, kept) == module._rows((2, 3, 4, 5), cpu, kept) == (10, 14)
    assert module._rows((5,), gpu, kept) == (5,)
    assert module._rows((2, 3, 4, 5), gpu, None) == (14,)
    assert module._rows((2, 3, 4, 5), cpu, None) == (None,)


def test_a_nan_is_told_with_its_step() -> None:
    decoder = tiny_decoder()
    start = decoder.start(tiny_grid())
    sound = step_of(decoder)

    def breaks(token_ids: Tensor, state: DecoderState) -> StepResult:
        result = sound(token_ids, state)
        begun = (token_ids != TOKENS.start).all(dim=-1)[..., None, None]  # true from the second step on
        return result._replace(log_probs=result.log_probs.masked_fill(begun, torch.nan))

    kept = recorder()
    for _ in range(2):
        with pytest.raises(SearchError, match="NaN or \\+inf at step 1"):
            beam_search(breaks, start, TOKENS, SearchOptions(widths=(2,)), recorder=kept)


def test_a_search_that_nobody_waits_for_ends() -> None:
    decoder, kept = tiny_decoder(), recorder()
    start, options = decoder.start(tiny_grid()), SearchOptions(widths=(2,), max_steps=20, min_words=19)
    for _ in range(2):
        beam_search(step_of(decoder), start, TOKENS, options, recorder=kept)
    asked = 0

    def wanted() -> bool:
        nonlocal asked
        asked += 1
        return asked < 4

    with interruptible(wanted), pytest.raises(InterruptedCaptioningError):
        beam_search(step_of(decoder), start, TOKENS, options, recorder=kept)
    assert asked == 4
    again = beam_search(step_of(decoder), start, TOKENS, options, recorder=kept)  # what was left behind does no harm
    assert_same(again[0], beam_search(step_of(decoder), start, TOKENS, options)[0])


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[Captioner, Captioner]:
    """A captioner whose work is recorded, and one whose is not."""
    plain = Captioner(tiny_checkpoint(), "cpu")
    monkeypatch.setattr(front_door, "capture_for", lambda device: capture_traced)
    return Captioner(tiny_checkpoint(), "cpu"), plain


def assert_said_alike(found: Description, expected: Description) -> None:
    assert found.ranking == expected.ranking
    for one, other in zip(found.captions, expected.captions, strict=True):
        assert one.words == other.words
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)
        np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)


def test_a_captioner_that_records_says_the_same(pair: tuple[Captioner, Captioner]) -> None:
    recorded, plain = pair
    options = SearchOptions(widths=(1, 3), max_steps=8)
    photos = [photo(seed=seed) for seed in range(3)]  # filled up to four
    gaze = Gaze(np.eye(4, dtype=np.float32), 1)
    for _ in range(3):
        for one, other in zip(
            recorded.describe_many(photos, options), plain.describe_many(photos, options), strict=True
        ):
            assert_said_alike(one, other)
        assert_said_alike(
            recorded.describe(photos[0], options, ["a", "dog"]), plain.describe(photos[0], options, ["a", "dog"])
        )
        (one,), (other,) = (
            captioner.search(captioner.encode(photos[:1]), options, gaze=gaze) for captioner in (recorded, plain)
        )
        assert_said_alike(one, other)


def test_recording_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "capture_for", lambda device: pytest.fail("nobody asked for it"))
    captioner = Captioner(tiny_checkpoint(), "cpu", record=False)
    for one in (captioner, captioner.on("cpu")):
        one.describe(photo(), SearchOptions(widths=(1,), max_steps=3))


def carried_on(going: Going[DecoderState]) -> Tensors:
    assert isinstance(going.nodes, Tensor)
    return (going.token_ids, going.live, going.nodes, *going.beams, *going.state)


def decoder_on(device: str) -> AttentionDecoder:
    """A decoder of tensors that were never filled: what fills them would want a GPU."""
    with torch.device("meta"):
        decoder = AttentionDecoder(OPTIONS).eval()
    for layer in decoder.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            setattr(layer, name, nn.Parameter(torch.empty(parameter.shape, device=device)))
    return decoder


def test_turns_stay_on_the_gpu_and_never_wait_for_it() -> None:
    """PyTorch's tensors without numbers know their device, refuse to be mixed, and cannot be read."""
    with FakeTensorMode(), torch.inference_mode():
        try:
            torch.empty(2, 2, device="cuda")[0]
        except RuntimeError:  # PyTorch 2.8
            pytest.skip("this PyTorch asks for a driver even where there is nothing to compute")
        decoder = decoder_on("cuda")
        grid = FeatureGrid(torch.empty(3, 15, 6, device="cuda"), 3, 5, (3, 5))
        gpu = decoder.start(grid).hidden.device
        asked = Asked(TOKENS, SearchOptions(widths=(1, 2, 5)), rows=8)
        going = start_search(decoder.start(grid), asked, 3, gpu)
        for number in range(3):
            before = going
            going, turn = take_turn(step_of(decoder), going, asked, number)
            reading, live, grown = turn
            told = (*reading.offer, *reading[1:], live, *grown)
            assert {tensor.device for tensor in (*told, *carried_on(going))} == {gpu}
            assert [tensor.shape for tensor in carried_on(going)] == [tensor.shape for tensor in carried_on(before)]
        with pytest.raises(DataDependentOutputException):  # as would the turns of a search that is not padded
            take_turn(step_of(decoder), going, Asked(TOKENS, SearchOptions()), 0)


def test_turns_copy_nothing_from_the_processor_to_the_gpu() -> None:
    """A graph cannot hold such a copy, and some operations make one of a plain number."""
    decoder = tiny_decoder()
    asked = Asked(TOKENS, SearchOptions(widths=(1, 2, 5)), rows=8)
    with torch.inference_mode():
        going = start_search(decoder.start(tiny_grid(3)), asked, 3, torch.device("cpu"))
        penalty = asked.penalty(len(WORDS), 0, torch.device("cpu"))

        def turn() -> Tensors:
            after, (reading, *_) = take_turn(step_of(decoder), going, asked, 0, penalty)
            return (*carried_on(after), *reading.offer)

        calls = [node for node in make_fx(turn)().graph.nodes if node.op == "call_function"]
    names = {str(call.target) for call in calls}
    assert "aten.topk.default" in names  # these are the names that are looked for
    assert not {name for name in names if name.startswith(("aten.where.Scalar", "aten.lift", "aten.scalar_tensor"))}
    assert not {name for name in names if name.startswith(("aten.nonzero", "aten.index.", "aten._local_scalar"))}
    assert all("device" not in call.kwargs for call in calls if str(call.target) == "aten._to_copy.default")
