"""What a training goes on from, in a file: whole, or refused."""

from __future__ import annotations

import os

import numpy as np
import pytest

import gradstep as gs
from gradstep.storage import checkpoints
from model_files import X, Y, forged, put, refused, tensor, trainer


@pytest.fixture(scope="module")
def resumable(tmp_path_factory):
    path = tmp_path_factory.mktemp("resumable") / "a.model"
    model = trainer(
        optimizer="adam",
        epochs=6,
        early_stopping=gs.EarlyStopping("train_loss", patience=20, min_delta=0.01),
        learning_rate=gs.schedules.ReduceOnPlateau(0.01, patience=1, monitor="train_accuracy"),
    ).fit(X, Y)
    model.save(path, resumable=True)
    return path.read_bytes()


def test_it_is_read_as_it_was_written(resumable, tmp_path):
    (tmp_path / "a.model").write_bytes(resumable)
    first = gs.load_model(tmp_path / "a.model")
    first.save(tmp_path / "b.model", resumable=True)
    assert (tmp_path / "b.model").read_bytes() == resumable
    checkpoint = first.result().checkpoint
    assert (checkpoint.update, checkpoint.epoch, checkpoint.run.epochs) == (
        first.history_["update"][-1],
        6,
        6,
    )
    assert checkpoint.slots.shape == (2, checkpoint.parameters.size)
    assert checkpoint.best.row == first.history_.rows[first.n_iter_ - 1]


def test_weights_that_are_equal_are_there_once(tmp_path):
    model = trainer(epochs=2).fit(X, Y)
    checkpoint = model.result().checkpoint
    assert checkpoint.parameters is model.result().fitted.block
    assert checkpoints.arrays_of(model.result()) == {}
    model.save(tmp_path / "a.model", resumable=True)
    loaded = gs.load_model(tmp_path / "a.model").result()
    assert loaded.checkpoint.parameters is loaded.fitted.block


def test_truncation_at_every_tenth_byte(resumable, scratch):
    scratch.write_bytes(resumable)
    for length in reversed(range(0, len(resumable), 10)):
        os.truncate(scratch, length)
        refused(scratch)


FORGERIES = [
    (put("checkpoint", to=None), "it has unknown tensors"),
    (put("checkpoint", to=3), "'int'|int"),
    (put("checkpoint", "seed", to=-1), "'seed' must be >= 0"),
    (put("checkpoint", "seed", to=2**32), "'seed' must be <= 4294967295"),
    (put("checkpoint", "epochs", to=0), "'epochs' must be >= 1"),
    (put("checkpoint", "update", to=0), "'update' must be >= 1"),
    (put("checkpoint", "update", to=2**70), "'update' must be <= "),
    (put("checkpoint", "update", to=1.5), "'update' must be of type int"),
    (put("checkpoint", "epoch", to="3"), "'epoch' must be of type int"),
    (put("checkpoint", "agreed", to=[]), "'agreed' must be of type dict"),
    (put("checkpoint", "agreed", to={"l2": 0.5}), "'agreed' must have texts"),
    (put("checkpoint", "data", to=7), "'data' must be of type str"),
    (put("checkpoint", "slots", to=1), "'state/slots' must be float32 of shape"),
    (put("checkpoint", "slots", to=0), "unknown tensors: state/slots"),
    (put("checkpoint", "has_parameters", to=1), "'has_parameters' must be of type bool"),
    (put("checkpoint", "best", to=[]), "list indices"),
    (put("checkpoint", "best", "row", to=6), "'row' must be < 6, got 6"),
    (put("checkpoint", "best", "parameters", to="all"), "must be None, 'model' or 'own', got 'all'"),
    (put("checkpoint", "best", "column", to="loss"), "'column' must be"),
    (put("checkpoint", "best", "column", to="train_f1"), "has no column 'train_f1'"),
    (put("checkpoint", "best", "value", to="low"), "could not convert"),
    (put("checkpoint", "best", "since", to=-1), "'since' must be >= 0"),
    (put("checkpoint", "plateau", "rate", to=-0.5), "a rate >= 0"),
    (put("checkpoint", "plateau", "rule", to={"schedule": "Constant", "value": 1.0}), "must have a rule"),
    (tensor("state/slots", lambda slots: slots * np.nan), "'state/slots' must be finite"),
    (tensor("state/slots", lambda slots: slots[:, 1:]), "'state/slots' must be float32 of shape"),
]


@pytest.mark.parametrize(("change", "message"), FORGERIES, ids=[message for _, message in FORGERIES])
def test_forged_files(scratch, resumable, change, message):
    refused(scratch, forged(resumable, change), message)


WEIGHTS = [
    ({"classes": [[0, 1], [1]]}, "pairs of class and weight"),
    ({"classes": [[[0], 1]]}, "pairs of class and weight"),
    ({"weights": []}, "pairs of class and weight"),
    ({"classes": [["a", -1]]}, "`class_weight` of Trainer must be"),
    ([1], "`class_weight` of Trainer must be"),
    ("heavy", "`class_weight` of Trainer must be"),
]


@pytest.mark.parametrize(("encoded", "message"), WEIGHTS, ids=str)
def test_forged_class_weights(scratch, content, encoded, message):
    refused(scratch, forged(content, put("params", "class_weight", to=encoded)), message)
