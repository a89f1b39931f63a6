"""One step of the beams, worked out by hand: two photos with beams of 1 and 2 places, words 0 to 4, <end> is 1."""

from __future__ import annotations

import math

import pytest
import torch

from captioner.beams import Beams, Offer, grow, most_places, share_rows, start_beams

CPU = torch.device("cpu")
END, START = 1, 0


def offer(rows: list[list[list[tuple[int, float]]]]) -> Offer:
    """(token, log-probability) by group, row and rank."""
    log_probs = torch.tensor([[[said for _, said in best] for best in group] for group in rows])
    tokens = torch.tensor([[[token for token, _ in best] for best in group] for group in rows])
    return Offer(log_probs, tokens)


FIRST = offer([[[(2, -1.0), (3, -2.0)]], [[(1, -0.5), (4, -3.0)]]])  # of the second photo <end> is best


def after_first(slots: int = 1) -> tuple[Beams, torch.Tensor]:
    beams, pick, _ = grow(start_beams((1, 2), 2, slots, CPU), FIRST, END, 2, 0)
    return beams, pick


@pytest.mark.parametrize("slots", [1, 2])
def test_beams_start_on_their_only_row(slots: int) -> None:
    beams = start_beams((1, 2), 2, slots, CPU)
    assert beams.alive.tolist() == [[[True, *[False] * (slots - 1)]] * 2] * 2
    assert beams.places.tolist() == [[1, 2], [1, 2]]
    assert set(beams.node.flatten().tolist()) == {-1}
    assert most_places(beams) == 2


@pytest.mark.parametrize("slots", [1, 2])
def test_a_beam_takes_as_many_as_it_has_places_and_what_ends_takes_one_with_it(slots: int) -> None:
    beams, pick, grown = grow(start_beams((1, 2), 2, slots, CPU), FIRST, END, 2, 0)
    assert beams.alive.tolist() == [[[True, False], [True, True]], [[False, False], [False, True]]]
    assert beams.places.tolist() == [[1, 2], [0, 1]]
    assert beams.total[0, 1].tolist() == [-1.0, -2.0]
    assert beams.node[0, 1].tolist() == [0, 1]
    assert beams.node[1, 1, 1] == 1  # its <end> is the node before
    assert pick[0, 1].tolist() == [0, 1]
    assert grown.word[0, 1, :2].tolist() == [2, 3]
    assert grown.total[0, 0].tolist()[:2] == [-1.0, -math.inf]  # a beam of 1 is offered the best alone
    assert grown.places.tolist() == [[1, 2], [1, 2]]  # before the step
    assert set(grown.parent.flatten().tolist()) == {-1}
    assert most_places(beams) == 2


def test_a_prefix_of_several_beams_is_one_row_in_the_order_of_coming() -> None:
    beams, pick = after_first()
    beams, rows = share_rows(beams, pick, FIRST, START)
    assert rows.live.tolist() == [2, 1]
    assert rows.token_ids.tolist() == [[2, 3], [4, 4]]  # the second photo's only prefix fills the row beside it
    assert rows.came_from.tolist() == [[0, 0], [0, 0]]
    assert beams.row[0, 0, 0] == beams.row[0, 1, 0] == 0  # the widths share what both keep
    assert beams.row[0, 1, 1] == 1
    assert beams.row[1, 1, 1] == 0


def test_more_rows_than_there_are_prefixes_repeat_the_first_or_start() -> None:
    beams, pick = after_first()
    _, rows = share_rows(beams, pick, FIRST, START, rows=2)
    assert rows.token_ids.tolist() == [[2, 3], [4, 4]]
    over = beams._replace(alive=beams.alive & torch.tensor([True, False])[:, None, None])  # the second photo is done
    _, rows = share_rows(over, pick, FIRST, START, rows=2)
    assert rows.live.tolist() == [2, 0]
    assert rows.token_ids.tolist() == [[2, 3], [START, START]]
    nobody = beams._replace(alive=torch.zeros_like(beams.alive))
    _, rows = share_rows(nobody, pick, FIRST, START)
    assert rows.token_ids.shape == (2, 0)


def test_totals_add_up_and_nodes_know_what_they_continue() -> None:
    beams, pick = after_first()
    beams, _ = share_rows(beams, pick, FIRST, START)
    # After 2: 3 (-1.5) and 4 (-1.75); after 3: <end> (-0.25) and 2 (-5). The second photo's 4: 2 and 3.
    second = offer([[[(3, -1.5), (4, -1.75)], [(1, -0.25), (2, -5.0)]], [[(2, -1.0), (3, -1.0)], [(0, -9.0)] * 2]])
    beams, pick, grown = grow(beams, second, END, 2, nodes=2)
    assert grown.word[0, 1].tolist() == [1, 3, 4, 2]
    assert grown.total[0, 1].tolist() == [-2.25, -2.5, -2.75, -7.0]
    assert grown.parent[0, 1].tolist() == [1, 0, 0, 1]
    assert grown.row[0, 1].tolist() == [1, 0, 0, 1]
    assert grown.log_prob[0, 1].tolist() == [-0.25, -1.5, -1.75, -5.0]
    assert grown.word[1, 1, :1].tolist() == [2]  # one place is left, so its row's second best is not offered
    assert grown.total[1, 1].tolist() == [-4.0, *[-math.inf] * 3]
    assert beams.places.tolist() == [[1, 1], [0, 1]]
    assert beams.alive.tolist() == [[[True, False], [False, True]], [[False, False], [True, False]]]
    assert beams.node[0].tolist() == [[2, 3], [2, 3]]  # counted on from the two nodes before
    beams, rows = share_rows(beams, pick, second, START)
    assert rows.token_ids.tolist() == [[3], [2]]
    assert rows.came_from.tolist() == [[0], [0]]


def test_equal_totals_go_to_the_earlier_hypothesis_then_to_what_was_offered_earlier() -> None:
    beams, pick = after_first()
    beams, _ = share_rows(beams, pick, FIRST, START)
    level = offer([[[(4, -2.0), (3, -3.0)], [(2, -1.0), (4, -1.0)]], [[(2, -1.0), (3, -1.0)], [(0, -9.0)] * 2]])
    _, _, grown = grow(beams, level, END, 2, nodes=2)
    assert grown.total[0, 1].tolist() == [-3.0, -3.0, -3.0, -4.0]
    assert list(zip(grown.parent[0, 1].tolist(), grown.word[0, 1].tolist(), strict=True)) == [
        (0, 4),
        (1, 2),
        (1, 4),
        (0, 3),
    ]
