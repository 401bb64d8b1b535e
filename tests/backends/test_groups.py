"""A model that trains in a group is the model that trains alone, whoever its neighbours are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases import CASES, Case, only, seen_by, trained
from gradstep.backends import Backend
from gradstep.plan.plan import State

# Both kinds of first layer, hidden layers of odd sizes, short last batches, weights of a model's own.
M = 37
L2 = tuple(np.geomspace(1e-4, 1e-1, M))
GROUPED = (
    Case("narrow", n=21, d=400, k=10, batch_size=8, epochs=2, dtype="uint8", rate=0.01, l2=L2),
    Case("hidden", n=21, d=33, k=4, hidden=(17, 9), batch_size=8, epochs=2, weighted_apart=True, l2=L2),
    Case("wide", n=17, d=70, k=3, hidden=(48,), batch_size=16, dtype="float32", loss="sigmoid", l2=L2),
)


def outcome(
    backend: Backend, case: Case, precision: str, models: list[int], n_threads: int
) -> list[tuple[bytes, ...]]:
    """Return all that is known of each of some models of a case after they trained together, as bytes."""
    problem = seen_by(case.problem(), models)
    plan = only(case.plan(), models)
    # Model 5 takes a step that its weights do not survive.
    rates = plan.learning_rate.copy()
    rates[np.array(models) == 5, 1] = 1e300 if precision == "float64" else 1e30
    plan = replace(plan, learning_rate=rates)
    state = State.start(case.parameters(precision)[models])
    session = backend.session(plan, problem, [problem], n_threads=n_threads)
    first = session.train(state, 0, 1)
    rest = session.train(state, 1, case.updates)
    known = [
        state.parameters,
        state.updates,
        state.finite,
        *first,
        *rest,
        *session.evaluate(state.parameters)[0],
    ]
    return [tuple(array[place].tobytes() for array in known) for place in range(len(models))]


@pytest.mark.parametrize("case", GROUPED, ids=lambda case: case.name)
def test_a_model_does_not_notice_its_neighbours(backend: Backend, case: Case, precision: str) -> None:
    alone = [outcome(backend, case, precision, [model], 1)[0] for model in range(M)]
    assert len(set(alone)) == M
    generator = np.random.default_rng(0)
    for m in (1, 2, 3, 24, M):
        for n_threads in (1, 2, 3, 5):
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


@pytest.mark.parametrize(("m", "n_threads"), [(4, 5), (9, 10), (15, 16)])
def test_a_thread_more_than_models(backend: Backend, m: int, n_threads: int) -> None:
    case = replace(CASES[0], l2=(0.01,) * m)
    alone, many = (trained(backend, case, "float64", n_threads=n).parameters for n in (1, n_threads))
    np.testing.assert_array_equal(many, alone)
