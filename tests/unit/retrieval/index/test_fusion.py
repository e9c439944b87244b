"""Reciprocal rank fusion, by hand."""

from __future__ import annotations

import pytest

from loopwright.retrieval.index.fusion import fuse


def test_ranks_are_fused_as_the_paper_says() -> None:
    dense, words = [(1, 0.9), (2, 0.8), (3, 0.1)], [(3, 12.0), (1, 7.0)]
    assert fuse([dense, words], k=10) == [
        (1, pytest.approx(1 / 11 + 1 / 12)),
        (3, pytest.approx(1 / 13 + 1 / 11)),
        (2, pytest.approx(1 / 12)),
    ]


def test_first_and_second_that_change_places_are_decided_by_their_margins() -> None:
    dense = [(1, 0.71), (2, 0.70), (3, 0.2)]
    words = [(2, 20.0), (1, 9.0), (3, 5.0)]
    assert [item for item, _ in fuse([dense, words])] == [2, 1, 3]
    assert [item for item, _ in fuse([words, dense])] == [2, 1, 3]


def test_one_ranking_keeps_its_order_and_an_empty_one_changes_nothing() -> None:
    ranking = [(5, 3.0), (4, 2.0), (9, 2.0)]
    assert [item for item, _ in fuse([ranking, []])] == [5, 4, 9]
    assert fuse([]) == []
