"""A model that trains in a group is the model that trains alone, whoever its neighbours are."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cases import CASES, Case, case_id, trained
from gradstep.backends import Backend
from gradstep.nn.activations import LeakyRelu
from gradstep.nn.averaging import EMA
from gradstep.nn.losses import Softmax
from members import AVERAGES, LOSSES, OPTIMIZERS

# Both kinds of first layer, hidden layers of odd sizes, short last batches, weights of a model's own.
M = 37
L2 = tuple(np.geomspace(1e-4, 1e-1, M))
GROUPED = (
    Case("narrow", n=21, d=400, k=10, batch_size=8, epochs=2, dtype="uint8", rate=0.01, l2=L2),
    Case("hidden", n=21, d=33, k=4, hidden=(17, 9), batch_size=8, epochs=2, weighted_apart=True, l2=L2),
    Case("wide", n=17, d=70, k=3, hidden=(48,), batch_size=16, dtype="float32", loss="sigmoid", l2=L2),
    # Every number of every model is its own.
    Case(
        "apart",
        n=21,
        d=33,
        k=4,
        hidden=(17, 9),
        weighted_apart=True,
        activation=LeakyRelu(0.3),
        loss=Softmax(0.2),
        optimizer="adamw",
        rate=0.01,
        l2=L2,
        apart=True,
    ),
    Case("dropout", n=21, d=33, hidden=(17, 9), weighted_apart=True, l2=L2, apart=True, dropout=0.5),
    Case("dropout-of-bytes", n=21, d=400, k=10, epochs=2, dtype="uint8", rate=0.01, l2=L2, input_dropout=0.3),
    Case("clipped", n=21, d=400, k=10, batch_size=8, epochs=2, dtype="uint8", rate=0.1, l2=L2, clips=True),
    Case(
        "averaged",
        n=21,
        d=33,
        k=4,
        hidden=(70, 9),
        batch_size=8,
        optimizer="adam",
        rate=0.01,
        l2=L2,
        apart=True,
        clips=True,
        average=EMA(decay=0.8),
    ),
)


def outcome(
    backend: Backend, case: Case, precision: str, models: list[int], n_threads: int
) -> list[tuple[bytes, ...]]:
    """Return all that is known of each of some models of a case after they trained together, as bytes."""
    data = case.data(precision=precision).select(models)
    plan = case.plan().select(models)
    # Model 5 takes a step that its weights do not survive.
    rates = plan.learning_rate.copy()
    rates[np.array(models) == 5, 1] = 1e300 if precision == "float64" else 1e30
    if plan.rule.slots:
        # Whatever the rate, its steps are bounded.
        rates[np.array(models) == 5, 1] = np.nan
    plan = replace(plan, learning_rate=rates)
    state = case.state(precision).select(models)
    session = backend.session(plan, data, [data], n_threads=n_threads)
    first = session.train(state, 0, 1)
    rest = session.train(state, 1, case.updates)
    known = [
        state.parameters,
        state.updates,
        state.finite,
        state.slots,
        *first,
        *rest,
        *session.evaluate(state.parameters)[0][:3],
    ]
    return [tuple(array[place].tobytes() for array in known) for place in range(len(models))]


@pytest.mark.parametrize("case", GROUPED, ids=case_id)
def test_a_model_does_not_notice_its_neighbours(backend: Backend, case: Case, precision: str) -> None:
    alone = [outcome(backend, case, precision, [model], 1)[0] for model in range(M)]
    assert len(set(alone)) == M
    generator = np.random.default_rng(0)
    for m, n_threads in product((1, 2, 3, 24, M), (1, 2, 3, 5)):
        models = generator.permutation(M)[:m].tolist()
        together = outcome(backend, case, precision, models, n_threads)
        assert together == [alone[model] for model in models], (m, n_threads)


def test_one_of_many_diverges_and_is_told_at_which_update(backend: Backend, precision: str) -> None:
    case = GROUPED[1]
    models = [3, 5, 7, 9]
    _, broken, *others = (
        (np.frombuffer(updates, np.int64)[0], np.frombuffer(finite, np.bool_)[0])
        for _, updates, finite, *_ in outcome(backend, case, precision, models, 2)
    )
    assert not broken[1]
    assert 2 <= broken[0] <= 4
    assert others == [(case.updates, True)] * 2


SIX = tuple(np.geomspace(1e-4, 1e-1, 6))
VARIED = (
    *(Case(f"{loss!r}", n=21, hidden=(9,), loss=loss, rate=0.02, l2=SIX, apart=True) for loss in LOSSES),
    *(
        Case(f"{each!r}", n=21, hidden=(9,), optimizer=each, rate=0.02, l2=SIX, apart=True)
        for each in OPTIMIZERS
    ),
    *(Case(f"{each!r}", n=21, average=each, optimizer="adam", l2=SIX, apart=True) for each in AVERAGES),
)


@pytest.mark.parametrize("case", VARIED, ids=case_id)
def test_numbers_of_its_own_are_a_models_own(backend: Backend, case: Case, precision: str) -> None:
    alone = [outcome(backend, case, precision, [model], 1)[0] for model in range(6)]
    assert len(set(alone)) == 6
    for models in ([5, 0, 3], [1, 2, 3, 4, 5, 0]):
        assert outcome(backend, case, precision, models, 2) == [alone[model] for model in models]


@pytest.mark.parametrize(("m", "n_threads"), [(4, 5), (9, 10), (15, 16)])
def test_a_thread_more_than_models(backend: Backend, m: int, n_threads: int) -> None:
    case = replace(CASES[0], l2=(0.01,) * m)
    alone, many = (trained(backend, case, "float64", n_threads=n).parameters for n in (1, n_threads))
    np.testing.assert_array_equal(many, alone)
