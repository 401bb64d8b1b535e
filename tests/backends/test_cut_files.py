"""A file that is cut while its rows are read is an error, and never the end of the process."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradstep as gs
from cases import Case
from gradstep.backends import Backend
from gradstep.errors import InvalidDataError
from gradstep.plan.mapped import MappedRows
from gradstep.plan.rows import TrainingData

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere a file that is mapped cannot be cut")

CASE = Case("any", n=300, d=200, hidden=(5,), batch_size=50, epochs=2, dtype="uint8")
PAGE = mmap.ALLOCATIONGRANULARITY


def mapped(path: Path, offset: int = 0) -> TrainingData:
    """Return the case's data with rows that lie in a file behind so many bytes."""
    data = CASE.data(precision="float32")
    path.write_bytes(b"?" * offset + data.X.tobytes())
    return replace(data, X=np.memmap(path, np.uint8, "r", offset, data.X.shape))


def test_rows_of_a_file_train_as_rows_in_memory(backend: Backend, tmp_path: Path) -> None:
    blocks = []
    for data in (CASE.data(precision="float32"), mapped(tmp_path / "X", 77)):
        state = CASE.state("float32")
        backend.session(CASE.plan(), data).train(state, 0, CASE.updates)
        blocks.append(state.parameters)
    np.testing.assert_array_equal(*blocks)


def test_every_call_finds_that_the_file_was_cut(backend: Backend, tmp_path: Path) -> None:
    data, state, per_epoch = mapped(tmp_path / "X"), CASE.state("float32"), CASE.updates // CASE.epochs
    session = backend.session(CASE.plan(), data, [data])
    session.train(state, 0, per_epoch)
    session.evaluate(state.parameters)
    os.truncate(tmp_path / "X", 40 * 200 + 3)
    calls: list[Any] = [
        lambda: session.train(state, per_epoch, CASE.updates),
        lambda: session.evaluate(state.parameters),
        lambda: backend.evaluate(CASE.objective, data, state.parameters),
        lambda: backend.scores(CASE.objective, data, state.parameters),
        lambda: backend.loss_and_gradient(CASE.objective, data, state.parameters),
    ]
    for call in calls:
        with pytest.raises(
            InvalidDataError, match=r"row 40 ends beyond the end of .*X, which has 8003 bytes"
        ):
            call()


@pytest.mark.parametrize("view", [slice(None), slice(10, 20), slice(None, None, 3)])
@pytest.mark.parametrize("offset", [0, 77, PAGE, 3 * PAGE + 5])
def test_it_is_known_which_bytes_rows_are(tmp_path: Path, offset: int, view: slice) -> None:
    data = mapped(tmp_path / "X", offset)
    for X in (data.X[view], np.asarray(data.X)[view], data.X.view(np.ndarray)[view, 5:9]):
        found = MappedRows.of(X)
        assert found is not None
        assert Path(found.name).name == "X"
        with (tmp_path / "X").open("rb") as file:
            file.seek(found.start)
            assert file.read(X.shape[1]) == X[0].tobytes()
            file.seek(found.end - X.shape[1])
            assert file.read(X.shape[1]) == X[-1].tobytes()
        found.require_whole()


def test_arrays_in_memory_have_no_file() -> None:
    shared = np.frombuffer(mmap.mmap(-1, PAGE), np.uint8).reshape(4, -1)
    for X in (
        np.zeros((3, 2)),
        np.zeros((3, 2))[1:],
        np.frombuffer(bytearray(6), np.uint8).reshape(3, 2),
        shared,
    ):
        assert MappedRows.of(X) is None


def _cut_rows(path: Path) -> tuple[Any, npt.NDArray[np.uint8]]:
    core = pytest.importorskip("gradstep._core")
    X = mapped(path).X
    rows = core.Rows(X, np.zeros(300, np.int32), None, np.zeros(200), np.ones(200), mapped=True)
    os.truncate(path, 2 * PAGE)
    return rows, X


def test_the_core_survives_pages_that_are_missing(tmp_path: Path) -> None:
    """As where the file is cut while a call runs: nobody looked at its length before."""
    core = pytest.importorskip("gradstep._core")
    sizes, kind = np.array([200, 3]), core.names()["losses"]["softmax"][1]
    models = core.Models(
        core.isas()[0], sizes, np.zeros(1), "softmax", np.zeros((1, kind)), [], np.zeros((1, 0)), "descent"
    )
    block = np.zeros((1, 201 * 3), np.float32)

    def gradient(models: Any, rows: Any, block: npt.NDArray[Any], n_threads: int) -> None:
        core.FullBatch(models, rows, False, n_threads).loss_and_gradient(block)

    for place, call in enumerate((core.evaluate, core.scores, gradient)):
        for n_threads in (1, 2):
            rows, _ = _cut_rows(tmp_path / f"{place}{n_threads}")
            with pytest.raises(core.RowsLostError):
                call(models, rows, block, n_threads)
            # What is missing reads as zeros from then on, and the core has told it.
            call(models, rows, block, n_threads)
    rows, X = _cut_rows(tmp_path / "session")
    session = core.Session(models, rows, 50, [rows], False, 2, None)
    with pytest.raises(core.RowsLostError):
        session.evaluate(block, False)
    assert not np.asarray(X)[-1].any()
    rows, X = _cut_rows(tmp_path / "sums")
    with pytest.raises(core.RowsLostError):
        core.sums_of_bytes(X, 2, True)


def test_an_estimator_tells_it_and_keeps_its_last_model(tmp_path: Path) -> None:
    data = mapped(tmp_path / "X")

    def cut(trainer: gs.Trainer, row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            os.truncate(tmp_path / "X", 0)

    trainer = gs.Trainer(epochs=5, batch_size=50, random_state=0, callbacks=[cut])
    with pytest.raises(InvalidDataError, match="row 0 ends beyond the end of"):
        trainer.fit(data.X, data.targets)
    assert trainer.status_ == "interrupted"
    assert trainer.history_["epoch"].tolist() == [1, 2]
