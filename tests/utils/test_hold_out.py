"""Which rows are held out: a partition, of every class the same share, and none without a row to train on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradstep.errors import InvalidDataError
from gradstep.utils.hold_out import hold_out_rows


@given(
    st.lists(st.integers(0, 4), min_size=10, max_size=80),
    st.floats(0.01, 0.5),
    st.integers(0, 2**70),
    st.booleans(),
)
def test_rows_held_out_are_a_share_of_every_class(
    labels: list[int], share: float, seed: int, has_labels: bool
) -> None:
    y, n = np.array(labels), len(labels)
    given_labels = y if has_labels else None
    train, held_out = hold_out_rows(n, given_labels, share, seed, "`share`")
    assert train.dtype == held_out.dtype == np.int32
    assert len(held_out) == math.ceil(n * share)
    assert sorted(np.concatenate([train, held_out]).tolist()) == list(range(n))
    for rows in (train, held_out):
        assert (np.diff(rows) > 0).all()
    again = hold_out_rows(n, given_labels, share, seed, "`share`")
    np.testing.assert_array_equal(again[1], held_out)
    if has_labels:
        assert set(y[train]) == set(y)
        counts = np.bincount(y, minlength=5)
        found = np.bincount(y[held_out], minlength=5)
        assert (abs(found - counts * len(held_out) / n) <= 2).all()


def test_a_class_of_one_row_is_trained_on() -> None:
    labels = np.array(["a"] * 12 + ["b"] * 6 + ["dune", "elm"])
    for seed in range(20):
        train, held_out = hold_out_rows(20, labels, 0.5, seed, "`share`")
        assert {"dune", "elm"} <= set(labels[train])
        assert len(held_out) == 10


def test_the_rows_are_the_same_on_every_machine() -> None:
    _, held_out = hold_out_rows(12, np.array([0, 1] * 6), 0.4, 7, "`share`")
    assert held_out.tolist() == [3, 4, 6, 10, 11]


@pytest.mark.parametrize(
    ("labels", "n", "message"),
    [
        (None, 1, "^`share` of X, 0.5, must leave one row to train on, but holds out 1 of 1$"),
        ([0, 1, 2], 3, "must leave one row of each of the 3 classes to train on, but holds out 2 of 3$"),
    ],
)
def test_too_few_rows(labels: list[int] | None, n: int, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        hold_out_rows(n, None if labels is None else np.array(labels), 0.5, 0, "`share` of X")
