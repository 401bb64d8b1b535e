"""What all tasks of a search need: one file, mapped by all; and files that are only named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import gradstep as gs
from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.search.engines import parcels
from gradstep.search.engines.parcels import ParcelMissing, pack
from scattering_engine import ScatteringEngine
from sweep_cases import X, Y, trainer


def test_a_value_comes_out_as_it_was_and_its_arrays_are_the_file(tmp_path: Path) -> None:
    value: dict[str, Any] = {
        "large": np.random.default_rng(0).normal(size=(300, 40)),
        "other": np.arange(90_000, dtype=np.uint8).reshape(300, 300),
        "small": np.arange(3),
        "sparse": sparse.random(2000, 300, 0.1, format="csr", random_state=0),
        "columns": np.asfortranarray(np.arange(60_000.0).reshape(300, 200)),
        "words": ["a", None, 3.5],
    }
    parcel = pack(value, tmp_path, "`executor` of Sweep")
    found = parcel.open()
    assert parcel.open() is found
    for name in ("large", "other", "small", "columns"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].flags.f_contiguous == value[name].flags.f_contiguous
    assert not found["large"].flags.writeable
    assert found["large"].ctypes.data % 4096 == 0
    np.testing.assert_array_equal(found["sparse"].toarray(), value["sparse"].toarray())
    assert found["words"] == value["words"]
    arrays = sum(value[name].nbytes for name in ("large", "other", "columns")) + 12 * value["sparse"].nnz
    (file,) = tmp_path.iterdir()
    assert arrays < file.stat().st_size < arrays + 50_000
    # What is sent with every task is its name.
    assert len(pickle.dumps(parcel)) < 500
    parcel.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ParcelMissing, match="Set TMPDIR to a folder that all share"):
        parcel.open()


def test_bytes_will_do_where_the_file_is_not(tmp_path: Path) -> None:
    parcel = pack({"rows": X}, tmp_path, "it")
    content = parcel.read()
    parcel.remove()
    parcels.receive(parcel.key, content)
    np.testing.assert_array_equal(parcel.open()["rows"], X)
    assert not parcel.should_stop()
    parcels.stop(parcel.key)
    assert parcel.should_stop()
    parcels.forget(parcel.key)
    assert not parcel.should_stop()


def test_few_parcels_stay_open(tmp_path: Path) -> None:
    made = [pack([number], tmp_path, "it") for number in range(6)]
    assert [parcel.open() for parcel in made] == [[number] for number in range(6)]
    first = made[0].open()
    assert first == [0]
    assert made[5].open() is made[5].open()


def test_a_mapped_array_is_a_name(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 255, size=(5000, 64), dtype=np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    parcel = pack({"whole": mapped, "part": mapped[100:200, 3:9], "every": mapped[::7]}, tmp_path, "it")
    assert Path(parcel.path).stat().st_size < 20_000
    found = parcel.open()
    np.testing.assert_array_equal(found["whole"], rows)
    np.testing.assert_array_equal(found["part"], rows[100:200, 3:9])
    np.testing.assert_array_equal(found["every"], rows[::7])
    assert not found["whole"].flags.writeable


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    rows = np.zeros((5000, 64), dtype=np.uint8)
    np.save(path, rows)
    parcel = pack(np.load(path, mmap_mode="r"), tmp_path, "it")
    np.save(path, rows[:-1])
    with pytest.raises(ExecutorError, match=r"320,128 bytes, under which name .* of 320,064 bytes"):
        parcel.open()
    rows[-1] = 1
    np.save(path, rows)
    with pytest.raises(ExecutorError, match="has another file, of other bytes"):
        parcel.open()
    path.unlink()
    with pytest.raises(ExecutorError, match=r"cannot read: .* Put it where all workers see it"):
        parcel.open()


def test_what_cannot_be_pickled_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"`executor` of Sweep sends rows, .* cannot be pickled"):
        pack(lambda: 0, tmp_path, "`executor` of Sweep")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["mapped", "memory"])
def test_a_search_sends_rows_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside parameters that go there and back, a slice is a few kilobytes for each model."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = np.tile(X.astype(np.float32), (40, 20))
    np.save(tmp_path / "rows.npy", rows)
    given = np.load(tmp_path / "rows.npy", mmap_mode="r") if kind == "mapped" else rows
    engine, sizes = ScatteringEngine(0), list[int]()

    def look(sweep: gs.Sweep) -> None:
        sizes.extend(file.stat().st_size for file in tmp_path.rglob("*.rows"))

    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1, 0.2, 0.3]}, executor=engine, callbacks=(look,))
    sweep.fit(given, np.tile(Y, 40), eval_set=(rows[:9], Y[:9]))
    assert len(engine.opened) == 1
    assert set(sizes) != set()
    assert (max(sizes) > rows.nbytes) == (kind == "memory")
    state = 4 * sum(block.size for block in (*sweep.best_trainer_.coefs_, *sweep.best_trainer_.intercepts_))
    assert max(max(pair) for pair in engine.sizes) < 4 * (state + 10_000)
