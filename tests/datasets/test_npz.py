"""One's own arrays, and what else a file of that name may hold."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradstep.datasets import load_npz
from gradstep.errors import CorruptFileError, InvalidDataError


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(tmp_path: Path, compressed: bool) -> None:
    X, y = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array(["b", "a", "b", "a"])
    file = tmp_path / "own.npz"
    (np.savez_compressed if compressed else np.savez)(file, data=X, label=y, names=["p", "q", "r"])
    data = load_npz(file, X="data", y="label", feature_names="names", test=2)
    assert data.test is not None
    np.testing.assert_array_equal(np.sort(np.vstack([data.train.X, data.test.X]), axis=0), X)
    assert data.train.X.dtype == np.uint8
    assert sorted(data.train.y) == sorted(data.test.y) == ["a", "b"]
    assert data.class_names == ("a", "b")
    assert data.feature_names == ("p", "q", "r")
    assert data.name == "own"


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_npz_of_real_values(tmp_path: Path, shape: tuple[int, ...]) -> None:
    y = np.arange(np.prod(shape)).reshape(shape)
    np.savez(tmp_path / "a.npz", X=np.zeros((20, 2)), y=y)
    data = load_npz(tmp_path / "a.npz", task="regression", test=5, validation=5)
    assert data.test is not None
    assert data.validation is not None
    parts = [data.train.y, data.validation.y, data.test.y]
    assert [len(part) for part in parts] == [10, 5, 5]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts), axis=0), y)
    assert {part.dtype for part in parts} == {np.dtype("float64")}
    assert data.class_names == ()


def test_npz_of_indicators(tmp_path: Path) -> None:
    y = np.arange(60).reshape(20, 3) % 2 == 0
    np.savez(tmp_path / "a.npz", X=np.arange(20.0)[:, None], y=y)
    data = load_npz(tmp_path / "a.npz", test=5)
    assert data.test is not None
    assert data.train.y.shape == (15, 3)
    for rows in (data.train, data.test):
        np.testing.assert_array_equal(rows.y, y[rows.X[:, 0].astype(int)])
    assert data.train.y.dtype == np.int64
    assert data.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("shape", "image_shape"), [((5, 2, 3), (1, 2, 3)), ((5, 3, 2, 2), (3, 2, 2)), ((5, 6), None)]
)
def test_npz_images(tmp_path: Path, shape: tuple[int, ...], image_shape: tuple[int, int, int] | None) -> None:
    X = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.savez(tmp_path / "a.npz", X=X, y=np.arange(5))
    data = load_npz(tmp_path / "a.npz")
    assert data.train.image_shape == image_shape
    np.testing.assert_array_equal(data.train.X, X.reshape(5, -1))


@pytest.mark.parametrize(
    ("arrays", "choices", "message"),
    [
        ({"a": [1], "b": [2]}, {}, "`X` of load_npz must be a key of FILE, got 'X'; it has a, b"),
        ({"X": [[1]]}, {}, "`y` of load_npz must be a key of FILE, got 'y'; it has X"),
        ({}, {}, "got 'X'; it has none"),
        ({"X": [[1]], "y": [1]}, {"feature_names": "f"}, "`feature_names` of load_npz must be a key"),
        ({"X": [1], "y": [1]}, {}, "array 'X' of FILE must hold numbers of shape (n, d)"),
        ({"X": [["1"]], "y": [1]}, {}, "got <U1 of shape (1, 1)"),
        ({"X": [[1j]], "y": [1]}, {}, "got complex128"),
        ({"X": np.zeros((0, 2)), "y": []}, {}, "of shape (0, 2)"),
        (
            {"X": [[1], [2]], "y": [1]},
            {},
            "array 'y' of FILE must hold 2 integers or strings, or indicators (2, k) of 0 and 1, "
            "got int64 of shape (1,)",
        ),
        (
            {"X": [[1], [2]], "y": [0.5, 1]},
            {},
            "must hold 2 integers or strings, or indicators (2, k) of 0 and 1",
        ),
        ({"X": [[1], [2]], "y": [[0, 1], [2, 0]]}, {}, "of 0 and 1, got int64 of shape (2, 2)"),
        ({"X": [[1], [2]], "y": [["a"], ["b"]]}, {}, "of shape (2, 1)"),
        (
            {"X": [[1], [2]], "y": [1]},
            {"task": "regression"},
            "real numbers of shape (2,) or (2, k), got int64",
        ),
        ({"X": [[1], [2]], "y": ["a", "b"]}, {"task": "regression"}, "must hold real numbers"),
        ({"X": [[1], [2]], "y": [[], []]}, {"task": "regression"}, "of shape (2, 0)"),
        (
            {"X": [[1, 2]], "y": [1], "f": ["p"]},
            {"feature_names": "f"},
            "array 'f' of FILE must name 2 columns, got 1",
        ),
        ({"X": [[1, 2]], "y": [1]}, {"image_shape": (1, 1, 3)}, "`image_shape` must be"),
    ],
)
def test_npz_bad_content(tmp_path: Path, arrays: Any, choices: Any, message: str) -> None:
    file = tmp_path / "bad.npz"
    file.write_bytes(_npz(**arrays))
    with pytest.raises(InvalidDataError) as caught:
        load_npz(file, **choices)
    assert message.replace("FILE", str(file)) in str(caught.value)


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


def test_npz_that_needs_pickle_is_refused_and_nothing_is_run(tmp_path: Path) -> None:
    trap = _Trap(tmp_path / "trap")
    (tmp_path / "objects.npz").write_bytes(_npz(X=np.array([[trap]], dtype=object), y=[1]))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(trap))
    with zipfile.ZipFile(tmp_path / "member.npz", "w") as archive:
        archive.writestr("X", pickle.dumps(trap))
        archive.writestr("y", b"")
    for file in tmp_path.glob("*.npz"):
        with pytest.raises(CorruptFileError):
            load_npz(file)
    assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap))  # the trap works where pickle reads it
    assert trap.path.exists()


def test_npz_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 2)))
    good = _npz(X=[[1]], y=[1])
    for data in (b"", stream.getvalue(), good[: len(good) // 2]):
        file.write_bytes(data)
        with pytest.raises(
            CorruptFileError, match=r"must be an \.npz file of plain arrays, but it cannot be read"
        ):
            load_npz(file)


def test_npz_whose_header_announces_more_than_there_is(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        data, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**10)}
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("X.npy", data.getvalue())
        archive.writestr("y.npy", data.getvalue())
    with pytest.raises(CorruptFileError, match=r"must be an \.npz file of plain arrays"):
        load_npz(file)


GOOD = _npz(X=np.arange(6.0).reshape(3, 2), y=[0, 1, 2])


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_altered_npz_gives_a_data_set_or_a_clear_error(tmp_path: Path, place: int, new: bytes) -> None:
    file = tmp_path / "a.npz"
    file.write_bytes(GOOD[:place] + new + GOOD[place + len(new) :])
    with contextlib.suppress(CorruptFileError, InvalidDataError):
        load_npz(file)
