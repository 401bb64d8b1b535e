"""save and load: nothing is lost, and an old file survives a failed save."""

import dataclasses
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas
import pytest

import gradstep as gs
from gradstep.datasets.schema import CategoryColumn, NumberColumn, Schema
from gradstep.errors import CorruptFileError, InvalidDataError
from gradstep.nn.augment import Augment
from gradstep.nn.initializers import Initializer
from gradstep.nn.metrics import Metric
from gradstep.nn.schedules import Schedule
from gradstep.plan.targets import Labels
from gradstep.training.status import Status
from members import ACTIVATIONS, LOSSES, OPTIMIZERS, concept_id, own_members
from model_files import X, Y, regressor, trainer

NAMES = np.array(["setosa", "versicolor", "virginica"])

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
    {"metrics": ["f1"], "optimizer": "adam", "activation": "tanh", "hidden": (3,)},
    {"activation": ("selu", gs.activations.LeakyRelu(np.float32(0.25))), "hidden": (3, 2)},
    {"loss": gs.losses.Softmax(np.float32(0.125)), "optimizer": gs.optimizers.Adam(np.float32(0.5))},
    {"augment": gs.augment.HorizontalFlip(np.float32(0.25), (2, 2))},
    {
        "augment": gs.augment.Compose(
            [gs.augment.HorizontalFlip(), gs.augment.Translate(1, "edge")], (1, 2, 2)
        )
    },
    {"init": gs.Normal(np.float32(0.5), seed=np.int16(3))},
    {"init": gs.He(seed=4), "hidden": (5,)},
    {"init": gs.Xavier()},
    {"clip_norm": np.float32(0.25), "clip_value": 2, "average": "last_epochs"},
    {"average": gs.averaging.EMA(np.float32(0.75)), "optimizer": "adam"},
    {"learning_rate": np.float32(0.25), "batch_size": np.int16(9), "hidden": [np.int64(3)]},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "+".join(settings) or "defaults")
def test_nothing_is_lost(settings, tmp_path):
    model = trainer(**settings).fit(X, Y, eval_set=(X, Y))
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    wanted = model.get_params() | {"hidden": tuple(model.hidden), "metrics": tuple(model.metrics)}
    assert copy.get_params() == wanted
    for array, other in zip(model.coefs_ + model.intercepts_, copy.coefs_ + copy.intercepts_, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(model.decision_function(X), copy.decision_function(X))
    np.testing.assert_array_equal(model.predict_proba(X), copy.predict_proba(X))
    assert dict(copy.evaluate(X, Y)) == dict(model.evaluate(X, Y))
    for name, column in dict(model.history_).items():
        np.testing.assert_array_equal(copy.history_[name], column)
    learned = ("n_features_in_", "n_iter_", "batch_size_", "backend_", "interrupted_", "status_")
    learned += ("n_threads_", "updates_per_epoch_")
    assert [getattr(copy, name) for name in learned] == [getattr(model, name) for name in learned]
    np.testing.assert_array_equal(copy.fit(X, Y).coefs_[0], model.coefs_[0])


def assert_same_file(model, tmp_path):
    """Save a model, and hold what is read from the file to it, bit by bit."""
    model.save(tmp_path / "model")
    copy = type(model).load(tmp_path / "model")
    for array, other in zip(model.coefs_ + model.intercepts_, copy.coefs_ + copy.intercepts_, strict=True):
        assert array.tobytes() == other.tobytes()
    assert model.predict(X).tobytes() == copy.predict(X).tobytes()
    assert copy.history_.keys() == model.history_.keys()
    for name, column in dict(model.history_).items():
        np.testing.assert_array_equal(copy.history_[name], column)
    assert copy.get_params(deep=False) == model.get_params(deep=False)
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def targets_of(loss):
    if loss.takes == "labels":
        return Y
    return np.eye(3)[Y] if loss.takes == "indicators" else X[:, :2] + Y[:, None]


@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_every_loss_comes_back(loss, tmp_path):
    make = regressor if loss.takes == "values" else trainer
    assert_same_file(make(loss=loss, hidden=(3,)).fit(X, targets_of(loss)), tmp_path)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=concept_id)
def test_every_activation_comes_back(activation, tmp_path):
    assert_same_file(trainer(activation=activation, hidden=(4, 3)).fit(X, Y), tmp_path)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=concept_id)
def test_every_optimizer_comes_back(optimizer, tmp_path):
    assert_same_file(trainer(optimizer=optimizer).fit(X, Y), tmp_path)
    assert_same_file(regressor(optimizer=optimizer).fit(X, Y), tmp_path)


@pytest.mark.parametrize("one_axis", [True, False])
@pytest.mark.parametrize("standardize_targets", [True, False])
def test_a_regressor_answers_in_its_units(one_axis, standardize_targets, tmp_path):
    y = 1000 * X[:, 0] if one_axis else 1000 * X[:, :2]
    model = regressor(standardize_targets=standardize_targets, metrics=("r2",)).fit(X, y, eval_set=(X, y))
    assert_same_file(model, tmp_path)
    copy = gs.Regressor.load(tmp_path / "model")
    assert copy.predict(X).shape == y.shape
    assert dict(copy.evaluate(X, y)) == dict(model.evaluate(X, y))
    np.testing.assert_array_equal(copy.fit(X, y).coefs_[0], model.coefs_[0])


def test_a_file_is_of_one_class(tmp_path):
    trainer().fit(X, Y).save(tmp_path / "trainer")
    regressor().fit(X, Y).save(tmp_path / "regressor")
    with pytest.raises(CorruptFileError, match="it is a model of 'Trainer', not of Regressor"):
        gs.Regressor.load(tmp_path / "trainer")
    with pytest.raises(CorruptFileError, match="it is a model of 'Regressor', not of Trainer"):
        gs.Trainer.load(tmp_path / "regressor")


def test_every_status_comes_back(tmp_path):
    for callback, status in ((print, Status.COMPLETED), (lambda *_: True, Status.EARLY_STOPPED)):
        model = trainer(callbacks=(callback,)).fit(X, Y)
        model.save(tmp_path / "model")
        assert gs.Trainer.load(tmp_path / "model").status_ is model.status_ is status


@pytest.mark.parametrize("family", [Schedule, Augment, Initializer, Metric], ids=lambda family: family.family)
def test_every_member_of_the_other_families_can_be_told_by_its_name(family):
    for member in own_members(family):
        assert family._members[member.__name__] is member


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
    labels = np.empty(len(Y), dtype=object)
    labels[:] = [(label,) for label in Y.tolist()]
    model = trainer().fit(X, Y)
    odd = dataclasses.replace(model.result().fitted, targets=Labels(np.unique(labels)))
    model.publish(dataclasses.replace(model.result(), fitted=odd))
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


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        gs.Trainer.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        trainer().fit(X, Y).save(tmp_path / "no" / "folder")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices with a name are POSIX")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    kinds = {tmp_path / "pipe": "a pipe", tmp_path: "a folder", "/dev/zero": "a device"}
    for path, kind in kinds.items():
        with pytest.raises(OSError, match=f"it is {kind}, not a file"):
            gs.Trainer.load(path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    (tmp_path / "model").write_bytes(b"old")
    model = trainer(init=gs.Normal(1e39))
    with pytest.raises(gs.errors.DivergedError), np.errstate(over="ignore"):
        model.fit(X, Y)
    with pytest.raises(InvalidDataError, match=r"cannot be saved, .*: its tensor 'W0' must be finite"):
        model.save(tmp_path / "model")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_bytes() == b"old"


def nested(depth):
    step = gs.augment.HorizontalFlip()
    for _ in range(depth):
        step = gs.augment.Compose([step])
    return step


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"l2": -1}, "`l2` of Trainer must be >= 0, got -1"),
        ({"epochs": 0}, "`epochs` of Trainer must be >= 1"),
        ({"init": {1, 2}}, "a file cannot hold what it has"),
        ({"augment": nested(30)}, "its header is nested .* deep"),
        ({"augment": nested(200)}, "recursion depth"),
    ],
    ids=["l2", "epochs", "init", "nested", "nested deeply"],
)
def test_what_load_would_refuse_is_not_saved(wrong, message, tmp_path):
    with pytest.raises(InvalidDataError, match=message):
        trainer().fit(X, Y).set_params(**wrong).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_one_long_name_of_a_class_among_many(tmp_path):
    """An array that gives every label the room of the longest would be a hundred times what is in it."""
    labels = np.array([*map(str, range(499)), "x" * 5000])[np.arange(1500) % 500]
    model = trainer(epochs=1, backend="numpy").fit(np.arange(1500.0)[:, None], labels)
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.classes_.tolist() == model.classes_.tolist()
    assert (tmp_path / "model").stat().st_size < 100_000


@pytest.mark.parametrize("kind", [str, object])
def test_names_that_cannot_be_encoded(kind, tmp_path):
    """Names of files that are not UTF-8 become lone surrogates; NumPy drops a NUL at the end of a string."""
    names = np.array(["a\udce9", "b\x00c", "\x1b[31md"], dtype=kind)
    columns = ["\ud800", "\x00", "\x1b", "ok"]
    model = trainer().fit(pandas.DataFrame(X, columns=columns), names[Y])
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.classes_.tolist() == model.classes_.tolist() == sorted(names.tolist())
    assert copy.feature_names_in_.tolist() == columns


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


def test_a_model_of_any_class(tmp_path):
    trainer().fit(X, Y).save(tmp_path / "classes")
    regressor().fit(X, Y * 1.5).save(tmp_path / "values")
    assert type(gs.load_model(tmp_path / "classes")) is gs.Trainer
    found = gs.load_model(tmp_path / "values")
    assert type(found) is gs.Regressor
    np.testing.assert_array_equal(found.predict(X), gs.Regressor.load(tmp_path / "values").predict(X))
    with pytest.raises(CorruptFileError, match="it is a model of 'Regressor', not of Trainer"):
        gs.Trainer.load(tmp_path / "values")


def test_the_schema_of_a_table_is_kept(tmp_path):
    columns = (NumberColumn("age", 41.0), CategoryColumn("plan", ("", "basic", "plus")))
    schema = Schema(columns, "left", ("a", "b", "c"))
    model = trainer().fit(X, Y)
    assert model.result().fitted.schema is None
    model.publish(with_schema(model.result(), schema))
    model.save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").result().fitted.schema == schema


def with_schema(result, schema):
    return dataclasses.replace(result, fitted=dataclasses.replace(result.fitted, schema=schema))
