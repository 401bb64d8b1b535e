"""The backends against each other, and each against what it promises about its own bits."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cases import CASES, DROPPING, Case, case_id, everything, find, relative_error, train, trained
from gradstep.backends import Backend, get
from gradstep.nn.averaging import EMA
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import SGD, Adam
from gradstep.plan.plan import State
from gradstep.plan.rows import prepare
from gradstep.plan.standardization import Standardization
from makers import THREADS
from members import ACTIVATIONS, AVERAGES, LOSSES, OPTIMIZERS, concept_id

cases = pytest.mark.parametrize("case", CASES, ids=case_id)
# A few that between them have every kind of layer, tail and data, more inputs and rows than any block, and
# every loss, activation and optimizer.
FEW = find(
    "three-hidden",
    "weighted",
    "weighted-apart",
    "uint8-gap",
    "wide",
    "many-rows",
    "images",
    "images-hidden",
    "sigmoid-weighted",
    "sigmoid-many-classes",
    "mixed",
    *(case.name for case in DROPPING),
    *(f"{loss!r}-apart" for loss in LOSSES),
    *(f"{optimizer!r}-apart" for optimizer in OPTIMIZERS),
    f"{SGD(momentum=0.9)!r}-uint8",
    f"{Adam()!r}-uint8",
    *(f"{optimizer!r}-uint8-clipped" for optimizer in OPTIMIZERS),
    *(f"{average!r}-apart" for average in AVERAGES),
    *(f"{average!r}-uint8" for average in AVERAGES),
)
few = pytest.mark.parametrize("case", FEW, ids=case_id)

# One of every rule, with a hidden layer, one whose gradients are clipped and one whose weights are averaged.
RULES = find(
    "weighted",
    f"{SGD(momentum=0.9)!r}-apart",
    f"{Adam()!r}-apart",
    f"{SGD()!r}-hidden-clipped",
    f"{EMA(decay=0.8)!r}-apart",
)
rules = pytest.mark.parametrize("case", RULES, ids=case_id)

PARTS: dict[str, tuple[Any, ...]] = {
    "loss": LOSSES,
    "activation": ACTIVATIONS,
    "optimizer": OPTIMIZERS,
    "dropout": (0.1, 0.8),
    "input_dropout": (0.1, 0.5),
    "average": AVERAGES,
    "clips": (True,),
}

METHODS = ("session", "evaluate", "loss_and_gradient", "scores")


@pytest.mark.parametrize("method", METHODS)
def test_every_backend_has_the_signatures_of_the_protocol(backend: Backend, method: str) -> None:
    def shape(function: Any) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert shape(getattr(type(backend), method)) == shape(getattr(Backend, method))


@cache
def expected_of(case: Case, until: int) -> State:
    """Return the reference's state after so many updates, found once for all backends."""
    return trained(get("numpy"), case, "float64", until=until)


@cases
def test_float64_trajectories_agree(compiled_backend: Backend, case: Case) -> None:
    state = trained(compiled_backend, case, "float64")
    expected = expected_of(case, case.updates)
    assert relative_error(case.layers, state.parameters, expected.parameters) < 1e-10
    assert state.updates.tolist() == expected.updates.tolist() == [case.updates] * len(case.l2)
    assert state.finite.all()
    for slot in range(state.slots.shape[1]):
        assert relative_error(case.layers, state.slots[:, slot], expected.slots[:, slot]) < 1e-9


@cases
def test_float32_stays_near_the_float64_trajectory(backend: Backend, case: Case) -> None:
    case = replace(case, epochs=1)
    for until in sorted({1, (case.updates + 1) // 2, case.updates}):
        state = trained(backend, case, "float32", until=until)
        expected = expected_of(case, until)
        assert state.parameters.dtype == np.float32
        # Four roundings of the largest value of an array, whose thousandth is the floor of the measure; many
        # more where a step is divided by the size of its gradient, however small and rounded that is: how it
        # is rounded depends on the order in which this machine's BLAS adds.
        roundings = 3e4 if case.plan().rule.slots == 2 else 4e3
        assert relative_error(case.layers, state.parameters, expected.parameters) < roundings * 2.0**-24


@settings(max_examples=25)
@given(data=st.data())
def test_any_shape_agrees_and_keeps_its_bits(
    compiled_backend: Backend, reference: Backend, data: st.DataObject
) -> None:
    sizes = st.integers(1, 70)
    case = Case(
        "any",
        n=data.draw(st.integers(1, 60), label="n"),
        d=data.draw(sizes | st.integers(380, 390), label="d"),
        k=data.draw(st.integers(2, 40), label="k"),
        hidden=tuple(data.draw(st.lists(sizes, max_size=3), label="hidden")),
        batch_size=data.draw(st.integers(1, 40), label="batch_size"),
        epochs=1,
        l2=(0.01,) * data.draw(st.integers(1, 4), label="m"),
        weighted=data.draw(st.booleans(), label="weighted"),
        weighted_apart=data.draw(st.booleans(), label="weighted_apart"),
        dtype=data.draw(st.sampled_from(["uint8", "float32", "float64"]), label="dtype"),
        row_gap=data.draw(st.integers(0, 3), label="row_gap"),
    )
    # One at a time: some backends compile every combination.
    part, values = data.draw(st.sampled_from(list(PARTS.items())), label="part")
    # Some optimizers take steps of a size of their own: where they are large, probabilities of 1 are all that
    # is left, and what the gradients of those are is up to the last bit.
    rate = 0.002 if part == "optimizer" else 0.02
    case = replace(case, **{part: data.draw(st.sampled_from(values), label=part)}, rate=rate)
    n_threads = data.draw(st.integers(2, 9), label="n_threads")
    results = everything(compiled_backend, case, "float64", 1)
    threaded = everything(compiled_backend, case, "float64", n_threads)
    for result, wanted in zip(threaded, results, strict=True):
        np.testing.assert_array_equal(result, wanted)
    expected = everything(reference, case, "float64", 1)
    # Many updates may multiply a rounding, and a small difference of large numbers, as of a probability from
    # one, has a large one. How much, the reference tells from float32, whose roundings are 2**29 times those,
    # and from roundings beside. Where that walk is lost there is no trajectory to agree on.
    rng, errors = np.random.default_rng(0), []
    for _ in range(4):
        beside = case.state("float32")
        beside.parameters *= 1 + 2.0**-23 * rng.choice([-1.0, 1.0], size=beside.parameters.shape)
        train(reference, case.plan(), case.data(precision="float32"), beside, 0, case.updates)
        errors.append(relative_error(case.layers, beside.parameters, expected[0]))
    drift = np.max(errors)  # NaN if one is
    assume(drift < 1)
    assert relative_error(case.layers, results[0], expected[0]) < max(1e-10, 10 * drift * 2.0**-29)
    for result, wanted in zip(results[1:], expected[1:], strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-11)


@few
def test_metrics_and_gradients_agree(compiled_backend: Backend, reference: Backend, case: Case) -> None:
    results = everything(compiled_backend, case, "float64", 1)
    expected = everything(reference, case, "float64", 1)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-10, atol=1e-13)


@few
def test_the_number_of_threads_changes_no_bit(backend: Backend, case: Case, precision: str) -> None:
    alone = everything(backend, case, precision, 1)
    for n_threads in THREADS:
        together = everything(backend, case, precision, n_threads)
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_array_equal(many, one, err_msg=f"{n_threads} threads")


@few
def test_a_model_has_the_same_bits_in_any_group(backend: Backend, case: Case, precision: str) -> None:
    data, everyone, block = case.data(precision=precision), case.plan(), case.parameters(precision)
    together = trained(backend, case, precision)
    whole, gradient_of_all = backend.loss_and_gradient(everyone.objective, data, block)
    evaluated = backend.evaluate(everyone.objective, data, block)
    scores_of_all = backend.scores(everyone.objective, data, block)
    for group in ([0], [1, 0], [2, 0, 1], [1, 2, 0, 1, 2]):
        some, seen = everyone.select(group), data.select(group)
        state = case.state(precision).select(group)
        train(backend, some, seen, state, 0, case.updates, n_threads=2)
        np.testing.assert_array_equal(state.parameters, together.parameters[group])
        np.testing.assert_array_equal(state.slots, together.slots[group])

        evaluation, gradient = backend.loss_and_gradient(some.objective, seen, block[group], n_threads=2)
        np.testing.assert_array_equal(np.array(evaluation[:3]), np.array(whole[:3])[:, group])
        np.testing.assert_array_equal(gradient, gradient_of_all[group])
        evaluation = backend.evaluate(some.objective, seen, block[group], n_threads=2)
        np.testing.assert_array_equal(np.array(evaluation[:3]), np.array(evaluated[:3])[:, group])
        scores = backend.scores(some.objective, seen, block[group], n_threads=2)
        np.testing.assert_array_equal(scores, scores_of_all[group])


@few
def test_the_scores_of_an_evaluation_change_none_of_its_bits(
    backend: Backend, case: Case, precision: str
) -> None:
    data, block = case.data(precision=precision), case.parameters(precision)
    session = backend.session(case.plan(), data, [data, data])
    for plain, with_scores in zip(
        session.evaluate(block), session.evaluate(block, with_scores=True), strict=True
    ):
        assert plain.scores is None
        assert with_scores.scores is not None
        assert with_scores.scores.dtype == block.dtype
        np.testing.assert_array_equal(np.array(with_scores[:3]), np.array(plain[:3]))
        # Row by row as many sums; those of other batches may be added in another order.
        expected = backend.scores(case.objective, data, block)
        np.testing.assert_allclose(
            with_scores.scores, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
        )


@few
def test_a_diverging_model_stops_alone(backend: Backend, precision: str, case: Case) -> None:
    # With l2 > 0 too large a rate is sure to blow the weights up; but where steps or units are bounded.
    case = replace(case, l2=(0.01, 0.02, 0.1))
    plan, data = case.plan(), case.data(precision=precision)
    bounded = case.optimizer != "sgd" or case.activation != "relu" or case.clips
    untouched = trained(backend, case, precision)
    for place in range(3):
        rates = plan.learning_rate.copy()
        rates[place, 2:] = np.nan if bounded else 1e300 if precision == "float64" else 1e30
        state = case.state(precision)
        train(backend, replace(plan, learning_rate=rates), data, state, 0, case.updates)
        others = [model for model in range(3) if model != place]
        assert state.finite.tolist() == [model != place for model in range(3)]
        assert state.updates[others].tolist() == [case.updates] * 2
        # The step of update 2 is the first of that rate: the loss of one of the next updates breaks.
        assert 3 <= state.updates[place] <= 5
        np.testing.assert_array_equal(state.parameters[others], untouched.parameters[others])
        np.testing.assert_array_equal(state.slots[others], untouched.slots[others])


@rules
def test_a_model_stops_before_the_update_whose_loss_is_not_finite(
    backend: Backend, precision: str, case: Case
) -> None:
    data, state = case.data(precision=precision), case.state(precision)
    train(backend, case.plan(), data, state, 0, 3)
    state.parameters[1, 0] = np.nan
    before = state.copy()
    train(backend, case.plan(), data, state, 3, case.updates)
    assert state.updates.tolist() == [case.updates, 3, case.updates]
    assert state.finite.tolist() == [True, False, True]
    np.testing.assert_array_equal(state.parameters[1], before.parameters[1])
    np.testing.assert_array_equal(state.slots[1], before.slots[1])
    expected = trained(backend, case, precision)
    np.testing.assert_array_equal(state.parameters[::2], expected.parameters[::2])
    np.testing.assert_array_equal(state.slots[::2], expected.slots[::2])
    evaluation = backend.evaluate(case.objective, data, before.parameters)
    assert np.isfinite(evaluation.loss).tolist() == np.isfinite(evaluation.cost).tolist()
    assert np.isfinite(evaluation.loss).tolist() == [True, False, True]


@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_overflow_is_quiet_and_leaves_numpys_settings_as_they_were(
    backend: Backend, precision: str, loss: Loss
) -> None:
    case = Case("overflow", hidden=(4,), l2=(0.1,), loss=loss)
    objective, data = case.objective, case.data(precision=precision)
    parameters = case.parameters(precision) * np.array(np.finfo(precision).max / 10, dtype=precision)
    state = State.start(parameters.copy())
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        before = np.geterr()
        evaluation, _ = backend.loss_and_gradient(objective, data, parameters)
        scores = backend.scores(objective, data, parameters)
        train(backend, case.plan(), data, state, 0, case.updates)
        assert np.geterr() == before
    assert not np.isfinite(evaluation.cost[0])
    assert not np.isfinite(scores).all()
    assert not state.finite[0]


def test_a_group_of_stopped_models_is_left_as_it_is(backend: Backend) -> None:
    case = FEW[0]
    state = case.state("float64")
    state.finite[:] = False
    before = state.copy()
    train(backend, case.plan(), case.data(), state, 0, case.updates)
    np.testing.assert_array_equal(state.parameters, before.parameters)
    assert state.updates.tolist() == [0, 0, 0]


@few
def test_a_run_can_be_cut_anywhere(backend: Backend, precision: str, case: Case) -> None:
    plan, rows, updates = case.plan(), case.data(precision=precision), case.updates
    whole = trained(backend, case, precision)

    @settings(max_examples=6)
    @given(st.lists(st.integers(0, updates), min_size=1, max_size=3).map(sorted), st.sampled_from([1, 2]))
    def check(cuts: list[int], threads: int) -> None:
        state = case.state(precision)
        for t0, t1 in pairwise([0, *cuts, updates]):
            # As read from a checkpoint: nothing but the values goes on.
            state = state.copy()
            train(backend, plan, rows, state, t0, t1, n_threads=threads)
            assert state.updates.tolist() == [t1] * 3
        np.testing.assert_array_equal(state.parameters, whole.parameters)
        np.testing.assert_array_equal(state.slots, whole.slots)

    check()


@few
def test_a_stopped_run_ends_at_an_update_and_can_go_on(backend: Backend, case: Case) -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    plan, data, state = case.plan(), case.data(precision="float32"), case.state("float32")
    train(backend, plan, data, state, 0, case.updates, should_stop=should_stop)
    done = int(state.updates[0])
    assert state.updates.tolist() == [done] * 3
    assert state.finite.all()
    expected = trained(backend, case, "float32", until=done)
    np.testing.assert_array_equal(state.parameters, expected.parameters)
    np.testing.assert_array_equal(state.slots, expected.slots)
    train(backend, plan, data, state, done, case.updates)
    np.testing.assert_array_equal(state.parameters, trained(backend, case, "float32").parameters)


def test_a_stop_is_noticed_where_epochs_are_short(backend: Backend) -> None:
    case, asked = Case("short", n=12, d=3, batch_size=6, hidden=(2,), epochs=1200), []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    plan, state = case.plan(), case.state("float32")
    train(backend, plan, case.data(precision="float32"), state, 0, case.updates, should_stop=should_stop)
    done = int(state.updates[0])
    ends = [updates.t1 for updates in plan.ranges(0, case.updates)]
    assert len(ends) > 2
    assert 0 < done <= ends[1]
    np.testing.assert_array_equal(state.parameters, trained(backend, case, "float32", until=done).parameters)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(3, None), slice(None)])
def test_rows_may_lie_apart(backend: Backend, precision: str, dtype: str, rows: slice) -> None:
    case = Case("apart", n=90, d=21, hidden=(6,), dtype=dtype)
    data = case.data()
    wide = np.zeros((case.n, case.d + 4), dtype=dtype)
    wide[:, 2:-2] = data.X
    y, standardization = data.targets[rows], data.standardization
    apart = prepare(wide[rows, 2:-2], y, None, standardization)
    packed = prepare(np.ascontiguousarray(data.X[rows]), y, None, standardization)
    assert np.shares_memory(apart.X, wide)
    assert apart.X.strides != packed.X.strides
    case = replace(case, n=len(y))
    results = []
    for variant in (apart, packed):
        state = case.state(precision)
        train(backend, case.plan(), variant, state, 0, case.updates)
        results.append((state.parameters, backend.scores(case.objective, variant, state.parameters)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("case", [FEW[0], *find("Squared()-apart")], ids=case_id)
def test_read_only_rows_are_read(backend: Backend, case: Case) -> None:
    data, state = case.data(), case.state("float64")
    for array in (data.X, data.targets, data.standardization.mean, data.standardization.scale):
        array.flags.writeable = False
    train(backend, case.plan(), data, state, 0, case.updates)
    np.testing.assert_array_equal(state.parameters, trained(backend, case, "float64").parameters)


@few
def test_inputs_are_left_as_they_are(backend: Backend, precision: str, case: Case) -> None:
    data, plan, block = case.data(precision=precision), case.plan(), case.parameters(precision)
    standardization = data.standardization
    arrays = [data.X, data.targets, standardization.mean, standardization.scale, plan.learning_rate, block]
    before = [array.copy() for array in arrays]
    backend.loss_and_gradient(plan.objective, data, block)
    backend.evaluate(plan.objective, data, block)
    backend.scores(plan.objective, data, block)
    train(backend, plan, data, case.state(precision), 0, case.updates)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_large_offset_is_taken_away_before_rounding_to_float32(
    backend: Backend, reference: Backend
) -> None:
    case = Case("offset", n=80, d=6)
    near = case.data()
    far = prepare(near.X + 1e6, near.targets, None, Standardization.of(near.X + 1e6))
    block = case.parameters("float32")
    scores = backend.scores(case.objective, far, block)
    expected = reference.scores(case.objective, near, block.astype(np.float64))
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
