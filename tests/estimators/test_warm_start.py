"""`warm_start`: a fit that begins with the weights of the one before."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError
from makers import HERE, regressor, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)) * [1, 5, 0.3, 1] + 1
LOGITS = X @ RNG.normal(size=(4, 3))
Y = np.array(["ash", "elm", "oak"])[LOGITS.argmax(axis=1)]
names = pytest.mark.parametrize("name", HERE)


@names
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_fit_goes_on_from_the_weights(name, optimizer):
    given = {"backend": name, "shuffle": False, "learning_rate": 0.05, "optimizer": optimizer}
    model = trainer(epochs=2, warm_start=True, **given).fit(X, Y)
    first = copy.deepcopy(model)
    model.fit(X, Y)
    assert len(model.history_) == model.n_iter_ == 2
    assert model.history_["train_loss"][0] < first.history_["train_loss"][-1]
    whole = trainer(epochs=4, **given).fit(X, Y)
    is_equal = all((a == b).all() for a, b in zip(model.coefs_, whole.coefs_, strict=True))
    # Of descent nothing is kept but the weights.
    assert is_equal == (optimizer == "sgd")


def test_without_it_a_fit_begins_anew():
    model = trainer(epochs=2).fit(X, Y)
    first = model.coefs_[0].copy()
    assert (model.fit(X, Y).coefs_[0] == first).all()


@names
def test_mean_and_scale_stay_those_of_the_first_fit(name):
    model = trainer(backend=name, warm_start=True).fit(X, Y)
    before = model.standardization_
    model.set_params(learning_rate=1e-30).fit(10 * X, Y)
    assert (model.standardization_.mean == before.mean).all()
    reals = regressor(backend=name, warm_start=True).fit(X, LOGITS)
    answers = reals.predict(X)
    reals.set_params(learning_rate=1e-30).fit(10 * X, 7 + LOGITS)
    np.testing.assert_allclose(reals.predict(X), answers, rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [None, gs.EarlyStopping(patience=2)], ids=str)
def test_with_validation_rows_and_callbacks_that_change(early_stopping):
    seen = []
    model = trainer(warm_start=True, early_stopping=early_stopping).fit(X, Y)
    model.set_params(callbacks=[lambda model, row: seen.append(row["epoch"])]).fit(X, Y)
    assert seen == model.history_["epoch"].tolist()
    model.set_params(callbacks=()).fit(X, Y)
    assert len(seen) == len(set(seen))
    model.set_params(callbacks=[lambda model, row: True]).fit(X, Y)
    assert (model.status_, len(model.history_)) == ("early_stopped", 1)
    model.set_params(callbacks=(), warm_start=False).fit(X, Y)
    assert len(model.history_) > 1


def test_weights_that_were_put_in_place_count():
    model = trainer(warm_start=True, learning_rate=1e-30).fit(X, Y)
    model.coefs_ = [np.full_like(W, 0.5) for W in model.coefs_]
    assert (model.fit(X, Y).coefs_[0] == 0.5).all()


def test_a_loaded_model_and_a_search_winner_go_on(tmp_path):
    model = trainer(warm_start=True, learning_rate=1e-30).fit(X, Y)
    model.save(tmp_path / "a.model")
    loaded = gs.load_model(tmp_path / "a.model")
    assert (loaded.fit(X, Y).coefs_[0] == model.coefs_[0]).all()
    best = gs.Sweep(trainer(warm_start=True), {"l2": [0.0, 0.1]}).fit(X, Y, eval_set=(X, Y)).best_trainer_
    before = best.coefs_[0].copy()
    assert (best.set_params(learning_rate=1e-30).fit(X, Y).coefs_[0] == before).all()


def test_what_does_not_fit_the_weights_is_told():
    model = trainer(warm_start=True, hidden=(3,)).fit(X, Y)
    kept = copy.deepcopy(model.coefs_)
    with pytest.raises(InvalidDataError, match="warm_start=True must have 4 columns as before, got 2"):
        model.fit(X[:, :2], Y)
    with pytest.raises(
        InvalidDataError, match=r"the classes of before, \['ash', 'elm', 'oak'\], got \['ash'"
    ):
        model.fit(X, np.where(Y == "oak", "ash", Y))
    with pytest.raises(InvalidParameterError, match=r"must be that of the model, \(3,\), got \(4,\)"):
        model.set_params(hidden=(4,)).fit(X, Y)
    with pytest.raises(InvalidDataError, match="must be labels as before, got indicators"):
        model.set_params(hidden=(3,), loss="multilabel").fit(X, np.eye(3, dtype=int)[np.arange(90) % 3])
    assert all((a == b).all() for a, b in zip(model.coefs_, kept, strict=True))
    reals = regressor(warm_start=True).fit(X, LOGITS)
    with pytest.raises(InvalidDataError, match="must have 3 columns as before, got 1"):
        reals.fit(X, LOGITS[:, 0])
