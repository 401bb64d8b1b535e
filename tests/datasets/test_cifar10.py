"""load_cifar10 on files that are there: both versions, every choice of rows, every damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_cifar10 import BATCHES, ROWS, FakeCifar10, batch
from gradstep.datasets import DataSet, load_cifar10
from gradstep.datasets.cifar10 import load_release
from gradstep.datasets.cifar10_files import FileCheck
from gradstep.errors import CorruptFileError, DatasetNotFoundError, InvalidParameterError

FAKE = FakeCifar10.draw()
RELEASE = FAKE.release()


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GRADSTEP_CIFAR10", raising=False)


@pytest.fixture(params=["python", "binary"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with all batches, in either version."""
    return _write(tmp_path / "files", request.param)


def _write(folder: Path, version: str) -> Path:
    return FAKE.write_python(folder) if version == "python" else FAKE.write_binary(folder)


def _load(path: Path | None = None, **choices: Any) -> DataSet:
    choices = {
        "train": "data_batch_1",
        "validation": "data_batch_2",
        "test": True,
        "download": False,
    } | choices
    return load_release(RELEASE, path, **choices)


def _assert_rows(rows: Any, *batches: str) -> None:
    np.testing.assert_array_equal(rows.X, np.concatenate([FAKE.X[name] for name in batches]))
    np.testing.assert_array_equal(rows.y, np.concatenate([FAKE.y[name] for name in batches]))
    assert rows.X.dtype == np.uint8
    assert rows.X.flags.c_contiguous
    assert rows.image_shape == (3, 32, 32)


def test_default_batches(folder: Path) -> None:
    data = _load(folder)
    _assert_rows(data.train, "data_batch_1")
    _assert_rows(data.validation, "data_batch_2")
    _assert_rows(data.test, "test_batch")
    assert data.name == "CIFAR-10"
    assert (data.class_names[0], data.class_names[9]) == ("airplane", "truck")


def test_only_the_batches_that_are_asked_for_are_needed(folder: Path) -> None:
    for file in folder.iterdir():
        if file.stem != "data_batch_4":
            file.unlink()
    data = _load(folder, train="data_batch_4", validation=None, test=False)
    _assert_rows(data.train, "data_batch_4")
    assert data.validation is None
    assert data.test is None


def test_all_batches_with_a_held_out_tail(folder: Path) -> None:
    data = _load(folder, train="all", validation=ROWS + 1)
    whole = _load(folder, train="all", validation=None).train
    _assert_rows(whole, *BATCHES[:5])
    cut = 4 * ROWS - 1
    np.testing.assert_array_equal(data.train.X, whole.X[:cut])
    np.testing.assert_array_equal(data.train.y, whole.y[:cut])
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.X, whole.X[cut:])
    np.testing.assert_array_equal(data.validation.y, whole.y[cut:])


def test_a_share_of_one_batch_is_held_out(folder: Path) -> None:
    data = _load(folder, validation=1 / 3)
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.y, FAKE.y["data_batch_1"][-2:])


@pytest.mark.parametrize("place", ["path", "GRADSTEP_CIFAR10", "GRADSTEP_CACHE"])
@pytest.mark.parametrize("version", ["python", "binary"])
def test_places_to_look_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, version: str) -> None:
    _write(tmp_path / "home" / f"cifar-10-batches-{version[:2] if version == 'python' else 'bin'}", version)
    if place != "path":
        monkeypatch.setenv(place, str(tmp_path / "home"))
    _assert_rows(_load(tmp_path / "home" if place == "path" else None).train, "data_batch_1")


def test_path_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_CIFAR10", str(tmp_path / "nowhere"))
    _assert_rows(_load(FAKE.write_python(tmp_path / "files")).train, "data_batch_1")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"train": "data_batch_6"},
            "`train` of load_cifar10 must be one of data_batch_1, data_batch_2, data_batch_3, "
            "data_batch_4, data_batch_5 or all, got 'data_batch_6'",
        ),
        ({"train": 1}, "or all, got 1"),
        ({"train": "test_batch"}, "got 'test_batch'"),
        ({"validation": "test_batch"}, "`validation` of load_cifar10 must be one of data_batch_1, "),
        ({"train": "data_batch_2"}, "must not be trained on, got 'data_batch_2' with train='data_batch_2'"),
        ({"train": "all"}, "such as validation=1000, or None"),
        (
            {"validation": 0},
            f"None, a number of rows from 1 to {ROWS - 1} or a share of the {ROWS} rows, got 0",
        ),
        ({"validation": ROWS}, f"got {ROWS}"),
        ({"validation": -1}, "got -1"),
        ({"validation": True}, "got True"),
        ({"validation": 1.5}, "got 1.5"),
        ({"validation": float("nan")}, "got nan"),
        ({"validation": 0.999}, "got 0.999"),
        ({"validation": 0.001}, "got 0.001"),
        ({"test": "yes"}, "`test` of load_cifar10 must be True or False, got 'yes'"),
        ({"download": None}, "`download` of load_cifar10 must be True or False, got None"),
    ],
)
def test_bad_parameters(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        _load(**choices)
    assert message in str(caught.value)


def test_a_path_that_is_no_path() -> None:
    with pytest.raises(
        InvalidParameterError, match="`path` of load_cifar10 must be a string or a path, got 5"
    ):
        load_cifar10(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("there", [True, False], ids=["no batches", "no folder"])
def test_a_path_without_batches(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "files"
    if there:
        folder.mkdir()
    with pytest.raises(DatasetNotFoundError) as caught:
        load_cifar10(folder)
    message = str(caught.value)
    assert message.startswith(
        "`path` of load_cifar10 must be a folder with data_batch_1, data_batch_2, test_batch"
    )
    assert repr(str(folder)) in message
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz" in message
    assert "GRADSTEP_CIFAR10" in message


def test_an_environment_variable_without_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_CIFAR10", str(tmp_path))
    with pytest.raises(DatasetNotFoundError, match="environment variable GRADSTEP_CIFAR10 must be a folder"):
        load_cifar10()


def test_an_empty_cache_without_download(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"is not in .*cache, and download=False"):
        load_cifar10(download=False)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_misses_a_file_is_not_overwritten(tmp_path: Path) -> None:
    folder = FAKE.write_python(tmp_path / "cache" / "cifar-10-batches-py")
    (folder / "data_batch_2").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"not all are there\. Delete that folder"):
        _load(download=True)
    assert (folder / "data_batch_1").exists()


@pytest.mark.parametrize("difference", [-1, 1, 3073])
def test_wrong_size(folder: Path, difference: int) -> None:
    file = next(folder.glob("data_batch_1*"))
    data = file.read_bytes() + bytes(3073)
    size = len(data) - 3073
    file.write_bytes(data[: size + difference])
    with pytest.raises(
        CorruptFileError,
        match=f"data_batch_1.* must have {size} bytes, got {size + difference}: it is truncated",
    ):
        _load(folder)


def test_one_changed_byte_is_found_before_the_content_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FAKE.write_python(tmp_path / "files") / "test_batch"
    data = bytearray(file.read_bytes())
    data[2000] ^= 1
    file.write_bytes(data)

    def reader(data: bytes, name: str) -> None:
        assert name.endswith(("data_batch_1", "data_batch_2")), "an altered file was read"
        return original(data, name)

    from gradstep.datasets import cifar10_files

    original = cifar10_files.read_batch
    monkeypatch.setattr(cifar10_files, "read_batch", reader)
    with pytest.raises(
        CorruptFileError, match=r"test_batch must have the SHA-256 [0-9a-f]{64} of the official"
    ):
        _load(tmp_path / "files")


@pytest.mark.parametrize(
    ("X_shape", "labels", "message"),
    [
        ((ROWS, 3071), [0] * ROWS, r"an array `data` of shape \(6, 3072\)"),
        ((ROWS + 1, 3072), [0] * ROWS, "an array `data`"),
        ((ROWS, 3072), [0] * (ROWS - 1), "a list `labels` of 6 numbers"),
        ((ROWS, 3072), [0] * (ROWS - 1) + [10], "labels from 0 to 9 only"),
    ],
)
def test_a_release_with_other_content(
    tmp_path: Path, X_shape: tuple[int, int], labels: list[int], message: str
) -> None:
    import hashlib

    data = batch(np.zeros(X_shape, dtype=np.uint8), labels)
    (tmp_path / "data_batch_1").write_bytes(data)
    files = {"data_batch_1": FileCheck(len(data), hashlib.sha256(data).hexdigest())}
    with pytest.raises(CorruptFileError, match=message):
        load_release(replace(RELEASE, files=files), tmp_path, "data_batch_1", None, False, False)


def test_label_10_in_a_binary_file(tmp_path: Path) -> None:
    file = FAKE.write_binary(tmp_path / "files") / "data_batch_1.bin"
    data = bytearray(file.read_bytes())
    data[3 * 3073] = 10
    file.write_bytes(data)
    with pytest.raises(
        CorruptFileError, match=r"data_batch_1.bin must have labels from 0 to 9, got 10 in record 3"
    ):
        _load(tmp_path / "files")


@pytest.mark.cifar10
def test_official_files(cifar10_folder: Path) -> None:
    data = load_cifar10(cifar10_folder, train="data_batch_5", validation=1000)
    assert (len(data.train), len(data.validation or ()), len(data.test or ())) == (9000, 1000, 10000)
    assert data.test is not None
    np.testing.assert_array_equal(np.bincount(data.test.y), [1000] * 10)
    assert data.train.X.shape[1] == 3072
