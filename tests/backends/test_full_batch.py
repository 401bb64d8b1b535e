"""Loss and gradient of all rows as one batch, asked again and again: what one-shot tests do not see."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import oracle
from cases import Case, case_id, relative_error
from gradstep.backends import Backend
from gradstep.plan.rows import TrainingData
from makers import THREADS
from oracle_forms import block_of, data_of, network_of, objective_of

# More rows than the compiled backends take at a time, of every row type, depth and kind of weight.
LONG = (
    Case("linear", n=911, d=6, k=3, l2=(0.0, 0.02)),
    Case("hidden", n=823, d=5, k=2, hidden=(7, 4), weighted=True, l2=(0.01,), activation="tanh"),
    Case("apart", n=500, d=9, k=3, hidden=(6,), weighted_apart=True, apart=True),
    Case("bytes", n=450, d=48, k=10, dtype="uint8", l2=(0.0, 0.02)),
    Case("inputs", n=130, d=1100, k=2, dtype="float32", hidden=(3,), l2=(0.1,), row_gap=1),
    Case("one-output", n=450, d=8, k=1, hidden=(5,), loss="squared", activation="logistic"),
)
long = pytest.mark.parametrize("case", LONG, ids=case_id)


def answer(
    backend: Backend, case: Case, data: TrainingData, block: npt.NDArray[Any], n_threads: int = 1
) -> list[npt.NDArray[Any]]:
    evaluation, gradient = backend.full_batch(case.objective, data, n_threads=n_threads).loss_and_gradient(
        block
    )
    return [*evaluation[:3], gradient]


def assert_equal(found: list[npt.NDArray[Any]], expected: list[npt.NDArray[Any]]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@cache
def judged(case: Case, model: int) -> tuple[float, float, npt.NDArray[Any]]:
    """Return loss, cost and gradient of a model by the oracle, found once for all backends."""
    network = network_of(case.layers, case.parameters("float64")[model])
    data, objective = data_of(case.data(), model), objective_of(case.objective, model)
    loss, squares = oracle.loss(network, data, objective), sum(np.square(W).sum() for W, _ in network)
    return loss, loss + objective.l2 * squares, block_of(oracle.gradient(network, data, objective))


@long
def test_the_gradient_of_many_rows_is_the_oracles(backend: Backend, case: Case) -> None:
    loss, cost, _, gradient = answer(backend, case, case.data(), case.parameters("float64"))
    assert gradient.dtype == np.float64
    for model in range(case.m):
        wanted, wanted_cost, expected = judged(case, model)
        assert relative_error(case.layers, gradient[[model]], expected[None]) < 1e-12 * 100
        assert np.abs(gradient[model] - expected).max() < 1e-12 * np.abs(expected).max()
        assert loss[model] == pytest.approx(wanted, rel=1e-12)
        assert cost[model] == pytest.approx(wanted_cost, rel=1e-12)


@long
def test_float32_is_near_float64(backend: Backend, case: Case) -> None:
    data, block = case.data(precision="float32"), case.parameters("float32")
    loss, _, hits, gradient = answer(backend, case, data, block)
    exact, _, exact_hits, exact_gradient = answer(backend, case, case.data(), block.astype(np.float64))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(loss, exact, rtol=1e-5)
    np.testing.assert_allclose(hits, exact_hits, atol=2 / case.n)
    assert np.abs(gradient - exact_gradient).max() < 2e-5 * np.abs(exact_gradient).max()


@long
def test_bits_depend_neither_on_threads_nor_on_company(backend: Backend, case: Case, precision: str) -> None:
    data, block = case.data(precision=precision), case.parameters(precision)
    together = answer(backend, case, data, block)
    for n_threads in THREADS:
        assert_equal(answer(backend, case, data, block, n_threads), together)
    for model in range(case.m):
        batch = backend.full_batch(case.objective.select([model]), data.select([model]), n_threads=2)
        evaluation, gradient = batch.loss_and_gradient(block[[model]])
        assert_equal([*evaluation[:3], gradient], [part[[model]] for part in together])


@long
@pytest.mark.parametrize("threads", [1, 3])
def test_only_the_models_asked_for_are_computed(
    backend: Backend, case: Case, precision: str, threads: int
) -> None:
    data, block = case.data(precision=precision), case.parameters(precision)
    batch = backend.full_batch(case.objective, data, n_threads=threads)
    everyone = answer(backend, case, data, block)
    for model in range(case.m):
        active = np.arange(case.m) == model
        # Of the others not even the parameters are looked at.
        evaluation, gradient = batch.loss_and_gradient(np.where(active[:, None], block, np.nan), active)
        for found, expected in zip([*evaluation[:3], gradient], everyone, strict=True):
            np.testing.assert_array_equal(found[active], expected[active])
            assert np.isnan(found[~active]).all()


@long
def test_nothing_is_left_of_the_call_before(backend: Backend, case: Case, precision: str) -> None:
    data, block = case.data(precision=precision), case.parameters(precision)
    batch, other = backend.full_batch(case.objective, data, n_threads=2), 3 * block[:, ::-1].copy()
    for parameters in (block, other, np.full_like(block, np.nan), block):
        evaluation, gradient = batch.loss_and_gradient(parameters)
        assert_equal([*evaluation[:3], gradient], answer(backend, case, data, parameters))
    before = gradient.copy()
    batch.loss_and_gradient(other)
    np.testing.assert_array_equal(gradient, before)


def test_both_precisions_can_be_asked_of_one(backend: Backend) -> None:
    case = LONG[0]
    data = case.data()
    batch = backend.full_batch(case.objective, data)
    for kind in ("float64", "float32", "float64"):
        block = case.parameters(kind)
        evaluation, gradient = batch.loss_and_gradient(block)
        assert_equal([*evaluation[:3], gradient], answer(backend, case, data, block))


def test_rows_by_number_have_the_bits_of_their_copies(backend: Backend, precision: str) -> None:
    case = replace(LONG[0], n=700)
    data, block = case.data(precision=precision), case.parameters(precision)
    index = np.random.default_rng(0).integers(case.n, size=600, dtype=np.int32)
    by_number = data.take(index)
    copies = replace(by_number, X=np.ascontiguousarray(data.X[index]), index=None)
    found = answer(backend, case, by_number, block, 2)
    assert_equal(found, answer(backend, case, copies, block))


def test_a_loss_that_is_not_finite_is_told_and_spoils_no_other_model(
    backend: Backend, precision: str
) -> None:
    case = Case("diverged", n=420, hidden=(4,), loss="squared")
    data, block = case.data(precision=precision), case.parameters(precision)
    wanted = answer(backend, case, data, block)
    block[1] = np.finfo(precision).max / 10
    loss, cost, _, gradient = answer(backend, case, data, block, 2)
    assert np.isfinite(loss).tolist() == np.isfinite(cost).tolist() == [True, False, True]
    assert not np.isfinite(gradient[1]).all()
    np.testing.assert_array_equal(gradient[[0, 2]], wanted[3][[0, 2]])
