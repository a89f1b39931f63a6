from __future__ import annotations

from builders import photo, tiny_captioner
from captioner.branches import Branch, SearchedTree, fields_of


def test_a_tree_by_its_fields_is_the_same_as_branch_by_branch() -> None:
    tree = tiny_captioner().describe(photo()).trees[3]
    assert isinstance(tree, SearchedTree)
    fields = fields_of(tree)
    assert fields == tuple(map(list, zip(*tree, strict=True)))
    assert fields == fields_of(tuple(tree))
    assert len(fields) == len(Branch._fields)


def test_a_tree_without_branches_has_empty_fields() -> None:
    assert fields_of(()) == tuple([] for _ in Branch._fields)
