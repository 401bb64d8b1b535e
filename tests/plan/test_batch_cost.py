"""What a batch comes to, and the order of rows of a stream."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import shuffle

from cases import Case
from gradstep.errors import InvalidParameterError
from gradstep.estimators.trainer import Trainer
from gradstep.plan.batch_cost import BatchCost
from gradstep.plan.build import Given, make_plan
from gradstep.plan.order import StreamOrder

SIZES = Case("sizes", n=11, batch_size=4, epochs=3, l2=(0.5, 2.0))
WEIGHTS = np.arange(1.0, 12.0)


def test_nothing_is_asked_of_the_kernels_by_default() -> None:
    (updates,) = SIZES.plan().ranges(0, SIZES.updates)
    assert updates.divisors is None
    assert updates.penalties is None


def test_batches_are_divided_by_their_rows_or_their_weights() -> None:
    plan = replace(SIZES.plan(), batch_cost=BatchCost(factor=4.0))
    (updates,) = plan.ranges(0, SIZES.updates)
    assert updates.divisors is not None
    assert updates.divisors.tolist() == [[1.0, 1.0, 0.75] * 3] * 2
    assert updates.penalties is None
    np.testing.assert_array_equal(updates.numbers, SIZES.plan().numbers(0, SIZES.updates))

    plan = replace(SIZES.plan(), batch_cost=BatchCost(np.stack([WEIGHTS, 0 * WEIGHTS]), shares_l2=True))
    (updates,) = plan.ranges(0, SIZES.updates)
    assert updates.divisors is not None
    batches = np.split(updates.row_indices, updates.starts[1:-1])
    sums = [float(WEIGHTS[batch].sum()) for batch in batches]
    assert updates.divisors.tolist() == [sums, [0.0] * 9]
    keep, scale = updates.numbers[:, :, 0].transpose(2, 0, 1)
    np.testing.assert_allclose(keep[0], 1 - 2 * 0.5 / np.array(sums) * -scale[0], rtol=1e-15)
    assert keep[1].tolist() == [1.0] * 9


def test_the_penalty_is_counted_as_the_step_takes_it() -> None:
    plan = replace(SIZES.plan(), batch_cost=BatchCost(counts_l2=True))
    (updates,) = plan.ranges(0, SIZES.updates)
    assert updates.penalties is not None
    assert updates.penalties.tolist() == [[0.5] * 9, [2.0] * 9]
    (updates,) = replace(plan, batch_cost=BatchCost(counts_l2=True, shares_l2=True)).ranges(0, 3)
    assert updates.penalties is not None
    np.testing.assert_array_equal(updates.penalties, np.array([[0.5], [2.0]]) / [[4, 4, 3]])


def test_models_keep_their_own_divisors() -> None:
    weights = np.random.default_rng(0).uniform(size=(2, 11))
    plan = replace(SIZES.plan(), batch_cost=BatchCost(weights, shares_l2=True, counts_l2=True))
    (both,), (second,) = plan.ranges(0, 9), plan.select([1]).ranges(0, 9)
    for ours, theirs in ((both.divisors, second.divisors), (both.penalties, second.penalties)):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours[1:], theirs)
    np.testing.assert_array_equal(both.numbers[1:], second.numbers)


@given(n=st.integers(1, 40), seed=st.integers(0, 2**32 - 1), asked=st.lists(st.integers(0, 6), max_size=8))
def test_a_stream_shuffles_as_scikit_learn_does(n: int, seed: int, asked: list[int]) -> None:
    generator = np.random.RandomState(seed)
    found, theirs, states = np.arange(n), [], []
    for _ in range(7):
        found = shuffle(found, random_state=generator)
        theirs.append(found)
        states.append(copy.deepcopy(generator))
    own = np.random.RandomState(seed)
    order = StreamOrder(n, own)
    for number in [*sorted(asked), 6, 6]:
        epoch = order.epoch(number)
        assert epoch.dtype == np.int32
        np.testing.assert_array_equal(epoch, theirs[number])
        assert copy.deepcopy(own).randint(2**31) == copy.deepcopy(states[number]).randint(2**31)


def test_a_stream_goes_on_and_not_back() -> None:
    first, second = (StreamOrder(9, np.random.RandomState(3)) for _ in range(2))
    kept = first.epoch(0)
    copied = kept.copy()
    np.testing.assert_array_equal(first.epoch(1), second.epoch(1))
    np.testing.assert_array_equal(kept, copied)
    with pytest.raises(ValueError, match="epoch 0 of a stream is gone, the last one asked for was 1"):
        first.epoch(0)
    again = pickle.loads(pickle.dumps(first))
    for number in (2, 3):
        np.testing.assert_array_equal(again.epoch(number), second.epoch(number))


def test_a_plan_takes_parameters_and_order_as_they_are() -> None:
    settings = Trainer(hidden=(3,), epochs=2, batch_size=4, precision="float64").settings()
    parameters = np.random.default_rng(0).normal(size=(1, 3 * 6 + 4 * 2))
    order, cost = StreamOrder(11, np.random.RandomState(0)), BatchCost(factor=2.0)
    plan, block = make_plan([settings], 11, 5, 2, Given(parameters, order, cost))
    assert plan.order is order
    assert plan.batch_cost is cost
    np.testing.assert_array_equal(block, parameters)
    assert not np.shares_memory(block, parameters)
    with pytest.raises(InvalidParameterError, match=r"must have shape \(1, 26\), got \(1, 25\)"):
        make_plan([settings], 11, 5, 2, Given(parameters[:, 1:]))
