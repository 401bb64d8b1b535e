"""Arrays in .npy files: mapped, and cut without a copy."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradstep as gs
from gradstep.datasets import load_npy
from gradstep.errors import CorruptFileError, DatasetNotFoundError, InvalidDataError, InvalidParameterError


def _save(folder: Path, X: Any, y: Any) -> tuple[Path, Path]:
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return folder / "X.npy", folder / "y.npy"


def _is_mapped(array: Any) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.mark.parametrize("shape", [(40, 6), (40, 2, 3), (40, 3, 2, 2), (40, 1, 2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_parts_lie_one_after_the_other_where_the_file_lies(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    X = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    files = _save(tmp_path, X, np.arange(40) % 2)
    choices = {"channels": "first"} if len(shape) == 4 else {}
    data = load_npy(*files, validation=0.25, test=6, **choices)
    assert data.validation is not None
    assert data.test is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [24, 10, 6]
    parts = [data.train, data.validation, data.test]
    np.testing.assert_array_equal(np.vstack([part.X for part in parts]), X.reshape(40, -1))
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), np.arange(40) % 2)
    assert all(_is_mapped(part.X) for part in parts)
    assert not data.train.X.flags.writeable
    assert data.name == "X"
    assert data.notes == (
        "validation rows: those before the last 10 of the file (`copy` draws them)",
        "test rows: the last 6 of the file (`copy` draws them)",
    )


def test_what_is_trained_is_what_the_array_trains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)).astype(np.float32), rng.integers(0, 3, 60)
    data = load_npy(*_save(tmp_path, X, y), test=20)
    settings = {"epochs": 3, "random_state": 0, "backend": "numpy"}
    model = gs.Trainer(**settings).fit(data.train.X, data.train.y)
    other = gs.Trainer(**settings).fit(X[:40], y[:40])
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize(
    ("X", "told"),
    [
        (np.ones((8, 2), dtype=np.int64), "of type <i8, row by row"),
        (np.ones((8, 2), dtype=">f4"), "of type >f4, row by row"),
        (np.ones((8, 2), order="F"), "of type <f8, not row by row"),
    ],
    ids=["int64", "big-endian", "by columns"],
)
def test_what_will_be_copied_is_told(tmp_path: Path, X: Any, told: str) -> None:
    (note,) = load_npy(*_save(tmp_path, X, np.arange(8) % 2)).notes
    assert note.startswith(f"training copies these rows into memory: {told};")


def test_images_with_channels_last_are_brought_into_order(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 256, (10, 6, 5, 3)).astype(np.uint8)
    data = load_npy(*_save(tmp_path, X, np.arange(10) % 2))
    assert data.train.image_shape == (3, 6, 5)
    np.testing.assert_array_equal(data.train.X.reshape(10, 3, 6, 5), X.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    "sizes, told", [([30, 30, 30], "alone have the class 2"), ([70, 60], "lack the class 0")]
)
def test_a_sorted_file_is_refused_or_drawn_from(tmp_path: Path, sizes: list[int], told: str) -> None:
    y = np.repeat(np.arange(len(sizes)), sizes)
    files = _save(tmp_path, np.arange(float(len(y)))[:, None], y)
    with pytest.raises(InvalidDataError, match=f"{told}.*`copy=True` draws the rows"):
        load_npy(*files, test=40 if len(sizes) == 2 else 30)
    data = load_npy(*files, test=30, copy=True)
    assert data.test is not None
    drawn = data.test.X[:, 0].astype(int)
    np.testing.assert_array_equal(data.test.y, y[drawn])
    assert np.ptp(np.bincount(data.test.y) * 1.0 / np.array(sizes)) < 0.05
    assert sorted([*drawn, *data.train.X[:, 0]]) == list(range(len(y)))
    assert not _is_mapped(data.train.X)


def test_real_values(tmp_path: Path) -> None:
    y = np.arange(20) / 7
    data = load_npy(*_save(tmp_path, np.ones((20, 2)), y), task="regression", validation=5)
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.y, y[15:])
    assert data.class_names == ()


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones(3), np.arange(3), "X.npy must hold numbers of shape"),
        (np.ones((0, 3)), np.arange(0), "of shape \\(0, 3\\)"),
        (np.ones((3, 2)), np.arange(4), "y.npy must hold 3 integers or strings"),
        (np.array([["a"]]), np.arange(1), "got <U1"),
    ],
)
def test_bad_content(tmp_path: Path, X: Any, y: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        load_npy(*_save(tmp_path, X, y))


def test_bad_parameters(tmp_path: Path) -> None:
    files = _save(tmp_path, np.ones((4, 2)), np.arange(4) % 2)
    with pytest.raises(DatasetNotFoundError, match="`y` of load_npy must be an existing file"):
        load_npy(files[0], tmp_path / "gone.npy")
    with pytest.raises(InvalidParameterError, match="must leave rows to train on, got 2 \\+ 2 of 4 rows"):
        load_npy(*files, validation=2, test=2)
    with pytest.raises(InvalidParameterError, match="`copy` of load_npy must be True or False"):
        load_npy(*files, copy="yes")  # type: ignore[arg-type]


def _content(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


GOOD = _content(np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", GOOD[:-1], GOOD + b"\0", GOOD[:50], _content(np.array([None, 1], dtype=object))],
    ids=["empty", "zip", "short", "long", "half a header", "objects"],
)
@pytest.mark.parametrize("which", ["X", "y"])
def test_damage(tmp_path: Path, which: str, content: bytes) -> None:
    files = _save(tmp_path, np.arange(12.0).reshape(4, 3), np.arange(4) % 2)
    (tmp_path / f"{which}.npy").write_bytes(content)
    with pytest.raises(CorruptFileError, match=rf"{which}\.npy must be an \.npy file of a plain array, but"):
        load_npy(*files)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_alteration_gives_a_data_set_or_a_clear_error(tmp_path: Path, place: int, new: bytes) -> None:
    files = _save(tmp_path, np.arange(12.0).reshape(4, 3), np.arange(4) % 2)
    files[0].write_bytes(GOOD[:place] + new + GOOD[place + len(new) :])
    with contextlib.suppress(CorruptFileError, InvalidDataError):
        load_npy(*files)
