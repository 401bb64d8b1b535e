"""Where parameters lie, in which order rows come, and how updates are cut into ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import Case, find
from gradstep.nn.losses import Loss, Softmax
from gradstep.nn.optimizers import SGD, Adam, AdamW, Optimizer
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import RowOrder, rows_per_update
from gradstep.plan.plan import Plan, State
from members import LOSSES, OPTIMIZERS, concept_id

sizes = st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple)


def plan_of(n: int, batch_size: int, updates: int, *, m: int = 2, shuffle: bool = True) -> Plan:
    rates = np.arange(m * updates, dtype=np.float64).reshape(m, updates)
    objective = Objective.alike(Layers((3, 2)), Softmax(), (), np.zeros(m))
    return Plan(objective, (SGD(),) * m, batch_size, RowOrder(n, shuffle, seed=5), rates)


def test_softmax_regression_lies_as_written() -> None:
    layers = Layers((3, 2))
    block = np.arange(8)
    assert (layers.count, layers.parameters) == (1, 8)
    assert layers.offsets.tolist() == [[0, 6]]
    assert layers.weights(block, 0).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert layers.biases(block, 0).tolist() == [6, 7]


def test_a_group_of_two_layers_lies_as_written() -> None:
    layers = Layers((1, 2, 3))
    blocks = np.arange(2 * 13).reshape(2, 13)
    assert (layers.count, layers.parameters) == (2, 13)
    assert layers.offsets.tolist() == [[0, 2], [4, 10]]
    assert layers.weights(blocks, 0).tolist() == [[[0, 1]], [[13, 14]]]
    assert layers.biases(blocks, 0).tolist() == [[2, 3], [15, 16]]
    assert layers.weights(blocks, 1)[1].tolist() == [[17, 18, 19], [20, 21, 22]]
    assert layers.biases(blocks, 1)[1].tolist() == [23, 24, 25]


@given(sizes=sizes, m=st.integers(1, 3))
def test_the_arrays_tile_the_block_in_order(sizes: tuple[int, ...], m: int) -> None:
    layers = Layers(sizes)
    blocks = np.arange(m * layers.parameters).reshape(m, layers.parameters)
    parts = []
    for layer in range(layers.count):
        W, b = layers.weights(blocks, layer), layers.biases(blocks, layer)
        assert W.shape == (m, sizes[layer], sizes[layer + 1])
        assert b.shape == (m, sizes[layer + 1])
        assert np.shares_memory(W, blocks)
        assert np.shares_memory(b, blocks)
        parts += [W.reshape(m, -1), b]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), blocks)


@pytest.mark.parametrize(
    ("n", "seed", "epoch", "first"),
    [
        (20, 0, 0, [11, 3, 13, 2, 15, 1, 18, 19, 17, 8, 6, 0, 7, 14, 4, 10, 12, 16, 5, 9]),
        (20, 0, 1, [7, 10, 18, 4, 11, 15, 12, 5, 17, 19, 1, 16, 9, 8, 13, 6, 2, 0, 3, 14]),
        (
            1000,
            12345,
            3,
            [
                159,
                311,
                811,
                730,
                712,
                417,
                421,
                320,
                797,
                756,
                47,
                411,
                632,
                552,
                569,
                969,
                95,
                471,
                138,
                827,
            ],
        ),
    ],
)
def test_the_order_of_rows_never_changes(n: int, seed: int, epoch: int, first: list[int]) -> None:
    order = RowOrder(n, shuffle=True, seed=seed).epoch(epoch)
    assert order.dtype == np.int32
    assert order[:20].tolist() == first


@given(n=st.integers(1, 300), seed=st.integers(0, 2**63), epoch=st.integers(0, 10**6))
def test_every_epoch_has_every_row_once(n: int, seed: int, epoch: int) -> None:
    order = RowOrder(n, shuffle=True, seed=seed).epoch(epoch)
    assert sorted(order.tolist()) == list(range(n))
    np.testing.assert_array_equal(order, RowOrder(n, shuffle=True, seed=seed).epoch(epoch))


def test_epochs_and_seeds_differ() -> None:
    orders = {
        tuple(RowOrder(50, shuffle=True, seed=seed).epoch(epoch).tolist())
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25


def test_every_row_comes_first_about_as_often() -> None:
    firsts = [int(RowOrder(10, shuffle=True, seed=1).epoch(epoch)[0]) for epoch in range(2000)]
    # 200 expected with a standard deviation of 13.4.
    assert all(140 < count < 260 for count in np.bincount(firsts, minlength=10))


def test_without_shuffle_rows_stay_in_order() -> None:
    for epoch in (0, 7):
        order = RowOrder(4, shuffle=False, seed=5).epoch(epoch)
        assert order.tolist() == [0, 1, 2, 3]
        assert order.dtype == np.int32


@pytest.mark.parametrize(
    ("n", "b", "expected"), [(10, 5, 2), (10, 3, 4), (10, 10, 1), (10, 99, 1), (1, 1, 1)]
)
def test_updates_per_epoch(n: int, b: int, expected: int) -> None:
    assert plan_of(n, b, 1).updates_per_epoch == expected


@pytest.mark.parametrize(
    ("batch_size", "n", "expected"),
    [
        ("auto", 1, 1),
        ("auto", 99, 1),
        ("auto", 100, 2),
        ("auto", 4_999, 99),
        ("auto", 5_000, 100),
        ("auto", 2**31 - 1, 100),
        (1, 1, 1),
        (7, 6, 6),
        (7, 7, 7),
        (7, 8, 7),
        (10**12, 50_000, 50_000),
    ],
)
def test_rows_of_an_update(batch_size: int | str, n: int, expected: int) -> None:
    assert rows_per_update(batch_size, n) == expected


@given(n=st.integers(50, 10**6))
def test_automatic_batches_give_an_epoch_50_updates_or_batches_of_100(n: int) -> None:
    b = rows_per_update("auto", n)
    assert n // b >= 50
    assert b == 100 or n // (b + 1) < 50


def rates_of(numbers: np.ndarray) -> list[list[float]]:
    """Return the rates (m, t) of plain descent without l2: what the gradient is scaled by, with a minus."""
    np.testing.assert_array_equal(numbers[:, :, 0], numbers[:, :, 1])
    assert (numbers[..., 0] == 1).all()
    return (-numbers[:, :, 0, 1]).tolist()


def test_a_range_has_whole_epochs_and_short_batches() -> None:
    (only,) = plan_of(7, 3, 9, shuffle=False).ranges(1, 8)
    assert (only.t0, only.t1) == (1, 8)
    assert only.row_indices.tolist() == [3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5]
    assert only.starts.tolist() == [0, 3, 4, 7, 10, 11, 14, 17]
    assert rates_of(only.numbers) == [[1, 2, 3, 4, 5, 6, 7], [10, 11, 12, 13, 14, 15, 16]]
    assert only.draws is None


def test_many_epochs_are_cut_where_one_ends() -> None:
    plan = plan_of(7, 3, 2000)
    assert [(r.t0, r.t1) for r in plan.ranges(1, 2000)] == [(1, 1023), (1023, 2000)]


def test_long_epochs_are_not_joined() -> None:
    plan = plan_of(70_000, 70_000, 3, shuffle=False)
    assert [(r.t0, r.t1) for r in plan.ranges(0, 3)] == [(0, 1), (1, 2), (2, 3)]


def test_no_updates_are_no_ranges() -> None:
    assert list(plan_of(7, 3, 9).ranges(4, 4)) == []


@given(data=st.data(), n=st.integers(1, 40), b=st.integers(1, 50), epochs=st.integers(1, 4))
def test_cut_anywhere_the_batches_are_the_same(data: st.DataObject, n: int, b: int, epochs: int) -> None:
    updates = epochs * -(-n // b)
    plan = plan_of(n, b, updates)
    expected = []
    for epoch in range(epochs):
        order = plan.order.epoch(epoch).tolist()
        expected += [order[start : start + b] for start in range(0, n, b)]
    cuts = sorted(data.draw(st.lists(st.integers(0, updates), max_size=3)))
    batches, times, rates = [], [], []
    for t0, t1 in zip([0, *cuts], [*cuts, updates], strict=True):
        for part in plan.ranges(t0, t1):
            assert (part.row_indices.dtype, part.starts.dtype) == (np.int32, np.int64)
            assert part.numbers.flags.c_contiguous
            assert part.numbers.shape == (2, part.t1 - part.t0, 2, 2)
            assert part.starts[0] == 0
            assert part.starts[-1] == len(part.row_indices)
            assert len(part.starts) == part.t1 - part.t0 + 1
            ends = zip(part.starts, part.starts[1:], strict=False)
            batches += [part.row_indices[start:end].tolist() for start, end in ends]
            times += range(part.t0, part.t1)
            rates.append(rates_of(part.numbers))
    assert batches == expected
    assert times == list(range(updates))
    np.testing.assert_array_equal(np.concatenate(rates, axis=1), plan.learning_rate)


def test_a_state_starts_at_update_0_on_the_given_parameters() -> None:
    parameters = np.ones((3, 5), dtype=np.float32)
    state = State.start(parameters)
    assert state.parameters is parameters
    assert (state.updates.tolist(), state.updates.dtype) == ([0, 0, 0], np.int64)
    assert (state.finite.tolist(), state.finite.dtype) == ([True] * 3, np.bool_)
    assert state.slots.shape == (3, 0, 5)
    slots = State.start(parameters, 2).slots
    assert (slots.shape, slots.dtype, slots.any()) == ((3, 2, 5), np.float32, False)


def test_a_copied_state_shares_nothing() -> None:
    state = State.start(np.ones((2, 3)), 1)
    copy = state.copy()
    copy.parameters[:] = 7
    copy.slots[:] = 7
    copy.updates[:] = 7
    copy.finite[:] = False
    assert (state.parameters == 1).all()
    assert not state.slots.any()
    assert (state.updates == 0).all()
    assert state.finite.all()


def test_some_models_of_a_state_are_copies_too() -> None:
    state = State.start(np.arange(6.0).reshape(3, 2), 1)
    some = state.select([2, 0])
    assert some.parameters.tolist() == [[4, 5], [0, 1]]
    assert some.slots.shape == (2, 1, 2)
    some.parameters[:] = some.slots[:] = 7
    assert state.parameters.max() == 5
    assert not state.slots.any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=concept_id)
def test_the_numbers_of_an_update_are_made_in_float64_for_weights_and_for_biases(
    optimizer: Optimizer,
) -> None:
    plan = Case("numbers", optimizer=optimizer, apart=True, l2=(0.0, 0.25)).plan()
    numbers = plan.numbers(2, 7)
    names = plan.rule.numbers
    assert (numbers.shape, numbers.dtype) == ((2, 5, 2, len(names)), np.float64)
    rates = plan.learning_rate[:, 2:7]
    for model, own in enumerate(plan.optimizers):
        for which, l2 in enumerate((plan.objective.l2[model], 0.0)):
            given = own.numbers(np.arange(2, 7), rates[model : model + 1], np.array([[l2]]))
            given |= plan.rule.for_biases if which else {}
            for place, name in enumerate(names):
                expected = np.broadcast_to(given[name], (1, 5))[0]
                np.testing.assert_array_equal(numbers[model, :, which, place], expected)
    # Any cut of the updates has the same numbers.
    np.testing.assert_array_equal(plan.numbers(2, 4), numbers[:, :2])


def test_decay_is_for_weights_alone() -> None:
    numbers = Case("decay", l2=(0.25,), optimizer=Adam()).plan().numbers(0, 2)
    assert numbers[0, :, :, 0].tolist() == [[0.5, 0.0]] * 2
    plan = Case("decay", l2=(0.0,), optimizer=AdamW(weight_decay=0.5)).plan()
    shrink = plan.rule.numbers.index("shrink")
    np.testing.assert_array_equal(plan.numbers(0, 2)[0, :, 0, shrink], 1 - plan.learning_rate[0, :2] * 0.5)
    assert plan.numbers(0, 2)[0, :, 1, shrink].tolist() == [1, 1]


def test_bias_corrections_are_those_of_the_paper() -> None:
    plan = Case("adam", l2=(0.0,), optimizer=Adam(0.9, 0.99, 1e-3)).plan()
    by_name = dict(zip(plan.rule.numbers, plan.numbers(0, 3)[0, :, 0].T, strict=True))
    for t in (1, 2, 3):
        first, second = 1 - 0.9**t, 1 - 0.99**t
        rate = plan.learning_rate[0, t - 1] * second**0.5 / first
        assert by_name["rate"][t - 1] == pytest.approx(rate, rel=1e-14)
        assert by_name["epsilon"][t - 1] == pytest.approx(1e-3 * second**0.5, rel=1e-14)


@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_some_models_of_a_plan_take_their_numbers_along(loss: Loss) -> None:
    case = Case("some", hidden=(3,), loss=loss, activation="leaky_relu", optimizer="adamw", apart=True)
    plan, some = case.plan(), case.plan().select([2, 0])
    for name in ("loss_numbers", "activation_numbers", "l2"):
        np.testing.assert_array_equal(getattr(some.objective, name), getattr(plan.objective, name)[[2, 0]])
    assert some.optimizers == (plan.optimizers[2], plan.optimizers[0])
    np.testing.assert_array_equal(some.numbers(1, 4), plan.numbers(1, 4)[[2, 0]])
    assert len(set(plan.optimizers)) == 3


def test_every_name_of_a_case_is_its_own() -> None:
    from cases import CASES

    assert find(*(case.name for case in CASES)) == CASES


@pytest.mark.parametrize("n", [1, 2, 30, 10_000])
def test_a_sort_of_a_backends_own_gives_the_same_order(n: int) -> None:
    core = pytest.importorskip("gradstep._core")
    order = RowOrder(n, shuffle=True, seed=3)
    np.testing.assert_array_equal(order.epoch(2, core.sort), order.epoch(2))


@given(words=st.lists(st.integers(0, 2**64 - 1), max_size=200), shift=st.integers(0, 63))
def test_the_core_sorts_any_words(words: list[int], shift: int) -> None:
    core = pytest.importorskip("gradstep._core")
    array = np.array(words, dtype=np.uint64) >> np.uint64(shift)
    expected = np.sort(array)
    core.sort(array)
    np.testing.assert_array_equal(array, expected)
