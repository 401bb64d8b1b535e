"""Rows by number: bit for bit what copies of these rows are, on every backend, and X is never copied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import Case, case_id, everything
from gradstep.backends import Backend
from gradstep.nn.augment import Compose, HorizontalFlip, Translate
from gradstep.plan.build import make_augmentation
from gradstep.plan.rows import TrainingData, prepare

# Every row type, with fewer and more rows than a chunk of an evaluation, and every kind of target and weight.
CASES = (
    Case("uint8", n=211, d=37, dtype="uint8", k=10, batch_size=20, epochs=1),
    Case("uint8-gap-hidden", n=40, d=390, row_gap=3, dtype="uint8", hidden=(17,), weighted=True),
    Case("float32", n=61, d=19, dtype="float32", hidden=(16,), loss="squared"),
    Case("float32-gap", n=130, d=801, row_gap=1, dtype="float32", epochs=1, batch_size=32, k=2),
    Case("float64", n=30, d=7, hidden=(9, 8), loss="multilabel", optimizer="adam", rate=0.01),
    Case("float64-weighted-apart", n=23, d=16, row_gap=1, weighted_apart=True, loss="sigmoid"),
)
cases = pytest.mark.parametrize("case", CASES, ids=case_id)


def chosen(case: Case, seed: int = 3) -> npt.NDArray[np.int32]:
    """Draw as many rows as the case has, in any order, some of them twice and some not at all."""
    return np.random.default_rng(seed).integers(case.n, size=case.n, dtype=np.int32)


def by_number(data: TrainingData, index: npt.NDArray[Any]) -> TrainingData:
    """Return some rows of X by their numbers, with the targets and the weights of the first."""
    n = len(index)
    weight = None if data.weight is None else data.weight[..., :n]
    return prepare(data.X, data.targets[:n], weight, data.standardization, index=index)


def copied(data: TrainingData, index: npt.NDArray[Any]) -> TrainingData:
    """Return the same with X a copy of these rows."""
    return replace(by_number(data, index), X=np.ascontiguousarray(data.X[index]), index=None)


@cases
@pytest.mark.parametrize("n_threads", [1, 3])
def test_rows_by_number_have_the_bits_of_their_copies(
    backend: Backend, case: Case, precision: str, n_threads: int
) -> None:
    data, index = case.data(precision=precision), chosen(case)
    found = everything(backend, case, precision, n_threads, by_number(data, index))
    expected = everything(backend, case, precision, 1, copied(data, index))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(expected[2]).max() > 0


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_augmented_rows_by_number_have_the_bits_of_their_copies(
    backend: Backend, precision: str, dtype: str, hidden: tuple[int, ...]
) -> None:
    case = Case("images", n=40, d=105, dtype=dtype, hidden=hidden)
    rule = Compose((HorizontalFlip(), Translate(2)), image_shape=(3, 5, 7))
    plan = replace(case.plan(), augmentation=make_augmentation(rule, case.n, case.d, seed=5))
    data, index = case.data(precision=precision), chosen(case)
    found = everything(backend, case, precision, 1, by_number(data, index), plan)
    expected = everything(backend, case, precision, 1, copied(data, index), plan)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    plain = everything(backend, case, precision, 1, copied(data, index))
    assert (plain[0] != expected[0]).any()


@settings(max_examples=20)
@given(data=st.data())
def test_any_rows_have_the_bits_of_their_copies(backend: Backend, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 200), label="rows")
    index = np.array(data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=150), label="index"))
    case = Case(
        "any",
        n=rows,
        d=data.draw(st.integers(1, 40), label="d"),
        hidden=data.draw(st.sampled_from([(), (6,)]), label="hidden"),
        batch_size=7,
        epochs=1,
        dtype=data.draw(st.sampled_from(["uint8", "float32", "float64"]), label="dtype"),
        row_gap=data.draw(st.integers(0, 2), label="row_gap"),
    )
    everyone = case.data(precision="float32")
    targets = data.draw(st.permutations(range(len(index))), label="targets")
    own = np.array(targets, dtype=np.int32) % case.k
    some = replace(case, n=len(index))
    mapped = prepare(everyone.X, own, None, everyone.standardization, index=index)
    packed = prepare(everyone.X[index], own, None, everyone.standardization)
    n_threads = data.draw(st.integers(1, 4), label="n_threads")
    found = everything(backend, some, "float32", n_threads, mapped)
    for one, other in zip(found, everything(backend, some, "float32", 1, packed), strict=True):
        np.testing.assert_array_equal(one, other)


@cases
def test_a_session_evaluates_sets_with_and_without_numbers(
    backend: Backend, case: Case, precision: str
) -> None:
    data, index = case.data(precision=precision), chosen(case)
    mapped, packed = by_number(data, index), copied(data, index)
    parameters = case.parameters(precision)
    some = backend.session(case.plan(), data, [data, mapped, data], n_threads=2)
    plain = backend.session(case.plan(), data, [data, packed, data])
    for one, other in zip(
        some.evaluate(parameters, with_scores=True), plain.evaluate(parameters, with_scores=True), strict=True
    ):
        for mine, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, wanted)
