"""Arrays on the command line: images, test rows of their own, and files that stay on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradstep as gs
from gradstep import cli

pytestmark = pytest.mark.usefixtures("numpy_backend")

QUICK = ("--epochs", "2", "--quiet", "--random-state", "0")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: Capture, *words: str) -> dict[str, Any]:
    """Run a command, and return what it writes as JSON."""
    assert cli.main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: Capture, *words: str) -> str:
    """Run a command that is a mistake, and return what is said about it."""
    assert cli.main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def photos(n: int = 90) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images (n, 8, 10, 3) whose class is their colour."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    X = rng.integers(0, 60, (n, 8, 10, 3)).astype(np.uint8)
    X[np.arange(n), :, :, y] += 120
    return X, y


@pytest.mark.parametrize("said", [(), ("--channels", "last"), ("--image-shape", "3", "8", "10")])
def test_photos_with_channels_last(capsys: Capture, said: tuple[str, ...]) -> None:
    X, y = photos()
    np.savez("photos.npz", X=X, y=y)
    words = ("--augment", "flip", "--test", "30", "--report", "r.html", "--save", "m", "--epochs", "10")
    found = run(capsys, "train", "--data", "photos.npz", *QUICK, *words, *said)
    assert found["metrics"]["test"]["accuracy"] == 1
    assert ("images of 8 x 10 x 3 values, channels last (--channels)" in found["data"]["notes"]) is (
        said == ()
    )
    assert found["settings"]["augment"]["image_shape"] == [3, 8, 10]
    assert "What the first layer looks at" in Path("r.html").read_text(encoding="utf-8")
    found = run(capsys, "evaluate", "m", "photos.npz", *said)
    model = gs.Trainer.load("m")
    assert found["metrics"]["accuracy"] == model.score(X.transpose(0, 3, 1, 2).reshape(len(X), -1), y)


def test_photos_that_may_be_either_way_round_are_asked_about(capsys: Capture) -> None:
    np.savez("a.npz", X=np.ones((4, 3, 8, 3)), y=[0, 1, 0, 1])
    told = refused(capsys, "train", "--data", "a.npz")
    assert "--channels first or --channels last says which" in told


@pytest.mark.parametrize("form", [np.uint8, np.float32])
def test_arrays_of_keras(capsys: Capture, form: Any) -> None:
    X, y = photos()
    np.savez(
        "k.npz", x_train=X[:60], y_train=y[:60, None].astype(form), x_test=X[60:], y_test=y[60:].astype(form)
    )
    keys = ("--x-key", "x_train", "--y-key", "y_train")
    found = run(capsys, "train", "--data", "k.npz", *keys, *QUICK)
    assert found["data"]["rows"] == {"train": 51, "validation": 9, "test": 30}
    assert "the 30 rows of 'x_test' and 'y_test' are the test rows" in found["data"]["notes"]
    said = ("--x-test-key", "x_test", "--y-test-key", "y_test")
    assert run(capsys, "train", "--data", "k.npz", *keys, *said, *QUICK)["metrics"] == found["metrics"]
    held = run(capsys, "train", "--data", "k.npz", *keys, "--test", "6", *QUICK)
    assert held["data"]["rows"]["test"] == 6


def test_a_second_file_is_the_test_set(capsys: Capture) -> None:
    X, y = photos()
    np.savez("a.npz", X=X[:60], y=y[:60])
    np.savez("b.npz", X=X[60:], y=y[60:])
    found = run(capsys, "train", "--data", "a.npz", "--test", "b.npz", *QUICK)
    assert found["data"]["rows"] == {"train": 51, "validation": 9, "test": 30}
    told = refused(capsys, "train", "--data", "a.npz", "--test", "gone.npz")
    assert "--test must be an existing file, got 'gone.npz'" in told
    np.savez("ids.npz", X=np.ones((60, 2)), y=np.arange(60))
    told = refused(capsys, "train", "--data", "ids.npz")
    assert "are of rows held out alone: --task regression is for measurements, --validation none" in told


def test_what_is_asked_about_names_its_option(capsys: Capture) -> None:
    np.savez("a.npz", data=np.ones((4, 2)), labels=[0, 1, 0, 1])
    assert "error: --x-key must be a key of a.npz, got 'X'; it has data, labels" in refused(
        capsys, "train", "--data", "a.npz"
    )
    words = ("train", "--data", "a.npz", "--x-key", "data")
    assert "error: --y-key must be a key of a.npz, got 'y'" in refused(capsys, *words)
    told = refused(capsys, *words, "--y-key", "labels", "--max-bytes", "10")
    assert "error: --max-bytes must be at least 96 to read the arrays of a.npz" in told
    assert "--max-bytes 96 reads them" in told
    np.savez("a.npz", X=np.ones((40, 2)), y=np.arange(40) / 7)
    assert "--task regression is for measurements" in refused(capsys, "train", "--data", "a.npz")


def test_npy_files_stay_where_they_are(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = photos(80)
    np.save("X.npy", X.reshape(80, -1).astype(np.float32))
    np.save("y.npy", y)
    seen = []
    load = gs.datasets.load_npy
    monkeypatch.setattr(gs.datasets, "load_npy", lambda *a, **k: seen.append(load(*a, **k)) or seen[-1])
    words = ("train", "--data", "X.npy", "--labels", "y.npy", "--validation", "10", "--test", "20", *QUICK)
    found = run(capsys, *words, "--save", "m")
    assert found["data"]["rows"] == {"train": 50, "validation": 10, "test": 20}
    assert "test rows: the last 20 of the file (--copy draws them)" in found["data"]["notes"]
    (data,) = seen
    assert isinstance(data.train.X.base, np.memmap) or isinstance(data.train.X, np.memmap)
    model = gs.Trainer(epochs=2, random_state=0).fit(data.train.X, data.train.y)
    assert found["metrics"]["test"]["accuracy"] == model.score(data.test.X, data.test.y)
    found = run(capsys, "evaluate", "m", "X.npy", "--labels", "y.npy")
    assert found["metrics"]["accuracy"] == model.score(X.reshape(80, -1), y)
    assert cli.main(["predict", "m", "X.npy"]) == 0
    answers = capsys.readouterr().out.split()[1:]
    assert answers == model.predict(X.reshape(80, -1)).astype(str).tolist()
    found = run(capsys, *words, "--copy")
    assert found["data"]["notes"] == []


def test_mistakes_with_npy_files(capsys: Capture) -> None:
    np.save("X.npy", np.arange(90.0)[:, None])
    np.save("y.npy", np.repeat([0, 1, 2], 30))
    assert "--labels must name the .npy file with the classes" in refused(capsys, "train", "--data", "X.npy")
    words = ("train", "--data", "X.npy", "--labels")
    assert "--labels must be an existing file, got 'gone.npy'" in refused(capsys, *words, "gone.npy")
    assert "--labels must lie in a home folder" in refused(capsys, *words, "~nobodyhere/y.npy")
    told = refused(capsys, *words, "y.npy", "--test", "30")
    assert (
        "y.npy is sorted: its 30 last rows, for --test, alone have the class 2. --copy draws the rows" in told
    )
    assert "--labels names the same file" in refused(capsys, *words, "y.npy", "--save", "y.npy")
    assert "--labels goes with .npy, got --data digits" in refused(
        capsys, "train", "--data", "digits", "--labels", "y.npy"
    )


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.csv"])
def test_a_home_that_is_not_there(capsys: Capture, name: str) -> None:
    told = refused(capsys, "train", "--data", f"~nobodyhere/{name}", "--report", "r.html")
    assert f"--data must lie in a home folder that can be found, got '~nobodyhere/{name}'" in told


@pytest.mark.parametrize("command", [("train",), ("sweep", "--param", "l2=0,0.1")])
def test_a_report_draws_images_of_any_number_of_channels(
    capsys: Capture, here: Path, command: tuple[str, ...]
) -> None:
    """Two or four channels are grey pictures one below the other."""
    X, y = photos()
    np.savez("four.npz", X=np.concatenate([X, X[..., :1]], axis=3), y=y)
    run(capsys, *command, "--data", "four.npz", *QUICK, "--report", "r.html")
    page = (here / "r.html").read_text("utf-8")
    assert page.count('width="10" height="32" src="data:image/png') == 3
