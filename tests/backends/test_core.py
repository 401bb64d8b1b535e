"""The binding, called as nobody does: what was checked stays so, or there is an error."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

core = pytest.importorskip("gradstep._core")

N, D, K = 40, 6, 3
MANY = 10_000


def rows(seed: int = 0, n: int = N, **other: Any) -> Any:
    X = np.random.default_rng(seed).random((n, D), dtype=np.float32)
    given = {"X": X, "targets": np.arange(n, dtype=np.int32) % K, "weight": None}
    return core.Rows(**given | {"mean": np.zeros(D), "inverse_scale": np.ones(D)} | other)


def models(m: int = 1, **other: Any) -> Any:
    given = {
        "isa": core.isas()[0],
        "sizes": np.array([D, K]),
        "l2": np.zeros(m),
        "loss": "softmax",
        "loss_numbers": np.zeros((m, core.names()["losses"]["softmax"][1])),
        "activations": [],
        "activation_numbers": np.zeros((m, 0)),
        "rule": "descent",
    }
    return core.Models(**given | other)


def parameters(m: int = 1) -> npt.NDArray[np.float32]:
    return np.zeros((m, (D + 1) * K), dtype=np.float32)


def session(data: Any, evaluated: Any = (), most_rows: int = 10) -> Any:
    return core.Session(models(), data, most_rows, list(evaluated), False, 1, None)


def train(opened: Any, **other: Any) -> npt.NDArray[np.float32]:
    """Train on all rows once, and return the parameters."""
    block, updates = parameters(), N // 10
    given = {
        "row_indices": np.arange(N, dtype=np.int32),
        "starts": np.arange(0, N + 1, 10),
        "numbers": np.tile([0.0, 0.1], (1, updates, 2, 1))[..., : core.names()["rules"]["descent"][1]],
        "parameters": block,
        "slots": np.zeros((1, 0, block.shape[1]), dtype=np.float32),
        "updates": np.zeros(1, dtype=np.int64),
        "finite": np.ones(1, dtype=np.bool_),
        "draws": None,
        "divisors": None,
        "penalties": None,
        "decays": None,
        "shares": None,
        "should_stop": lambda: False,
    }
    opened.train(**given | other)
    return block


def unaligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy that lies one byte beside where it should."""
    memory = bytearray(array.nbytes + 1)
    moved = np.frombuffer(memory, dtype=array.dtype, offset=1).reshape(array.shape)
    moved[...] = array
    return moved


def test_evaluated_rows_stay_when_their_list_is_emptied() -> None:
    data, other = rows(), rows(seed=1)
    given = [other]
    opened = core.Session(models(), data, 10, given, False, 1, None)
    wanted = opened.evaluate(parameters(), True)
    given.clear()
    del other
    gc.collect()
    found = opened.evaluate(parameters(), True)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


@pytest.mark.parametrize("name", ["targets", "index"])
def test_indices_are_those_that_were_checked(name: str) -> None:
    indices = np.arange(N, dtype=np.int32) % K
    opened, wanted = session(rows(**{name: indices})), train(session(rows(**{name: indices.copy()})))
    indices[:] = 2_000_000_000
    np.testing.assert_array_equal(train(opened), wanted)


def test_rows_of_a_batch_that_change_on_the_way_are_those_that_were_checked() -> None:
    indices, starts = np.arange(N, dtype=np.int32).repeat(MANY), np.arange(0, MANY * N + 1)
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        indices[:], starts[1:] = 2_000_000_000, 2**40
        return False

    numbers = np.tile([0.0, 0.1], (1, MANY * N, 2, 1))[..., : core.names()["rules"]["descent"][1]]
    wanted = train(session(rows()), row_indices=indices.copy(), starts=starts.copy(), numbers=numbers)
    found = train(
        session(rows()), row_indices=indices, starts=starts, numbers=numbers, should_stop=should_stop
    )
    if not asked:
        pytest.skip("was never asked whether to stop: this machine is too fast")
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["X", "weight", "targets"])
def test_arrays_that_take_another_shape_are_read_as_they_were(name: str) -> None:
    given = {
        "X": np.random.default_rng(0).random((N, D), dtype=np.float32),
        "weight": np.random.default_rng(0).random(N) + 0.5,
        "targets": np.random.default_rng(0).random((N, K), dtype=np.float32),
    }
    loss = {"loss": "squared", "loss_numbers": np.zeros((1, core.names()["losses"]["squared"][1]))}
    data, block = rows(**given), parameters() + 0.1
    wanted = core.evaluate(models(**loss), data, block, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of assigning a shape
        given[name].shape = (1, given[name].size)
    np.testing.assert_array_equal(core.evaluate(models(**loss), data, block, 1), wanted)


def gradient(given: Any, data: Any, block: npt.NDArray[Any], n_threads: int) -> npt.NDArray[Any]:
    batch = core.FullBatch(given, data, block.dtype == np.float64, n_threads)
    found: npt.NDArray[Any] = batch.loss_and_gradient(block)[1]
    return found


def test_a_full_batch_refuses_what_does_not_fit() -> None:
    batch, nobody = core.FullBatch(models(), rows(), False, 1), np.empty(0, np.int32)
    with pytest.raises(ValueError, match=r"`active` must have shape \(1,\)"):
        batch.loss_and_gradient(parameters(), np.ones(2, np.bool_))
    with pytest.raises(TypeError):
        batch.loss_and_gradient(parameters(), np.ones(1))
    with pytest.raises(ValueError, match="`parameters` must be C-contiguous and of the batch's type"):
        batch.loss_and_gradient(parameters().astype(np.float64))
    with pytest.raises(ValueError, match="`parameters` must have shape"):
        batch.loss_and_gradient(parameters()[:, 1:].copy())
    with pytest.raises(ValueError, match="at least one row"):
        core.FullBatch(models(), rows(targets=nobody, index=nobody), False, 1)


def test_an_object_that_is_made_anew_leaves_its_sessions_as_they_were() -> None:
    data, few = rows(), rows(seed=1, n=3)
    opened, wanted = session(data), train(session(rows()))
    data.__init__(
        np.zeros((3, D), np.float32), np.zeros(3, np.int32), None, mean=np.zeros(D), inverse_scale=np.ones(D)
    )
    np.testing.assert_array_equal(train(opened), wanted)
    assert core.scores(models(), few, parameters(), 1).shape == (1, 3, K)


def test_what_was_never_initialised_is_refused() -> None:
    empty_rows, empty_models = core.Rows.__new__(core.Rows), core.Models.__new__(core.Models)
    empty_session = core.Session.__new__(core.Session)
    for call in (core.evaluate, core.scores, gradient):
        for given in ((models(), empty_rows), (empty_models, rows())):
            with pytest.raises((RuntimeError, TypeError)):
                call(*given, parameters(), 1)
    for attempt in (
        lambda: session(empty_rows),
        lambda: session(rows(), [empty_rows]),
        lambda: core.Session(empty_models, rows(), 10, [], False, 1, None),
        lambda: empty_session.evaluate(parameters(), False),
        lambda: train(empty_session),
        lambda: core.FullBatch.__new__(core.FullBatch).loss_and_gradient(parameters()),
    ):
        with pytest.raises((RuntimeError, TypeError)):
            attempt()


def test_there_is_at_least_one_model() -> None:
    with pytest.raises(ValueError, match="one or more models, got none"):
        models(m=0)


@pytest.mark.parametrize(
    "sizes", [[2**31, 2**31], [2**62, 2], [1, 2**62], [2**62, 1, 2**62], [3, 2**40, 2**40]]
)
def test_networks_that_nothing_can_address_are_refused(sizes: list[int]) -> None:
    hidden = len(sizes) - 2
    with pytest.raises(MemoryError, match="cannot be addressed"):
        models(sizes=np.array(sizes), activations=["relu"] * hidden, activation_numbers=np.zeros((1, hidden)))


def test_batches_that_nothing_can_address_are_refused() -> None:
    with pytest.raises(MemoryError):
        train(session(rows(), most_rows=2**62))


@pytest.mark.parametrize("count", [-1, 2**63 - 1])
def test_a_count_of_updates_that_would_overflow_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="`updates` must be from 0"):
        train(session(rows()), updates=np.array([count]))


@pytest.mark.parametrize(
    "starts", [[], [1, 10], [0, 10, 10], [0, 20, 10], [0, 11], [0, 2**63 - 1, -(2**63)], [[0, 10]]]
)
def test_batches_follow_each_other(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="`starts`"):
        train(session(rows()), starts=np.array(starts, dtype=np.int64))


@pytest.mark.parametrize("place", [-1, N, 2**31 - 1])
def test_rows_that_are_not_there_are_refused(place: int) -> None:
    indices = np.arange(N, dtype=np.int32)
    indices[7] = place
    with pytest.raises(ValueError, match="`row_indices` must name rows below 40"):
        train(session(rows()), row_indices=indices)
    with pytest.raises(ValueError, match="`index` must name rows below 40"):
        rows(index=indices)


@pytest.mark.parametrize("name", ["X", "targets", "weight", "mean", "inverse_scale", "index"])
def test_rows_of_unaligned_arrays_are_refused(name: str) -> None:
    whole = {
        "X": np.ones((N, D), dtype=np.float32),
        "targets": np.zeros(N, dtype=np.int32),
        "weight": np.ones(N),
        "mean": np.zeros(D),
        "inverse_scale": np.ones(D),
        "index": np.arange(N, dtype=np.int32),
    }
    rows(**whole)
    with pytest.raises(ValueError, match=f"`{name}` must be aligned"):
        rows(**whole | {name: unaligned(whole[name])})


@pytest.mark.parametrize("name", ["sizes", "l2"])
def test_models_of_unaligned_arrays_are_refused(name: str) -> None:
    whole = {"sizes": np.array([D, K]), "l2": np.ones(1)}
    with pytest.raises(ValueError, match=f"`{name}` must be aligned"):
        models(**{name: unaligned(whole[name])})


@pytest.mark.parametrize("name", ["row_indices", "starts", "parameters", "updates"])
def test_sessions_refuse_unaligned_arrays(name: str) -> None:
    whole = {
        "row_indices": np.arange(N, dtype=np.int32),
        "starts": np.arange(0, N + 1, 10),
        "parameters": parameters(),
        "updates": np.zeros(1, dtype=np.int64),
    }
    opened = session(rows(), [rows()])
    with pytest.raises(ValueError, match=f"`{name}` must be aligned"):
        train(opened, **{name: unaligned(whole[name])})


def test_calls_refuse_unaligned_arrays() -> None:
    block = unaligned(parameters())
    for call in (core.evaluate, core.scores, gradient):
        with pytest.raises(ValueError, match="`parameters` must be aligned"):
            call(models(), rows(), block, 1)
    with pytest.raises(ValueError, match="`parameters` must be aligned"):
        session(rows(), [rows()]).evaluate(block, False)
    with pytest.raises(ValueError, match="`words` must be aligned"):
        core.sort(unaligned(np.arange(9, dtype=np.uint64)))


def dropping(m: int = 1, **other: Any) -> Any:
    """Return models that drop half of their inputs."""
    given = {"limits": np.zeros((m, 1), dtype=np.int32), "scales": np.full((m, 1), 2.0)} | other
    return models(m, dropout=(given["limits"], given["scales"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limits": np.zeros((2, 2), dtype=np.int32)}, "`limits` must have shape"),
        ({"scales": np.ones((1, 1))}, "`scales` must have shape"),
        ({"limits": np.array([[0], [1]], dtype=np.int32)}, "of the inputs must be the same for all models"),
        ({"scales": np.array([[1.0], [2.0]])}, "of the inputs must be the same for all models"),
    ],
)
def test_dropout_of_another_shape_or_of_other_inputs_is_refused(given: Any, message: str) -> None:
    dropping(2)
    with pytest.raises(ValueError, match=message):
        dropping(2, **given)


def test_keys_go_with_dropout() -> None:
    keys = np.zeros((N // 10, 1), dtype=np.uint64)
    opened = core.Session(dropping(), rows(), 10, [], False, 1, None)
    with pytest.raises(ValueError, match="`drop_keys` go with `dropout`"):
        train(opened)
    with pytest.raises(ValueError, match="`drop_keys` must have shape"):
        train(opened, drop_keys=keys[:-1])
    with pytest.raises(ValueError, match="`drop_keys` go with `dropout`"):
        train(session(rows()), drop_keys=keys)
    assert (train(opened, drop_keys=keys) != train(session(rows()))).any()


@pytest.mark.parametrize(
    "ends", [[], [[1, 2]], [0, N // 10], [2, 2, N // 10], [3, 1, N // 10], [1], [N // 10, 99]]
)
def test_parts_end_in_order_at_the_last_update(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="`part_ends` must"):
        train(session(rows()), part_ends=np.array(ends, dtype=np.int64))


STARTS = np.arange(0, 2 * N + 1, 2, dtype=np.int64)
INPUTS = np.tile([1, 4], N).astype(np.int32)
VALUES = np.random.default_rng(0).random(2 * N, dtype=np.float32)


def sparse_rows(**other: Any) -> Any:
    given = {"values": VALUES.copy(), "starts": STARTS.copy(), "inputs": INPUTS.copy(), "d": D}
    return core.SparseX(**given | other)


def changed(array: Any, place: int, value: int) -> Any:
    new = array.copy()
    new[place] = value
    return new


@pytest.mark.parametrize(
    "other, message",
    [
        ({"starts": STARTS[1:]}, "`starts` must go from 0 to the number of elements"),
        ({"starts": STARTS[:-1]}, "`starts` must go from 0 to the number of elements"),
        ({"starts": STARTS[:0]}, "`starts` must go from 0 to the number of elements"),
        ({"starts": changed(STARTS, 3, 2**40)}, "`starts` must not fall"),
        ({"starts": changed(STARTS, 3, -1)}, "`starts` must not fall"),
        ({"starts": STARTS.astype(np.float64)}, "`starts` must be C-contiguous int32 or int64, got float64"),
        ({"starts": STARTS[:, None]}, "`starts` must have 1 dimension, got 2"),
        ({"inputs": changed(INPUTS, 5, D)}, "`inputs` must rise within row 2 and be below 6, got 6"),
        ({"inputs": changed(INPUTS, 4, -1)}, "`inputs` must rise within row 2 and be below 6, got -1"),
        ({"inputs": changed(INPUTS, 5, 1)}, "`inputs` must rise within row 2 and be below 6, got 1"),
        (
            {"inputs": changed(INPUTS.astype(np.int64), 5, 2**33)},
            "`inputs` has 8589934592, which is too large",
        ),
        ({"inputs": np.repeat(INPUTS, 2)[::2]}, "`inputs` must be C-contiguous"),
        ({"inputs": INPUTS[:-1]}, "`values` and `inputs` must be as many"),
        ({"values": np.repeat(VALUES, 2)[::2]}, "`values` must lie one after the other"),
        ({"values": VALUES[:, None]}, "`values` must lie one after the other"),
        ({"values": VALUES.astype(np.int64)}, "`X` must be uint8, float32 or float64"),
        ({"d": 0}, "`d` must be from 1 to"),
        ({"d": 2**31}, "`d` must be from 1 to"),
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sparse_rows(**other)


def test_arrays_that_change_are_read_as_they_were_checked() -> None:
    starts, inputs = STARTS.copy(), INPUTS.copy()
    wanted = train(session(rows(X=sparse_rows())))
    X = sparse_rows(starts=starts, inputs=inputs)
    starts[:], inputs[:] = 2**60, 2_000_000_000
    np.testing.assert_array_equal(train(session(rows(X=X))), wanted)
    values = VALUES.copy()
    X = sparse_rows(values=values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of assigning a shape
        values.shape = (1, len(values))
    np.testing.assert_array_equal(train(session(rows(X=X))), wanted)


def test_rows_made_anew_leave_their_sessions_as_they_were() -> None:
    X = sparse_rows()
    opened, wanted = session(rows(X=X)), train(session(rows(X=sparse_rows())))
    X.__init__(VALUES[:0], np.zeros(2, np.int64), INPUTS[:0], 1)
    np.testing.assert_array_equal(train(opened), wanted)


@pytest.mark.parametrize(
    "other, message",
    [
        ({"mean": np.ones(D)}, "`mean` of sparse rows must be 0"),
        ({"mean": np.zeros(D + 1)}, "`mean` must have shape"),
        ({"targets": np.zeros(N - 1, np.int32)}, "`targets` must have shape"),
        ({"index": np.full(N, N, np.int32)}, "`index` must name rows below 40, got 40"),
        ({"X": None}, "incompatible constructor arguments"),
        ({"X": core.SparseX.__new__(core.SparseX)}, "non-held"),
    ],
    ids=["mean", "means", "targets", "index", "none", "empty"],
)
def test_rows_that_do_not_fit_are_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message):
        rows(**{"X": sparse_rows()} | other)


def test_sparse_rows_have_the_scores_of_dense_ones() -> None:
    X = np.zeros((N, D), np.float32)
    X[np.arange(N).repeat(2), INPUTS] = VALUES
    block = parameters() + np.arange((D + 1) * K, dtype=np.float32)
    found, wanted = (core.scores(models(), rows(X=each), block, 2) for each in (sparse_rows(), X))
    np.testing.assert_array_equal(found, wanted)
