"""Rows whose elements cannot be counted in 32 bits, and batches that do not fit in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradstep as gs
from cases import train
from gradstep.backends import Backend
from gradstep.nn.losses import Softmax
from gradstep.nn.optimizers import SGD
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import RowOrder
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData, as_rows, prepare
from gradstep.plan.standardization import Standardization

N, D, LAST = 1_100_000, 4096, 64


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Return rows of 4.5e9 bytes, of a file with a hole: only the last ones hold anything."""
    path: Path = tmp_path_factory.mktemp("rows") / "X"
    rows = np.memmap(path, np.uint8, "w+", shape=(N, D))
    rows[-LAST:] = np.random.default_rng(0).integers(256, size=(LAST, D))
    return rows


def data_of(rows: np.ndarray) -> TrainingData:
    y = np.zeros(len(rows), dtype=np.int32)
    y[-LAST:] = np.arange(LAST) % 3
    return prepare(rows, y, None, Standardization(np.full(D, 128.0), np.full(D, 74.0)))


def plan_of(n: int) -> Plan:
    rates = np.full((1, -(-n // 32)), 1e-3)
    objective = Objective.alike(Layers((D, 3)), Softmax(), (), np.zeros(1))
    return Plan(objective, (SGD(),), 32, RowOrder(n, False, 0), rates)


def test_rows_beyond_2_to_the_32_elements_are_found(backend: Backend, far: np.ndarray) -> None:
    assert far.size > 2**32
    states = []
    for rows in (far, np.array(far[-LAST:])):
        state = State.start(np.full((1, 3 * (D + 1)), 1e-3, dtype=np.float32))
        plan = plan_of(len(rows))
        updates = plan.learning_rate.shape[1]
        state.updates[:] = updates - 2
        train(backend, plan, data_of(rows), state, updates - 2, updates, n_threads=2)
        states.append(state.parameters)
    assert not (states[0] == states[0][0, 0]).all()
    np.testing.assert_array_equal(*states)


def test_rows_that_lie_on_each_other_are_read_there(backend: Backend) -> None:
    row = np.arange(D, dtype=np.uint8)
    rows = np.broadcast_to(row, (N, D))
    assert as_rows(rows) is rows
    states = []
    for data in (data_of(rows), data_of(np.array(rows[: 2 * LAST]))):
        states.append(State.start(np.zeros((1, 3 * (D + 1)), dtype=np.float32)))
        train(backend, plan_of(data.n), data, states[-1], 0, 2)
    assert states[0].parameters.any()
    np.testing.assert_array_equal(states[0].parameters, states[1].parameters)


def test_a_batch_that_does_not_fit_in_memory_is_an_error_in_bytes(backend: Backend) -> None:
    n, d = 2_000_000, 1 << 16
    rows = np.broadcast_to(np.zeros(d, dtype=np.uint8), (n, d))
    trainer = gs.Trainer(batch_size=n, epochs=1, standardize=False, backend=backend.name)
    with pytest.raises(MemoryError, match=r"\d+ bytes|\d+\.? [GT]iB") as caught:
        trainer.fit(rows, np.arange(n) % 2)
    assert "`batch_size` of Trainer must leave work arrays" in str(caught.value)
    assert "got 2000000 rows of a network 65536-2" in str(caught.value)
