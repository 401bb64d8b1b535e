"""One's own arrays, and what else a file of that name may hold."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradstep.datasets import load_csv, load_npz
from gradstep.errors import CorruptFileError, DatasetNotFoundError, InvalidDataError, InvalidParameterError


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
        ({"X": [[1], [2]], "y": [["a", "b"], ["b", "a"]]}, {}, "of shape (2, 2)"),
        (
            {"X": [[1], [2]], "y": [np.nan, 1]},
            {},
            "got float64 with values that are not whole: `task=regression",
        ),
        (
            {"X": np.ones((30, 1)), "y": np.arange(30.0)},
            {},
            "with 30 different values: `task=regression` is for",
        ),
        ({"X": [[1], [2]], "y": [b"a", b"\xff"]}, {}, "UTF-8 text where labels are bytes"),
        (
            {"X": np.ones((9, 1)), "y": range(9)},
            {"test": 3},
            "has so many different labels that some, as 1, are of rows held out alone: `task=regression`",
        ),
        ({"X": np.ones((5, 3, 8, 3)), "y": range(5)}, {}, "`channels=first` or `channels=last` says which"),
        ({"X": np.ones((5, 8, 8, 2)), "y": range(5)}, {}, "`channels=first` or `channels=last` says which"),
        (
            {"X": np.ones((5, 8, 8, 2)), "y": range(5)},
            {"channels": "last", "image_shape": (8, 8, 2)},
            "`image_shape` of load_npz must be (channels, height, width) of the 128 values",
        ),
        (
            {"X": np.ones((5, 6)), "y": range(5)},
            {"channels": "last", "image_shape": (3, 2, 2)},
            "of the 6 values",
        ),
        ({"X": [[1]], "y": [1], "Z": [[1, 2]]}, {"X_test": "Z", "y_test": "y"}, "of 1 values, got 2"),
        ({"X": [[1]], "y": [1], "z": [2]}, {"X_test": "X", "y_test": "z"}, "must have the labels of that"),
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


# Images, whichever way round


def _photos(shape: tuple[int, ...] = (6, 5, 7, 3)) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("stored", "choices"),
    [
        (lambda photos: photos, {}),
        (lambda photos: photos, {"channels": "last"}),
        (lambda photos: photos, {"image_shape": (3, 5, 7)}),
        (lambda photos: photos.reshape(6, -1), {"channels": "last", "image_shape": (3, 5, 7)}),
        (lambda photos: photos.transpose(0, 3, 1, 2), {}),
        (lambda photos: photos.transpose(0, 3, 1, 2), {"channels": "first"}),
        (lambda photos: photos.transpose(0, 3, 1, 2).reshape(6, -1), {"image_shape": (3, 5, 7)}),
        (np.asfortranarray, {}),
    ],
    ids=["last", "last said", "last by shape", "last as rows", "first", "first said", "first as rows", "F"],
)
def test_a_row_has_one_channel_after_the_other(tmp_path: Path, stored: Any, choices: Any) -> None:
    photos = _photos()
    np.savez(tmp_path / "a.npz", X=stored(photos), y=np.arange(6) % 2)
    data = load_npz(tmp_path / "a.npz", **choices)
    assert data.train.image_shape == (3, 5, 7)
    for row, photo in zip(data.train.X, photos, strict=True):
        for channel in range(3):
            np.testing.assert_array_equal(row.reshape(3, 5, 7)[channel], photo[:, :, channel])


def test_channels_that_are_a_guess_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=_photos(), y=np.arange(6) % 2)
    assert load_npz(tmp_path / "a.npz").notes == ("images of 5 x 7 x 3 values, channels last (`channels`)",)
    assert load_npz(tmp_path / "a.npz", channels="last").notes == ()
    with pytest.raises(
        InvalidParameterError, match="`channels` of load_npz must be None or one of 'first', 'l"
    ):
        load_npz(tmp_path / "a.npz", channels="middle")


@pytest.mark.parametrize("channels", [None, "first", "last"])
@pytest.mark.parametrize(
    "shape", [(5, 7), (3, 5, 7, 1), (3.0, 5, 7), (0, 5, 7), [3, 5, 7], 105, "3x5x7", (3, 7, 5)]
)
def test_what_is_no_shape_of_these_images(tmp_path: Path, shape: Any, channels: Any) -> None:
    X = _photos() if channels == "last" else _photos().transpose(0, 3, 1, 2)
    for form in (X, X.reshape(6, -1)):
        np.savez(tmp_path / "a.npz", X=form, y=np.arange(6) % 2)
        if shape != (3, 7, 5) or (form.ndim == 4 and channels is not None):
            with pytest.raises(InvalidDataError, match="`image_shape` of load_npz must be"):
                load_npz(tmp_path / "a.npz", image_shape=shape, channels=channels)


def test_channels_last_of_rows_need_their_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=_photos().reshape(6, -1), y=np.arange(6) % 2)
    with pytest.raises(
        InvalidParameterError, match="`channels` of load_npz must be given with `image_shape`"
    ):
        load_npz(tmp_path / "a.npz", channels="last")


# Labels and test rows as other tools save them


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.arange(8)[:, None] % 3, np.arange(8) % 3),
        (np.arange(8.0) % 3, np.arange(8) % 3),
        (np.arange(8, dtype=np.float32)[:, None] % 2, np.arange(8) % 2),
        (np.array(list("abababab"))[:, None], np.array(list("abababab"))),
        (np.array(["\u00e9".encode(), b"b"] * 4), np.array(["\u00e9", "b"] * 4)),
    ],
    ids=["column", "floats", "column of floats", "column of strings", "bytes"],
)
def test_labels_as_other_tools_save_them(tmp_path: Path, stored: Any, expected: Any) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(8)[:, None], y=stored)
    data = load_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.train.y, expected)
    assert data.train.y.dtype == expected.dtype
    assert len(data.class_names) == len(np.unique(expected))
    assert [note.startswith("whole numbers of type float") for note in data.notes] == [True] * (
        stored.dtype.kind == "f"
    )


def test_a_column_of_values_stays_a_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.arange(4)[:, None], y=np.arange(4.0)[:, None])
    assert load_npz(tmp_path / "a.npz", task="regression").train.y.shape == (4, 1)


def _keras() -> dict[str, Any]:
    x = np.arange(48).reshape(12, 4)
    return {"x_train": x[:8], "y_train": np.arange(8) % 2, "x_test": x[8:], "y_test": np.arange(4) % 2}


@pytest.mark.parametrize("said", [{}, {"X_test": "x_test", "y_test": "y_test"}])
def test_test_rows_of_their_own(tmp_path: Path, said: Any) -> None:
    np.savez(tmp_path / "a.npz", **_keras())
    data = load_npz(tmp_path / "a.npz", "x_train", "y_train", validation=2, **said)
    assert data.test is not None
    assert data.validation is not None
    np.testing.assert_array_equal(data.test.X, _keras()["x_test"])
    np.testing.assert_array_equal(data.test.y, _keras()["y_test"])
    assert (len(data.train), len(data.validation)) == (6, 2)
    assert data.notes == ("the 4 rows of 'x_test' and 'y_test' are the test rows",)


def test_rows_of_another_file(tmp_path: Path) -> None:
    X, y = np.arange(24).reshape(12, 2), np.arange(12) % 3
    np.savez(tmp_path / "a.npz", X=X[:6], y=y[:6])
    np.savez(tmp_path / "b.npz", X=X[6:], y=y[6:].astype(float)[:, None])
    data = load_npz(tmp_path / "a.npz", test=tmp_path / "b.npz", validation=str(tmp_path / "a.npz"))
    assert data.test is not None
    assert data.validation is not None
    np.testing.assert_array_equal(data.test.X, X[6:])
    np.testing.assert_array_equal(data.test.y, y[6:])
    np.testing.assert_array_equal(data.validation.X, data.train.X)
    np.savez(tmp_path / "b.npz", X=X[6:, :1], y=y[6:])
    with pytest.raises(
        InvalidDataError, match=r"of .*b\.npz must have rows as those to train on, of 2 values"
    ):
        load_npz(tmp_path / "a.npz", test=tmp_path / "b.npz")
    with pytest.raises(DatasetNotFoundError, match="`test` of load_npz must be an existing file"):
        load_npz(tmp_path / "a.npz", test=tmp_path / "gone.npz")


def test_test_rows_are_held_out_where_that_is_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **_keras())
    data = load_npz(tmp_path / "a.npz", "x_train", "y_train", test=2)
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (6, 2)
    with pytest.raises(
        InvalidParameterError, match="`test` of load_npz must be None with `X_test` and `y_tes"
    ):
        load_npz(tmp_path / "a.npz", "x_train", "y_train", test=2, X_test="x_test", y_test="y_test")
    with pytest.raises(InvalidParameterError, match="`X_test` of load_npz must be given with `y_test`"):
        load_npz(tmp_path / "a.npz", "x_train", "y_train", X_test="x_test")


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


def test_npz_arrays_that_nobody_asked_for_are_told(tmp_path: Path) -> None:
    X, y = np.zeros((20, 2)), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", X=X, y=y, X_test=X, names=["p", "q"])
    assert load_npz(tmp_path / "a.npz", feature_names="names").notes == (
        "arrays that are not read: ['X_test'] (`X_test` and `y_test` name test rows)",
    )
    np.savez(tmp_path / "b.npz", X=X, y=y, extra=y)
    assert load_npz(tmp_path / "b.npz").notes == ("arrays that are not read: ['extra']",)
    np.savez(tmp_path / "c.npz", X=X, y=y)
    assert load_npz(tmp_path / "c.npz").notes == ()


@pytest.mark.parametrize("shape", [(20,), (20, 2)])
def test_npz_values_that_are_not_finite_are_named_by_their_row_of_the_file(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    y = np.ones(shape)
    y[13] = np.nan
    np.savez(tmp_path / "a.npz", X=np.zeros((20, 2)), y=y)
    with pytest.raises(InvalidDataError, match=r"'y' of .*a.npz must hold finite numbers, got .* in row 13"):
        load_npz(tmp_path / "a.npz", task="regression", validation=5, test=5)


@pytest.mark.parametrize(("classes", "told"), [(20, False), (21, True)])
def test_many_integers_may_be_values(tmp_path: Path, classes: int, told: bool) -> None:
    note = "21 different integers are taken as classes (`task=regression` takes values)"
    y = np.arange(200) % classes
    np.savez(tmp_path / "a.npz", X=np.zeros((200, 2)), y=y)
    assert load_npz(tmp_path / "a.npz").notes == (note,) * told
    assert load_npz(tmp_path / "a.npz", task="regression").notes == ()
    (tmp_path / "a.csv").write_text("a,b,y\n" + "".join(f"{i % 7},{i % 3},{i}\n" for i in y))
    assert load_csv(tmp_path / "a.csv", "y").notes == (note,) * told
    assert load_csv(tmp_path / "a.csv", "y", task="classification").notes == ()
