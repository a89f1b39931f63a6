"""The front door: replaying what was said, seeing a photo once, saying nothing it should not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from builders import WORDS, photo, tiny_checkpoint, tiny_decoder, tiny_grid
from captioner.beam_search import SearchOptions
from captioner.branches import Branch
from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, save_checkpoint
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import CheckpointError, PhotoError, SearchError
from captioner.photo import prepare_photo
from captioner.vocabulary import SPECIAL_TOKENS

CHANNELS = 1280  # of the tiny checkpoint's encoder
OPTIONS = SearchOptions(widths=(1, 2, 3, 4, 5), max_steps=12)


@pytest.fixture(scope="module")
def parts() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture(scope="module")
def captioner(parts: Checkpoint) -> Captioner:
    return Captioner(parts, "cpu")


def speaker(parts: Checkpoint, seed: int, ours: bool = True, biases: dict[str, float] | None = None) -> Captioner:
    """A captioner with another random decoder; biases are added to the logits of words."""
    decoder = tiny_decoder(CHANNELS, seed, ours)
    with torch.no_grad():
        for word, bias in (biases or {}).items():
            decoder.output.bias[parts.vocabulary.encode([word])] += bias
    return Captioner(dataclasses.replace(parts, decoder=decoder), "cpu")


def grid_of(photos: int = 1, seed: int = 0) -> FeatureGrid:
    """A feature grid of 3 x 5 cells, as no square photo gives: rows and columns cannot be confused."""
    return tiny_grid(photos, channels=CHANNELS, seed=seed)


def assert_same_captions(actual: Description, expected: Description) -> None:
    assert actual.ranking == expected.ranking
    assert (actual.grid, actual.native, actual.model) == (expected.grid, expected.native, expected.model)
    for ours, theirs in zip(actual.captions, expected.captions, strict=True):
        assert ours.words == theirs.words
        assert ours.finished == theirs.finished
        assert ours.score == pytest.approx(theirs.score, abs=1e-4)
        np.testing.assert_allclose(ours.log_probs, theirs.log_probs, atol=1e-4)
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-4)
        np.testing.assert_allclose(ours.gate, theirs.gate, atol=1e-4)


# --- replay ---


def assert_replays(replayed: Caption, said: Caption) -> None:
    assert replayed.words == said.words
    np.testing.assert_allclose(replayed.log_probs, said.log_probs, atol=1e-4)
    np.testing.assert_allclose(replayed.attention, said.attention, atol=1e-4)
    np.testing.assert_allclose(replayed.gate, said.gate, atol=1e-4)
    # The first word's alternatives differ by <end>, which the search holds back and the replay shows.
    for ours, theirs in zip(replayed.alternatives[1:], said.alternatives[1:], strict=True):
        assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], abs=1e-4)
    if said.finished:
        assert replayed.end_log_prob == pytest.approx(said.end_log_prob, abs=1e-4)
        assert replayed.log_prob == pytest.approx(said.log_prob, abs=1e-4)
        assert replayed.score == pytest.approx(said.score, abs=1e-4)


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
def test_replaying_a_caption_gives_what_it_carries(ours: bool, parts: Checkpoint) -> None:
    finished = unfinished = 0  # the bias makes models that hardly ever stop, and models that soon do
    for seed in range(4):
        model, grid = speaker(parts, seed, ours, {"<end>": 4.0 * seed - 4}), grid_of(seed=seed)
        said = model.search(grid, OPTIONS)[0]
        for caption in said.captions:
            assert_replays(model.replay(grid, caption.words), caption)
            finished += caption.finished
            unfinished += not caption.finished
    assert finished >= 5
    assert unfinished >= 1


def test_replaying_through_a_photo(captioner: Captioner) -> None:
    said = captioner.describe(photo(), OPTIONS)
    grid = captioner.encode([photo()])
    for caption in said.captions:
        assert_replays(captioner.replay(grid, caption.words), caption)


def test_a_replay_shows_the_best_words_of_every_step(parts: Checkpoint) -> None:
    model, grid = speaker(parts, 0), grid_of()
    replayed = model.replay(grid, ["a", "dog"])
    with torch.inference_mode():
        step = model.decoder.step(torch.tensor([[parts.vocabulary.start]]), model.decoder.start(grid))
        log_probs = step.logits[0, 0].log_softmax(-1).tolist()
    allowed = {word: log_probs[parts.vocabulary.encode([word])[0]] for word in (*WORDS, "<end>")}
    best = sorted(allowed, key=lambda word: -allowed[word])[:5]
    assert [word for word, _ in replayed.alternatives[0]] == best
    assert [value for _, value in replayed.alternatives[0]] == pytest.approx([allowed[word] for word in best], abs=1e-5)
    assert replayed.log_probs[0] == pytest.approx(allowed["a"], abs=1e-5)
    assert replayed.finished


def test_any_known_words_can_be_replayed(captioner: Captioner) -> None:
    replayed = captioner.replay(captioner.encode([photo()]), ("water", "'s", "two", "two"))
    assert replayed.text == "water's two two"
    assert replayed.attention.shape == (4, 4, 4)
    assert replayed.log_prob == pytest.approx(float(replayed.log_probs.sum()) + (replayed.end_log_prob or 0), abs=1e-5)
    assert replayed.score == pytest.approx(replayed.log_prob / 5**0.7, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["a", "zebra"], "'zebra'"),
        (["Dog"], "'Dog'"),
        (["a", "<end>"], "'<end>'"),
        (["<start>", "a"], "'<start>'"),
        (["<unk>"], "'<unk>'"),
        (["<pad>"], "'<pad>'"),
    ],
)
def test_words_that_cannot_be_replayed_or_begun_with(words: list[str], named: str, captioner: Captioner) -> None:
    message = f"{named} is not a word this model knows: choose one of its 12 words"
    with pytest.raises(SearchError, match=message):
        captioner.replay(grid_of(), words)
    with pytest.raises(SearchError, match=message):
        captioner.search(grid_of(), OPTIONS, words)
    with pytest.raises(SearchError, match=message):
        captioner.describe(photo(), OPTIONS, prefix=words)


def test_nothing_cannot_be_replayed(captioner: Captioner) -> None:
    with pytest.raises(SearchError, match="expected words to replay, got none"):
        captioner.replay(grid_of(), [])


def test_one_photo_is_replayed_at_a_time(captioner: Captioner) -> None:
    with pytest.raises(SearchError, match="expected the grid of one photo, got 2"):
        captioner.replay(grid_of(photos=2), ["a"])


# --- what is computed ---


def test_a_photo_is_seen_once_for_all_widths(captioner: Captioner) -> None:
    seen: list[tuple[int, ...]] = []

    def count(_module: nn.Module, given: tuple[torch.Tensor], _result: FeatureGrid) -> None:
        seen.append(tuple(given[0].shape))

    with captioner.encoder.register_forward_hook(count):
        described = captioner.describe(photo())
        assert described.widths == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
        assert seen == [(1, 3, 64, 64)]
        captioner.describe_many([photo(), photo(seed=1), photo(64, 96)], OPTIONS)
        assert seen[1:] == [(1, 3, 64, 64)] * 3  # a processor takes one after the other
        captioner.search(grid_of(), OPTIONS)
        assert len(seen) == 4


def test_photos_described_together_are_described_as_alone(captioner: Captioner) -> None:
    photos = [photo(seed=1), photo(60, 90, seed=2), photo(33, 200, seed=3)]
    together = captioner.describe_many(photos, OPTIONS)
    for description, one in zip(together, photos, strict=True):
        assert_same_captions(description, captioner.describe(one, OPTIONS))
    assert len({description.captions[0].log_prob for description in together}) == 3


def test_encoding_prepares_photos_as_the_checkpoint_says(captioner: Captioner) -> None:
    one = photo(50, 80)
    grid = captioner.encode([one])
    with torch.inference_mode():
        expected = captioner.encoder(prepare_photo(one, captioner.photo_settings).unsqueeze(0))
    torch.testing.assert_close(grid.annotations, expected.annotations)
    assert (grid.height, grid.width, grid.native) == (4, 4, (4, 4))
    assert not grid.annotations.requires_grad


def test_the_decoder_never_drops_anything(parts: Checkpoint) -> None:
    model = Captioner(dataclasses.replace(parts, decoder=tiny_decoder(CHANNELS).train()), "cpu")
    first, second = (model.search(grid_of(), OPTIONS)[0] for _ in range(2))
    assert_same_captions(first, second)


# --- what is said ---


def test_a_description_tells_of_its_grid_and_model(captioner: Captioner) -> None:
    stretched = dataclasses.replace(grid_of(), native=(2, 2))
    description = captioner.search(stretched, OPTIONS)[0]
    assert (description.grid, description.native, description.model) == ((3, 5), (2, 2), "tiny")
    assert description.widths == (1, 2, 3, 4, 5)
    assert all(len(description.at_width(width)) == width for width in description.widths)


def test_maps_are_rows_of_columns(captioner: Captioner) -> None:
    grid = grid_of()
    first = captioner.search(grid, OPTIONS)[0].captions[0]
    with torch.inference_mode():
        start = torch.tensor([[captioner.vocabulary.start]])
        cells = captioner.decoder.step(start, captioner.decoder.start(grid)).attention[0, 0]  # (15,)
    assert first.attention.shape == (len(first.words), 3, 5)
    for row, column in np.ndindex(3, 5):
        assert first.attention[0, row, column] == pytest.approx(float(cells[row * 5 + column]), abs=1e-6)


def test_captions_found_at_several_widths_are_told_once(parts: Checkpoint) -> None:
    description = speaker(parts, 1).search(grid_of(), OPTIONS)[0]
    said = [caption.words for caption in description.captions]
    assert len(set(said)) == len(said) < 15  # 1 + 2 + 3 + 4 + 5 with repeats
    for width in description.widths:
        ranked = description.at_width(width)
        assert [(not caption.finished, -caption.score) for caption in ranked] == sorted(
            (not caption.finished, -caption.score) for caption in ranked
        )


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
def test_special_tokens_are_never_said(ours: bool, parts: Checkpoint) -> None:
    # The model would say nothing else.
    model = speaker(parts, 0, ours, {"<unk>": 20.0, "<pad>": 20.0, "<start>": 20.0})
    description = model.search(grid_of(), OPTIONS)[0]
    for caption in description.captions:
        assert set(caption.words) <= set(WORDS)
        offered = {word for step in caption.alternatives for word, _ in step}
        assert offered <= {*WORDS, "<end>"}
        assert not set(caption.text.split()) & set(SPECIAL_TOKENS)
    looked_at = {branch.word for tree in description.trees.values() for branch in tree}
    assert looked_at <= {*WORDS, "<end>"}
    assert max(caption.log_prob for caption in description.captions) < -15
    replayed = model.replay(grid_of(), ["a", "dog"])
    assert {word for step in replayed.alternatives for word, _ in step} <= {*WORDS, "<end>"}


def test_trees_speak_in_words(parts: Checkpoint) -> None:
    description = speaker(parts, 0).search(grid_of(), OPTIONS)[0]
    for width, tree in description.trees.items():
        texts: list[tuple[str, ...]] = []
        for branch in tree:
            before = texts[branch.parent] if branch.parent >= 0 else ()
            total = tree[branch.parent].total if branch.parent >= 0 else 0.0
            assert branch.step == len(before)
            assert branch.total == pytest.approx(total + branch.log_prob, abs=1e-5)
            texts.append((*before, branch.word))
        ended = {text for text, branch in zip(texts, tree, strict=True) if branch.fate in ("finished", "cut")}
        assert ended == {
            (*caption.words, "<end>") if caption.finished else caption.words for caption in description.at_width(width)
        }


def test_a_caption_may_be_empty_when_asked(parts: Checkpoint) -> None:
    model = speaker(parts, 0, biases={"<end>": 40.0})
    silent = model.search(grid_of(), SearchOptions(widths=(1,), min_words=0))[0].captions[0]
    assert (silent.words, silent.text, silent.finished) == ((), "", True)
    assert silent.attention.shape == (0, 3, 5)
    assert silent.log_prob == pytest.approx(0, abs=1e-4)
    spoken = model.search(grid_of(), SearchOptions(widths=(1,), min_words=2))[0].captions[0]
    assert len(spoken.words) == 2


# --- glimpses ---


def texts_before(tree: Sequence[Branch]) -> list[tuple[str, ...]]:
    """The words before each branch."""
    texts: list[tuple[str, ...]] = []
    for branch in tree:
        texts.append(() if branch.parent < 0 else (*texts[branch.parent], tree[branch.parent].word))
    return texts


def test_a_branch_points_at_what_the_model_says_at_its_prefix(parts: Checkpoint) -> None:
    model, grid = speaker(parts, 0), grid_of(photos=2)
    for number, description in enumerate(model.search(grid, OPTIONS)):
        alone = dataclasses.replace(grid, annotations=grid.annotations[number : number + 1])
        glimpses = description.glimpses
        assert glimpses.attention.shape == (len(glimpses), 3, 5)
        for branch, before in list(zip(description.trees[5], texts_before(description.trees[5]), strict=True))[::7]:
            if branch.word == "<end>":
                continue
            replayed = model.replay(alone, (*before, branch.word))
            place = branch.glimpse
            np.testing.assert_allclose(glimpses.attention[place], replayed.attention[-1], atol=1e-4)
            assert glimpses.gate[place] == pytest.approx(float(replayed.gate[-1]), abs=1e-4)
            assert branch.log_prob == pytest.approx(float(replayed.log_probs[-1]), abs=1e-4)
            if before:  # the first word's alternatives differ by <end>
                said = [value for _, value in glimpses.alternatives[place]]
                assert said == pytest.approx([value for _, value in replayed.alternatives[-1]], abs=1e-4)


def test_captions_and_all_widths_share_the_glimpses(parts: Checkpoint) -> None:
    assert_words_agree_with_glimpses(speaker(parts, 0).search(grid_of(), OPTIONS)[0])


def assert_words_agree_with_glimpses(description: Description) -> None:
    of_prefix: dict[tuple[str, ...], int] = {}
    for tree in description.trees.values():
        for branch, before in zip(tree, texts_before(tree), strict=True):
            assert of_prefix.setdefault(before, branch.glimpse) == branch.glimpse
    assert sorted(of_prefix.values()) == list(range(len(description.glimpses)))
    for caption in description.captions:
        seen = [of_prefix[caption.words[:place]] for place in range(len(caption.words))]
        np.testing.assert_array_equal(caption.attention, description.glimpses.attention[seen])
        np.testing.assert_array_equal(caption.gate, description.glimpses.gate[seen])
        assert caption.alternatives == tuple(description.glimpses.alternatives[place] for place in seen)


def test_a_description_of_a_search_comes_back_from_a_file(parts: Checkpoint, tmp_path: Path) -> None:
    given = speaker(parts, 0).search(grid_of(), OPTIONS, ("a", "dog"))[0]
    given.save(tmp_path / "record.json")
    loaded = Description.load(tmp_path / "record.json")
    assert_same_captions(loaded, given)
    np.testing.assert_allclose(loaded.glimpses.attention, given.glimpses.attention, rtol=1e-6)
    assert_words_agree_with_glimpses(loaded)
    for width, tree in given.trees.items():
        for ours, theirs in zip(loaded.trees[width], tree, strict=True):
            assert (ours.word, ours.fate, ours.glimpse) == (theirs.word, theirs.fate, theirs.glimpse)
            assert ours.total == pytest.approx(theirs.total, rel=1e-6)
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert len(record["maps"]) <= len(given.glimpses)  # no caption's map is written again


# --- a given beginning ---


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
def test_captions_that_were_begun_replay(ours: bool, parts: Checkpoint) -> None:
    prefix = ("water", "'s", "two")
    for seed in range(3):
        model, grid = speaker(parts, seed, ours), grid_of(seed=seed)
        said = model.search(grid, OPTIONS, prefix)[0]
        for caption in said.captions:
            assert caption.words[:3] == prefix
            assert_replays(model.replay(grid, caption.words), caption)
        for tree in said.trees.values():
            assert [(b.word, b.fate, b.parent) for b in tree[:3]] == [
                (word, "given", place - 1) for place, word in enumerate(prefix)
            ]
            assert "given" not in {branch.fate for branch in tree[3:]}


def test_the_beginning_of_the_greedy_caption_leads_to_it(parts: Checkpoint) -> None:
    model, grid = speaker(parts, 0), grid_of()
    options = SearchOptions(widths=(1,), max_steps=12)
    free = model.search(grid, options)[0]
    words = free.captions[0].words
    assert len(words) >= 4
    for length in range(len(words)):
        assert_same_captions(model.search(grid, options, words[:length])[0], free)


def test_photos_begun_together_are_described_as_alone(captioner: Captioner) -> None:
    photos = [photo(seed=1), photo(60, 90, seed=2)]
    together = captioner.describe_many(photos, OPTIONS, ("a", "red"))
    for description, one in zip(together, photos, strict=True):
        assert_same_captions(description, captioner.describe(one, OPTIONS, prefix=("a", "red")))
        assert all(caption.words[:2] == ("a", "red") for caption in description.captions)


def test_a_beginning_as_long_as_the_limit_is_an_error(captioner: Captioner) -> None:
    with pytest.raises(SearchError, match="shorter than the limit of 12 words, got 12 of them: give fewer"):
        captioner.search(grid_of(), OPTIONS, ("dog",) * 12)
    longest = captioner.search(grid_of(), OPTIONS, ("dog",) * 11)[0]
    assert {caption.words[:11] for caption in longest.captions} == {("dog",) * 11}


# --- what cannot be used ---


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", ""])
def test_a_device_that_is_not_there(device: str, parts: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match=f"the device '{device}' cannot be used here: choose cpu"):
        Captioner(parts, device)


def test_without_a_gpu_the_cpu_is_used(parts: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Captioner(parts).device == torch.device("cpu")


def test_a_checkpoint_file_by_its_name(parts: Checkpoint, captioner: Captioner, tmp_path: Path) -> None:
    save_checkpoint(parts, tmp_path / "tiny.safetensors")
    loaded = Captioner.load(str(tmp_path / "tiny.safetensors"), "cpu")
    assert_same_captions(loaded.describe(photo(), OPTIONS), captioner.describe(photo(), OPTIONS))
    with pytest.raises(CheckpointError, match="is no file"):
        Captioner.load(tmp_path / "other.safetensors")


def test_no_photo_is_an_error(captioner: Captioner) -> None:
    with pytest.raises(PhotoError, match="expected at least one photo, got none"):
        captioner.describe_many([])


def test_a_photo_of_another_mode_is_an_error(captioner: Captioner) -> None:
    with pytest.raises(PhotoError, match="expected an RGB photo, got mode L"):
        captioner.describe_many([photo(), Image.new("L", (64, 64))])
