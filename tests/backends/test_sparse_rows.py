"""Sparse rows: bit for bit what dense rows of the same numbers are, on every backend."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import Case, case_id, everything
from gradstep.backends import Backend, get
from gradstep.plan.rows import TrainingData, as_rows, prepare
from gradstep.plan.standardization import Standardization
from makers import COMPILED_HERE

# Fewer and more rows than a chunk of an evaluation, more inputs than a block, and every kind of target,
# weight and rule.
CASES = (
    Case("float32", n=211, d=37, dtype="float32", k=10, batch_size=20, epochs=1),
    Case("float32-blocks", n=40, d=1000, dtype="float32", hidden=(17,), weighted=True),
    Case("float64-wide", n=61, d=401, hidden=(50,), loss="squared", optimizer="adam", rate=0.01),
    Case("float64", n=30, d=7, hidden=(9, 8), loss="multilabel", optimizer="adam", rate=0.01),
    Case("float64-weighted-apart", n=23, d=16, weighted_apart=True, loss="sigmoid", activation="tanh"),
    Case("uint8", n=70, d=33, dtype="uint8", hidden=(18,)),
)
ARRAYS = ("parameters", "slots", "updates", "finite")
cases = pytest.mark.parametrize("case", CASES, ids=case_id)


def mostly_zero(case: Case, precision: str) -> TrainingData:
    """Return the data of a case with most numbers, and one row, set to zero; not centred."""
    data, rng = case.data(precision=precision), np.random.default_rng(9)
    X = data.X * (rng.random(data.X.shape) < 0.2).astype(data.X.dtype)
    X[3] = 0
    # Weights take over the scale of dense bytes, and it has to be no rounding.
    scale = np.ones(case.d) if case.dtype == "uint8" else data.standardization.scale
    return replace(data, X=X, standardization=Standardization(np.zeros(case.d), scale))


def sparse(data: TrainingData) -> TrainingData:
    """Return the same rows as CSR; some zeros are told of."""
    rows = scipy.sparse.coo_array(data.X)
    told = np.arange(0, data.X.size, 41)
    places = [np.concatenate(pair) for pair in zip(rows.coords, np.divmod(told, data.d), strict=True)]
    values = np.concatenate([rows.data, np.zeros(len(told), data.X.dtype)])
    return replace(data, X=as_rows(scipy.sparse.coo_array((values, places), shape=data.X.shape)))


def has_whole_number_products(backend: Backend, data: TrainingData, precision: str) -> bool:
    """Whether metrics of dense rows of bytes may come of other products than their scores."""
    return "vnni" in getattr(backend, "isa", "") and data.X.dtype == np.uint8 and precision == "float32"


@cases
@pytest.mark.parametrize("is_numbered", [False, True])
def test_sparse_rows_have_the_bits_of_dense_ones(
    backend: Backend, case: Case, precision: str, is_numbered: bool
) -> None:
    data = mostly_zero(case, precision)
    if is_numbered:
        data = replace(data, index=np.random.default_rng(3).integers(case.n, size=case.n, dtype=np.int32))
    expected = everything(backend, case, precision, 1, data)
    assert np.abs(expected[1]).max() > 0
    places = (0, 2, 4, 5, 6) if has_whole_number_products(backend, data, precision) else range(len(expected))
    for n_threads in (1, 3):
        found = everything(backend, case, precision, n_threads, sparse(data))
        for place in places:
            np.testing.assert_array_equal(found[place], expected[place])


@settings(max_examples=20)
@given(data=st.data())
def test_any_sparse_rows_have_the_bits_of_dense_ones(backend: Backend, data: st.DataObject) -> None:
    case = Case(
        "any",
        n=data.draw(st.integers(1, 110), label="n"),
        d=data.draw(st.integers(1, 40), label="d"),
        hidden=data.draw(st.sampled_from([(), (6,), (40,)]), label="hidden"),
        batch_size=data.draw(st.integers(1, 9), label="batch_size"),
        epochs=1,
    )
    kind = data.draw(st.sampled_from(["float32", "float64"]), label="dtype")
    share = data.draw(st.sampled_from([0.0, 0.1, 1.0]), label="share")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    X = (rng.normal(size=(case.n, case.d)) * (rng.random((case.n, case.d)) < share)).astype(kind)
    dense = prepare(X, rng.integers(case.k, size=case.n))
    n_threads = data.draw(st.integers(1, 4), label="n_threads")
    found = everything(backend, case, "float32", n_threads, sparse(dense))
    for one, other in zip(found, everything(backend, case, "float32", 1, dense), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", CASES[:3], ids=case_id)
def test_backends_agree(backend: Backend, case: Case) -> None:
    data = sparse(mostly_zero(case, "float64"))
    found = everything(backend, case, "float64", 2, data)
    for one, other in zip(found, everything(get("numpy"), case, "float64", 1, data), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@cases
def test_a_session_evaluates_sparse_and_dense_sets(backend: Backend, case: Case, precision: str) -> None:
    dense = mostly_zero(case, precision)
    data, parameters = sparse(dense), case.parameters(precision)
    found = backend.session(case.plan(), dense, [data, dense, data], n_threads=2)
    first, middle, last = found.evaluate(parameters, with_scores=True)
    for one, other, third in zip(first, middle, last, strict=True):
        np.testing.assert_array_equal(one, third)
        np.testing.assert_array_equal(one, other)


def test_models_of_a_group_are_what_they_are_alone(backend: Backend, precision: str) -> None:
    case = replace(CASES[2], apart=True)
    data = sparse(mostly_zero(case, precision))
    together = everything(backend, case, precision, 3, data)
    for model in range(case.m):
        plan = case.plan().select([model])
        state = case.state(precision)
        own = {name: getattr(state, name)[[model]].copy() for name in ARRAYS}
        alone = replace(state, **own)
        backend.session(plan, data).train(alone, 0, case.updates)
        np.testing.assert_array_equal(alone.parameters[0], together[0][model])
        np.testing.assert_array_equal(alone.slots[0], together[5][model])


@pytest.mark.parametrize("indices", [np.int32, np.int64])
def test_indices_may_be_of_either_size(backend: Backend, indices: npt.DTypeLike) -> None:
    case = CASES[0]
    data = sparse(mostly_zero(case, "float32"))
    rows = data.X.copy()
    rows.indices, rows.indptr = rows.indices.astype(indices), rows.indptr.astype(indices)
    rows.has_canonical_format = True
    found = everything(backend, case, "float32", 2, replace(data, X=rows))
    for one, other in zip(found, everything(backend, case, "float32", 1, data), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("exponent", [-900, -140, 300])
def test_columns_of_far_units_are_read(backend: Backend, exponent: int, precision: str) -> None:
    """What float32 cannot hold is a number of float64, and that may be multiplied by powers of two."""
    case = CASES[3]
    data = mostly_zero(case, precision)
    near = sparse(replace(data, standardization=Standardization.identity(case.d)))
    far = near.X.copy()
    far.data = np.ldexp(far.data, exponent)
    scale = Standardization(np.zeros(case.d), np.ldexp(np.ones(case.d), exponent))
    scaled = replace(near, X=far, standardization=scale)
    found = everything(backend, case, precision, 1, scaled)
    for one, other in zip(found, everything(backend, case, precision, 1, near), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", COMPILED_HERE)
def test_rows_are_never_dense(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("many", n=3000, d=20_000, hidden=(4,), l2=(0.0,), batch_size=20, epochs=1)
    rng = np.random.default_rng(0)
    X = scipy.sparse.random(case.n, case.d, 1e-3, format="csr", dtype=np.float32, random_state=rng)
    data = prepare(as_rows(X), rng.integers(3, size=case.n))

    def refuse(self: Any, *args: Any, **options: Any) -> None:
        raise AssertionError("made dense")

    monkeypatch.setattr(type(data.X), "toarray", refuse)
    tracemalloc.start()
    try:
        session = get(name).session(case.plan(), data, [data])
        state = case.state("float32")
        session.train(state, 0, 10)
        session.evaluate(state.parameters)
        get(name).scores(case.objective, data, state.parameters)
        get(name).loss_and_gradient(case.objective, data, state.parameters)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < case.n * case.d  # a quarter of what they would be in float32
