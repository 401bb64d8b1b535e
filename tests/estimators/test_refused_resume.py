"""What `resume` does not go on from, or ends in: told, and the model stays what it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import gradstep as gs
from gradstep import optimizers
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from makers import HERE, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)) * [1, 5, 0.3, 1, 1, 2] + 1
Y = np.array(["ash", "elm", "oak"])[(X @ RNG.normal(size=(6, 3))).argmax(axis=1)]
HELD = (X[:40] + 0.3 * RNG.normal(size=(40, 6)), Y[:40])
WEIGHT = RNG.random(90)
names = pytest.mark.parametrize("name", HERE)


OTHER_ROWS = {
    "X": (X + (np.arange(90) == 7)[:, None] * 1e-6, Y, WEIGHT),
    "order": (X[::-1], Y[::-1], WEIGHT[::-1]),
    "fewer": (X[1:], Y[1:], WEIGHT[1:]),
    "y": (X, np.roll(Y, 1), WEIGHT),
    "classes": (X, np.char.upper(Y), WEIGHT),
    "weight": (X, Y, WEIGHT**2),
    "none": (X, Y, None),
}


@pytest.mark.parametrize("other", OTHER_ROWS)
@pytest.mark.parametrize("standardize", [True, False])
def test_other_rows_are_refused(other, standardize):
    model = trainer(standardize=standardize, learning_rate=0.001).fit(X, Y, WEIGHT)
    before, history = copy.deepcopy(model.coefs_), model.history_
    with pytest.raises(InvalidDataError, match=r"rows of Trainer\.resume must be those of fit"):
        model.resume(*OTHER_ROWS[other], epochs=1)
    assert all((a == b).all() for a, b in zip(model.coefs_, before, strict=True))
    assert model.history_ is history
    model.resume(X.copy(), list(Y), WEIGHT.tolist(), epochs=1)


def test_other_validation_rows_are_refused():
    model = trainer().fit(X, Y, eval_set=HELD)
    for other in (None, (HELD[0] + 1, HELD[1]), (HELD[0], HELD[1][::-1])):
        with pytest.raises(InvalidDataError, match="validation rows, got others"):
            model.resume(X, Y, eval_set=other, epochs=1)
    model.resume(X, Y, X_val=HELD[0], y_val=HELD[1], epochs=1)


OTHERS = [
    ("hidden", (3,)),
    ("l2", 0.5),
    ("loss", "sigmoid"),
    ("optimizer", "adam"),
    ("optimizer", optimizers.SGD(momentum=0.5)),
    ("batch_size", 9),
    ("shuffle", False),
    ("standardize", False),
    ("precision", "float64"),
    ("class_weight", "balanced"),
    ("metrics", ("roc_auc_ovr",)),
]


@pytest.mark.parametrize(("name", "value"), OTHERS, ids=str)
def test_a_parameter_that_the_trajectory_follows_from_must_be_as_it_was(name, value):
    model = trainer().fit(X, Y)
    with pytest.raises(
        InvalidParameterError, match=f"`{name}` of Trainer.resume must be that of fit, .*, got"
    ):
        model.set_params(**{name: value}).resume(X, Y, epochs=1)


def test_the_message_tells_what_it_was_and_is():
    model = trainer(optimizer="adam", class_weight={"oak": 2}).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"fit, Adam\(beta1=.*, got SGD\(momentum="):
        model.set_params(optimizer="sgd").resume(X, Y, epochs=1)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "two", True])
def test_epochs_must_be_a_count(epochs):
    with pytest.raises(InvalidParameterError, match=r"`epochs` of Trainer\.resume must be"):
        trainer().fit(X, Y).resume(X, Y, epochs=epochs)


def test_without_epochs_some_that_were_planned_must_be_left():
    with pytest.raises(InvalidParameterError, match="must be given where all 4 that were planned are done"):
        trainer(epochs=4).fit(X, Y).resume(X, Y)


def test_a_model_without_a_state_cannot_go_on(tmp_path):
    fitted = trainer().fit(X, Y)
    fitted.save(tmp_path / "a.model")
    searched = gs.Sweep(trainer(), {"l2": [0.1]}).fit(X, Y, eval_set=HELD).best_trainer_
    replaced = trainer().fit(X, Y)
    replaced.coefs_ = [W + 1 for W in replaced.coefs_]
    streamed = trainer().partial_fit(X, Y, ["ash", "elm", "oak"])
    for model, reason in (
        (gs.load_model(tmp_path / "a.model"), r"resumable=True"),
        (searched, "in a search"),
        (fitted.snapshot(), "copied or saved without"),
        (replaced, "its weights were replaced"),
        (streamed, "trained by partial_fit"),
        (
            trainer(optimizer="lbfgs", learning_rate="auto", batch_size="auto").fit(X, Y),
            "remembers is not kept",
        ),
    ):
        with pytest.raises(InvalidDataError, match=reason):
            model.resume(X, Y, epochs=1)
    with pytest.raises(InvalidDataError, match="save with resumable=True needs a model with the state"):
        searched.save(tmp_path / "b.model", resumable=True)
    with pytest.raises(ValueError, match="not fitted"):
        trainer().resume(X, Y, epochs=1)


@names
def test_a_training_that_diverged_cannot_go_on(name):
    model = trainer(backend=name, l2=0.1, learning_rate=lambda update: 0.1 if update < 30 else 1e30)
    with pytest.raises(DivergedError):
        model.fit(X, Y)
    with pytest.raises(InvalidDataError, match="it has diverged"):
        model.resume(X, Y, epochs=1)


@names
def test_a_training_that_diverges_on_the_way_keeps_what_it_was(name):
    model = trainer(backend=name, epochs=2, l2=0.1).fit(X, Y)
    before = copy.deepcopy(model)
    with pytest.raises(DivergedError):
        model.set_params(learning_rate=1e30).resume(X, Y, epochs=2)
    assert model.status_ == "diverged"
    assert all((a == b).all() for a, b in zip(model.coefs_, before.coefs_, strict=True))
    assert model.history_["update"].tolist() == before.history_["update"].tolist()
    assert model.n_iter_ == 2


def test_a_callback_that_raises_leaves_what_can_go_on():
    def fail(model, row):
        if row["epoch"] == 2:
            raise ZeroDivisionError

    whole = trainer(epochs=5, optimizer="adam").fit(X, Y)
    model = trainer(epochs=5, optimizer="adam", callbacks=[fail])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert model.status_ == "interrupted"
    model.set_params(callbacks=()).resume(X, Y)
    assert all((a == b).all() for a, b in zip(model.coefs_, whole.coefs_, strict=True))
