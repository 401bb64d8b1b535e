"""save and load: nothing is lost, nothing altered goes unseen, and an old file survives a failed save."""

import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import numpy as safetensors
from sklearn.datasets import load_iris

import gradstep as gs
from gradstep.errors import CorruptFileError, InvalidDataError

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def trainer(**parameters):
    return gs.Trainer(**{"backend": "numpy", "epochs": 2, "random_state": 0} | parameters)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Return the bytes of a small model file."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    trainer(epochs=1, learning_rate=lambda t: 0.1).fit(X, Y).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch") / "model"


SETTINGS = [
    {},
    {"hidden": (5, 4), "precision": "float64", "l2": 0.01, "batch_size": 7, "shuffle": False},
    {"learning_rate": gs.schedules.CyclicTriangular(1e-3, 1e-1, step_size=3)},
    {"learning_rate": gs.schedules.StepDecay(0.1, factor=0.5, every=2), "init": gs.Normal(0.02)},
    {"learning_rate": gs.schedules.Linear(np.float32(0.1), 0, epochs=np.int8(2))},
    {"learning_rate": gs.schedules.Geometric(1e-3, 1)},
    {"learning_rate": gs.schedules.Cosine(0.1, period=1, factor=2)},
    {"learning_rate": gs.schedules.OneCycle(0.3)},
    {"learning_rate": gs.schedules.Piecewise([0.5, np.int8(2)], [np.float32(0.3), 0.2, 0])},
    {"learning_rate": gs.schedules.ReduceOnPlateau(30.0, 0.5, 1, "running_loss")},
    {"early_stopping": gs.EarlyStopping(monitor="train_loss", patience=3), "evaluate_every": 1},
    {"standardize": False, "init": "xavier", "evaluate_every": None, "n_threads": 2, "verbose": False},
    {"evaluate_every": "running"},
    {"loss": "sigmoid"},
    {"augment": gs.augment.HorizontalFlip(np.float32(0.25), (2, 2))},
    {
        "augment": gs.augment.Compose(
            [gs.augment.HorizontalFlip(), gs.augment.Translate(1, "edge")], (1, 2, 2)
        )
    },
    {"init": gs.Normal(np.float32(0.5), seed=np.int16(3))},
    {"init": gs.He(seed=4), "hidden": (5,)},
    {"init": gs.Xavier()},
    {"learning_rate": np.float32(0.25), "batch_size": np.int16(9), "hidden": [np.int64(3)]},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "+".join(settings) or "defaults")
def test_nothing_is_lost(settings, tmp_path):
    model = trainer(**settings).fit(X, Y, eval_set=(X, Y))
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    wanted = model.get_params() | {"hidden": tuple(model.hidden)}
    assert copy.get_params() == wanted
    for array, other in zip(model.coefs_ + model.intercepts_, copy.coefs_ + copy.intercepts_, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(model.decision_function(X), copy.decision_function(X))
    np.testing.assert_array_equal(model.predict_proba(X), copy.predict_proba(X))
    assert copy.evaluate(X, Y) == model.evaluate(X, Y)
    for name, column in dict(model.history_).items():
        np.testing.assert_array_equal(copy.history_[name], column)
    learned = ("n_features_in_", "n_iter_", "batch_size_", "backend_", "interrupted_")
    assert [getattr(copy, name) for name in learned] == [getattr(model, name) for name in learned]
    np.testing.assert_array_equal(copy.fit(X, Y).coefs_[0], model.coefs_[0])


@pytest.mark.parametrize(
    "labels",
    [
        NAMES[Y],
        NAMES.astype(object)[Y],
        Y > 0,
        Y.astype(np.float32),
        Y.astype(">i2"),
        Y.astype(np.uint64) + 2**63,
    ],
    ids=["strings", "objects", "booleans", "floats", "big-endian", "uint64"],
)
def test_labels_keep_their_type(labels, tmp_path):
    model = trainer().fit(X, labels)
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def test_labels_that_are_odd_strings(tmp_path):
    names = np.array(['"', "\u2603\n", "0" * 64])
    trainer().fit(X, names[Y]).save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").classes_.tolist() == sorted(names)


def test_labels_that_cannot_be_kept(tmp_path):
    model = trainer().fit(X, Y)
    model.classes_ = np.array([(0,), (1,), None], dtype=object)
    with pytest.raises(
        InvalidDataError, match="class labels must be numbers, booleans or strings to be saved"
    ):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_feature_names(tmp_path):
    table = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    trainer().fit(table, Y).save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    copy.predict(table)
    with pytest.raises(ValueError, match="feature names should match"):
        copy.predict(table[["b", "a", "c", "d"]])


def test_a_function_is_kept_as_its_rates(tmp_path):
    model = trainer(learning_rate=lambda t: 0.1 / (t + 1), batch_size=100, callbacks=(print,)).fit(X, Y)
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.learning_rate == gs.schedules.Recorded((0.1, 0.05, 0.1 / 3, 0.025))
    assert copy.callbacks == ()
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    np.testing.assert_array_equal(copy.fit(X, Y).coefs_[0], model.coefs_[0])


def test_a_random_state_object_is_not_kept(tmp_path):
    trainer(random_state=np.random.RandomState(0)).fit(X, Y).save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").random_state is None


def test_a_model_without_any_evaluation(tmp_path):
    model = trainer(learning_rate=1e30, batch_size=10, hidden=(3,))
    with pytest.raises(gs.errors.DivergedError):
        model.fit(X, Y)
    model.save(str(tmp_path / "model"))
    copy = gs.Trainer.load(str(tmp_path / "model"))
    assert len(copy.history_) == 0
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def refused(scratch, content=None, message="is not a whole gradstep model"):
    """Load a file, with this content if any, and expect that it is found to be corrupt."""
    if content is not None:
        scratch.write_bytes(content)
    with pytest.raises(CorruptFileError, match=message) as caught:
        gs.Trainer.load(scratch)
    assert str(scratch) in str(caught.value)


def test_truncation_at_every_byte(scratch, content):
    scratch.write_bytes(content)
    for length in reversed(range(len(content))):
        os.truncate(scratch, length)
        refused(scratch)


def test_every_byte_flipped(scratch, content):
    scratch.write_bytes(content)
    with scratch.open("r+b", buffering=0) as file:
        for place, byte in enumerate(content):
            for value in (byte ^ 1 << place % 8, byte):
                file.seek(place)
                file.write(bytes([value]))
                if value != byte:
                    refused(scratch)
    gs.Trainer.load(scratch)


@given(data=st.data())
def test_any_other_alteration(scratch, content, data):
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    other = data.draw(st.binary(max_size=40))
    if content[start:end] != other:
        refused(scratch, content[:start] + other + content[end:])


@pytest.mark.parametrize(
    "other",
    [b"", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04", safetensors.save({"a": np.ones(3)})],
    ids=["empty", "zeros", "ones", "zip", "other safetensors"],
)
def test_files_of_another_kind(scratch, other):
    refused(scratch, other, "is not a whole gradstep model")


def test_a_header_of_brackets(scratch):
    header = json.dumps({"__metadata__": {"gradstep": "[" * 100_000}}).encode()
    refused(scratch, len(header).to_bytes(8, "little") + header, "header is not that of a gradstep model")


def forged(content, change):
    """Return the file with a change to its header or tensors, and with the right digest."""
    arrays = safetensors.load(bytes(content))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["gradstep"])
    change(header, arrays)
    header["sha256"] = "0" * 64
    blank = safetensors.save(arrays, metadata={"gradstep": json.dumps(header)})
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def test_forging_without_a_change_gives_the_file(content):
    assert forged(content, lambda header, arrays: None) == content


def put(*path, to):
    """Return a change of one entry of the header."""

    def change(header, arrays):
        for step in path[:-1]:
            header = header[step]
        header[path[-1]] = to

    return change


def tensor(name, to):
    """Return a change of one tensor."""

    def change(header, arrays):
        arrays[name] = to(arrays[name]) if callable(to) else to

    return change


FORGERIES = [
    (put("version", to=1), "its format is version 1, this gradstep reads version 4"),
    (put("version", to="1"), "its format is version '1'"),
    (put("params", "l2", to=-1), "`l2` of Trainer must be >= 0, got -1"),
    (put("params", "hidden", to="ab"), "`hidden` of Trainer must be"),
    (put("params", "hidden", to=None), "object is not iterable"),
    (put("params", "backend", to="os.system"), "`backend` of Trainer must be one of"),
    (put("params", "callbacks", to=["print"]), "parameters are not those of Trainer"),
    (put("params", to={}), "parameters are not those of Trainer"),
    (put("params", to=None), "not iterable"),
    (put("params", "init", to={"init": "Normal", "std": -1}), "`std` of Normal must be >= 0"),
    (put("params", "init", to={"init": "Normal", "sdt": 1}), "unexpected keyword"),
    (put("params", "init", to={"init": "He", "seed": -1}), "`seed` of He must be >= 0"),
    (
        put("params", "init", to={"init": "eval"}),
        "must be one of He, Xavier, Normal, got 'eval'",
    ),
    (
        put("params", "augment", to={"augment": "eval"}),
        "must be one of HorizontalFlip, Translate, Compose, got",
    ),
    (put("params", "augment", to={"augment": "Compose"}), "Compose cannot have these parameters"),
    (
        put("params", "augment", to={"augment": "HorizontalFlip", "image_shape": None, "p": 2}),
        "`p` of HorizontalFlip must be <= 1, got 2",
    ),
    (put("params", "early_stopping", to={"patience": 0}), "`patience` of EarlyStopping must be >= 1"),
    (put("params", "learning_rate", to={"schedule": "eval"}), "a schedule must be one of"),
    (put("params", "learning_rate", to={"schedule": "StepDecay", "start": -1}), "StepDecay"),
    (put("params", "learning_rate", to={"schedule": "Cosine", "high": "1"}), "`high` of Cosine must be"),
    (
        put("params", "learning_rate", to={"schedule": "Piecewise", "boundaries": [1], "rates": [1]}),
        "one more",
    ),
    (put("params", "learning_rate", to=0.1), "unknown tensors: learning_rates"),
    (put("sizes", to=[4, 5]), "'W0' must be float32 of shape \\(4, 5\\), got float32 of \\(4, 3\\)"),
    (put("sizes", to=[4]), "layer sizes must be two ints >= 1 or more, got \\[4\\]"),
    (put("sizes", to=[4, -3]), "layer sizes must be"),
    (put("sizes", to=[4, 2, 3]), "'W0' must be"),
    (put("dtype", to="float64"), "'W0' must be float64"),
    (put("dtype", to="int8"), "precision must be float32 or float64"),
    (put("classes", "values", to=[0, 1]), "class labels must be 3 different ones, got 2"),
    (put("classes", "values", to=[0, 1, 1]), "class labels must be 3 different ones"),
    (put("classes", "values", to=["a", "b", "c"]), "class labels do not fit their dtype"),
    (put("classes", "dtype", to="U2000000000"), "class labels are not numbers"),
    (put("classes", "dtype", to="V8"), "class labels are not numbers"),
    (put("classes", to=[]), "list indices must be"),
    (put("feature_names", to=["a"]), "feature names must be 4 strings"),
    (put("feature_names", to=[1, 2, 3, 4]), "feature names must be 4 strings"),
    (put("n_iter", to="many"), "'n_iter' must be of type int"),
    (put("batch_size", to="auto"), "'batch_size' must be of type int"),
    (put("interrupted", to=0), "'interrupted' must be of type bool"),
    (put("backend", to="cuda"), "backend must be one of cpp, numba, numpy, got 'cuda'"),
    (lambda header, arrays: header.pop("n_iter"), "n_iter"),
    (lambda header, arrays: arrays.pop("b0"), "lacks the tensor 'b0'"),
    (lambda header, arrays: arrays.pop("learning_rates"), "lacks the tensor 'learning_rates'"),
    (tensor("W1", np.ones(2)), "unknown tensors: W1"),
    (tensor("W0", lambda W: W * np.nan), "'W0' must be finite"),
    (
        tensor("W0", lambda W: W.T.copy()),
        "'W0' must be float32 of shape \\(4, 3\\), got float32 of \\(3, 4\\)",
    ),
    (tensor("b0", lambda b: b + np.inf), "'b0' must be finite"),
    (tensor("mean", lambda mean: mean.astype(np.float32)), "'mean' must be float64"),
    (tensor("scale", lambda scale: 0 * scale), "'scale' must be > 0"),
    (
        tensor("scale", lambda scale: scale[:2]),
        "'scale' must be float64 of shape \\(4,\\), got float64 of \\(2,\\)",
    ),
    (tensor("history/train_loss", np.ones(7)), "'history/train_loss' must be float64 of shape"),
    (tensor("history/train_loss", lambda a: a * np.inf), "'history/train_loss' must be finite, or NaN"),
    (tensor("history/running_loss", lambda a: a * np.nan), "'history/running_loss' must be finite"),
    (
        tensor("history/update", np.ones((1, 1), np.int64)),
        "'history/update' must be int64 of shape \\(any,\\)",
    ),
    (tensor("learning_rates", lambda rates: -rates), "'learning_rates' must be >= 0"),
]


@pytest.mark.parametrize("change, message", FORGERIES)
def test_forged_files(scratch, content, change, message):
    refused(scratch, forged(content, change), message)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        gs.Trainer.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        trainer().fit(X, Y).save(tmp_path / "no" / "folder")


def test_saving_replaces_a_file_in_one_step(tmp_path, content):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        trainer().fit(X, Y).save(path)
        assert reader.read() == b"old"
    assert gs.Trainer.load(path).n_iter_ == 2
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "model")
    trainer().fit(X, Y).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert gs.Trainer.load(tmp_path / "model").n_iter_ == 2


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_no_trace(step, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    path = tmp_path / "model"
    path.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="Input/output error"):
        trainer().fit(X, Y).save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "model"
    script = """
        import resource, signal, sys
        import numpy as np
        import gradstep as gs

        X = np.arange(40.0).reshape(20, 2)
        model = gs.Trainer(backend="numpy", epochs=1, hidden=(100,)).fit(X, np.arange(20) % 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            model.save(sys.argv[1])
        except OSError as error:
            print("refused:", error)
    """
    path.write_bytes(b"old")
    run = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert re.match(r"refused: .*File too large", result.stdout), result.stderr
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("evaluate_every", ["running", None])
def test_train_figures_are_all_there_or_all_missing(scratch, tmp_path, evaluate_every):
    trainer(evaluate_every="epoch").fit(X, Y).set_params(evaluate_every=evaluate_every).save(tmp_path / "a")
    assert np.isfinite(gs.Trainer.load(tmp_path / "a").history_["train_loss"]).all()
    trainer(evaluate_every=evaluate_every).fit(X, Y).set_params(evaluate_every=2).save(tmp_path / "b")
    assert np.isnan(gs.Trainer.load(tmp_path / "b").history_["train_loss"]).all()
    some = tensor("history/train_loss", lambda column: np.where(np.arange(len(column)) == 1, np.nan, column))
    refused(scratch, forged((tmp_path / "a").read_bytes(), some), "must be finite, or NaN throughout")
