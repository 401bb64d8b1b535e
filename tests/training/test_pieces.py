"""Rows are converted, and scores held, piece by piece: the bits of the whole, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradstep as gs
from gradstep.errors import InvalidDataError
from gradstep.plan.rows import as_rows, prepare, readable_pieces
from gradstep.utils import pieces as cutting
from gradstep.utils.pieces import pieces
from makers import HERE, regressor, trainer

N, D, K = 2500, 6, 3
RNG = np.random.default_rng(0)
X = np.clip(RNG.normal(scale=20, size=(N, D)), -99, 99).round()
Y = RNG.integers(K, size=N)
WEIGHT = RNG.uniform(0.1, 3, size=N)

names = pytest.mark.parametrize("name", HERE)

# Types and layouts that no kernel reads where they lie, and one that all do.
FORMS: dict[str, Callable[[], npt.NDArray[Any]]] = {
    "int8": lambda: X.astype(np.int8),
    "int64": lambda: X.astype(np.int64),
    "float16": lambda: X.astype(np.float16),
    "big-endian": lambda: X.astype(">f4"),
    "fortran": lambda: np.asfortranarray(X.astype(np.float32)),
    "backwards": lambda: X.astype(np.float32)[::-1],
    "columns": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "float32": lambda: X.astype(np.float32),
}
forms = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every piece as short as a backend allows."""
    monkeypatch.setattr(cutting, "BYTES", 1)


@forms
@names
def test_no_bit_of_an_answer_depends_on_the_pieces(
    name: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FORMS[form]()
    model = trainer(backend=name, hidden=(5,), epochs=2, n_threads=2).fit(rows[:100], Y[:100])

    def answers() -> list[Any]:
        labels, metrics = model.predict(rows), model.evaluate(rows, Y, WEIGHT)
        return [
            labels,
            model.predict_proba(rows),
            model.decision_function(rows),
            np.array([*metrics.values()]),
        ]

    whole = answers()
    converted = as_rows(rows)
    np.testing.assert_array_equal(model.decision_function(converted), whole[2])
    assert [*model.evaluate(converted, Y, WEIGHT).values()] == whole[3].tolist()
    monkeypatch.setattr(cutting, "BYTES", 1)
    for one, other in zip(answers(), whole, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@names
def test_answers_of_all_kinds_come_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = X.astype(np.int8)
    classes = np.array(["low", "middle", "highest"])
    of_strings = trainer(backend=name, epochs=2).fit(rows, classes[Y])
    of_two = trainer(backend=name, epochs=2).fit(rows, Y > 0)
    of_labels = trainer(backend=name, epochs=2, loss="multilabel").fit(rows, np.eye(K)[Y])
    one_value = regressor(backend=name, epochs=2).fit(rows, X[:, 0] + X[:, 1])
    values = regressor(backend=name, epochs=2).fit(rows, X[:, :2])

    def answers() -> list[Any]:
        models = (of_strings, of_two, of_labels, one_value, values)
        found = [model.predict(rows) for model in models]
        found += [model.decision_function(rows) for model in (of_strings, of_two, of_labels)]
        found += [np.array([*model.evaluate(rows, X[:, :2]).values()]) for model in (values,)]
        return [*found, np.array([*of_labels.evaluate(rows, np.eye(K)[Y]).values()])]

    whole = answers()
    monkeypatch.setattr(cutting, "BYTES", 1)
    for one, other in zip(answers(), whole, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def taken_by(call: Callable[[], Any]) -> int:
    """Return the bytes that NumPy's arrays take at most during a call."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@names
@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", ">f8"])
def test_prediction_takes_memory_for_its_answer_only(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "BYTES", 1 << 18)
    rows = np.random.default_rng(0).integers(-99, 99, size=(40_000, 64)).astype(dtype)
    y = np.arange(len(rows)) % 10
    model = trainer(backend=name, epochs=1, batch_size=100, n_threads=1).fit(rows[:500], y[:500])
    # The rows as float32 are 10 megabytes, their scores in both types 4.8.
    assert taken_by(lambda: model.predict(rows)) < 3_000_000
    assert taken_by(lambda: model.predict_proba(rows)) < 40_000 * 10 * 8 + 3_000_000
    assert taken_by(lambda: model.evaluate(rows, y)) < 4_000_000


def test_many_classes_are_not_scored_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BYTES", 1 << 18)
    rows, y = X.astype(np.float32), np.arange(N) % 400
    model = trainer(backend=HERE[0], epochs=1, batch_size=100, n_threads=1).fit(rows, y)
    many = np.repeat(rows, 8, axis=0)
    # All scores in both types are 96 megabytes.
    assert taken_by(lambda: model.predict(many)) < 9_000_000


@pytest.mark.usefixtures("short_pieces")
def test_messages_know_the_row_of_the_whole() -> None:
    model = trainer(epochs=1).fit(X, Y)
    rows = X.copy()
    rows[2101, 3] = 1e300
    with pytest.raises(InvalidDataError, match=r"^row 2101 of X is too large for this model"):
        model.predict(rows)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "Input X contains NaN"), (np.inf, "contains infinity")]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
@pytest.mark.usefixtures("short_pieces")
def test_rows_that_are_not_finite_are_found_in_any_piece(value: float, message: str, dtype: str) -> None:
    rows = X.astype(dtype)
    model = trainer(epochs=1).fit(rows, Y)
    rows[-1, 2] = value
    for call in (model.predict, lambda rows: model.evaluate(rows, Y), lambda rows: trainer().fit(rows, Y)):
        with pytest.raises(ValueError, match=message):
            call(rows)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="no wider type here")
def test_numbers_beyond_float64_are_not_finite() -> None:
    rows = X.astype(np.longdouble)
    model = trainer(epochs=1).fit(rows, Y)
    np.testing.assert_array_equal(model.predict(rows), model.predict(X))
    rows[5, 1] = np.longdouble(2) ** 2000
    with pytest.raises(ValueError, match=r"infinity or a value too large for dtype\('float64'\)"):
        model.predict(rows)


def test_to_look_for_what_is_not_finite_copies_nothing() -> None:
    # Their sum is no number of float16, which is no reason to copy them.
    rows = np.full((100_000, 64), 60_000, dtype=np.float16)
    rows[::2] = -60_000
    model = trainer(epochs=1, backend=HERE[0]).fit(rows[:100], Y[:100])
    assert taken_by(lambda: model._rows(rows)) < 9_000_000


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("index", [None, np.arange(N)[::-3]])
def test_pieces_are_the_rows_in_order(
    weighted: bool, index: npt.NDArray[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "BYTES", 300 * 8 * D)
    chosen = slice(None) if index is None else index
    weight = WEIGHT[chosen] if weighted else None
    data = prepare(X.astype(np.int16), Y[chosen], weight, index=index)
    parts = list(readable_pieces(data, "float32", 7))
    assert {part.n for part in parts[:-1]} == {294}
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), X[chosen])
    np.testing.assert_array_equal(np.concatenate([part.targets for part in parts]), Y[chosen])
    assert all(part.index is None and part.X.dtype == np.float32 for part in parts)
    if weighted:
        np.testing.assert_array_equal(np.concatenate([part.weight for part in parts]), data.weight)
    ready = prepare(X, Y[chosen], weight, index=index)
    assert [part is ready for part in readable_pieces(ready, "float32", 7)] == [True]


def test_pieces_cover_everything_once() -> None:
    for n in (0, 1, 7, 100):
        for bytes_of_row in (0, 1, 1 << 23, 1 << 40):
            for multiple in (1, 3, 96):
                places = [place for part in pieces(n, bytes_of_row, multiple) for place in range(n)[part]]
                assert places == list(range(n))


def test_a_copy_that_does_not_fit_says_what_it_takes() -> None:
    rows = np.broadcast_to(np.int8(1), (2**30, 2**14))
    message = r"^X of shape .* and dtype int8 is read as a float32 copy, which takes 70,368,744,177,664 bytes"
    with pytest.raises(MemoryError, match=message):
        as_rows(rows)


@names
def test_one_row_is_as_one_of_many(name: str) -> None:
    rows = X.astype(np.float32)
    model = trainer(backend=name, hidden=(7,), epochs=2).fit(rows, Y)
    alone = np.concatenate([model.decision_function(rows[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, model.decision_function(rows)[:20], rtol=1e-5, atol=1e-5)
    assert isinstance(model, gs.Trainer)


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("weights", [None, [1.0, 0.5, 3.0]])
def test_an_ensemble_votes_in_pieces(
    voting: str, weights: list[float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [trainer(epochs=1, random_state=seed).fit(X, Y) for seed in range(3)]
    ensemble = gs.VotingEnsemble(members, voting, weights)
    probabilities = np.stack([member.predict_proba(X) for member in members])
    if voting == "hard":
        probabilities = np.eye(K)[probabilities.argmax(axis=2)]
    expected = np.average(probabilities, axis=0, weights=weights)
    np.testing.assert_allclose(ensemble.predict_proba(X), expected, rtol=1e-14)
    labels = ensemble.predict(X)
    np.testing.assert_array_equal(labels, expected.argmax(axis=1))
    shares = ensemble.table(X, Y)["accuracy"]
    alone = [np.mean(member.predict(X) == Y) for member in members]
    np.testing.assert_allclose(shares, [*alone, max(alone), np.mean(labels == Y)])
    monkeypatch.setattr(cutting, "BYTES", 1)
    np.testing.assert_array_equal(ensemble.predict(X), labels)
