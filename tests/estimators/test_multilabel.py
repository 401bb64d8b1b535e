"""Trainer on indicator matrices, and with smoothed labels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags

import gradstep as gs
from gradstep.errors import InvalidDataError
from makers import HERE, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 5))
Y = (X @ RNG.normal(size=(5, 3)) + 0.3 * RNG.normal(size=(150, 3)) > 0).astype(int)
names = pytest.mark.parametrize("name", HERE)


@names
@pytest.mark.parametrize("hidden", [(), (12,)], ids=str)
def test_it_learns_every_label(name: str, hidden: tuple[int, ...]) -> None:
    model = trainer(loss="multilabel", backend=name, hidden=hidden, epochs=40, learning_rate=0.5).fit(X, Y)
    answers = model.predict(X)
    assert (answers.dtype, answers.shape) == (np.int64, Y.shape)
    assert (answers == Y).mean() > 0.9
    assert model.score(X, Y) == accuracy_score(Y, answers)
    assert model.classes_.tolist() == [0, 1, 2]


def test_probabilities_and_decisions_are_of_every_label() -> None:
    model = trainer(loss="multilabel").fit(X, Y)
    scores, p = model.decision_function(X), model.predict_proba(X)
    assert scores.shape == p.shape == Y.shape
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-scores)), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), scores > 0)
    two = trainer(loss="multilabel").fit(X, Y[:, :2])
    assert two.decision_function(X).shape == (150, 2)
    one = trainer(loss="multilabel").fit(X, Y[:, :1])
    assert one.predict(X).shape == (150, 1)


@names
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    model = trainer(loss="multilabel", backend=name, precision="float64").fit(X, Y, eval_set=(X, Y))
    found, answers = model.evaluate(X, Y), model.predict(X)
    assert list(found) == ["loss", "cost", "subset_accuracy", "f1"]
    assert found.subset_accuracy == pytest.approx(accuracy_score(Y, answers), rel=1e-12)
    assert found.f1 == pytest.approx(f1_score(Y, answers, average="macro"), rel=1e-12)
    last = model.history_.rows[-1]
    for metric, value in found.items():
        assert last[f"train_{metric}"] == pytest.approx(value, rel=1e-12)
        assert last[f"validation_{metric}"] == pytest.approx(value, rel=1e-12)
    assert np.isfinite(model.history_["running_subset_accuracy"]).all()
    assert "running_f1" not in model.history_


@pytest.mark.parametrize(
    "given",
    [Y.tolist(), Y.astype(bool), Y.astype(np.float32), scipy.sparse.csr_array(Y)],
    ids=["lists", "booleans", "floats", "sparse"],
)
def test_matrices_of_every_kind(given: object) -> None:
    model, plain = trainer(loss="multilabel").fit(X, given), trainer(loss="multilabel").fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


def test_a_label_that_is_never_true_is_no_trouble() -> None:
    y = np.column_stack([Y, np.zeros(150, dtype=int)])
    model = trainer(loss="multilabel", epochs=20).fit(X, y)
    assert not model.predict(X)[:, 3].any()


def test_tools_of_scikit_learn_know_what_it_is() -> None:
    model = trainer(loss="multilabel", epochs=20)
    assert is_classifier(model)
    assert get_tags(model).classifier_tags.multi_label
    assert get_tags(trainer(loss=gs.losses.Multilabel())).classifier_tags.multi_label
    assert not get_tags(trainer()).classifier_tags.multi_label
    assert cross_val_score(model, X, Y, cv=3).mean() > 0.5


def test_what_is_no_matrix_of_0_and_1_is_refused() -> None:
    labels = Y[:, 0]
    with pytest.raises(
        InvalidDataError, match=r"y of Trainer.fit must be an indicator matrix .*\(150,\); labels"
    ):
        trainer(loss="multilabel").fit(X, labels)
    with pytest.raises(InvalidDataError, match=r"of 0 and 1, got 2.0 in row"):
        trainer(loss="multilabel").fit(X, 2 * Y)
    with pytest.raises(InvalidDataError, match=r"y of Trainer.fit must be one label a row"):
        trainer().fit(X, Y)
    with pytest.raises(InvalidDataError, match=r"eval_set of Trainer.fit must have 3 columns, .* got 2"):
        trainer(loss="multilabel").fit(X, Y, eval_set=(X, Y[:, :2]))
    with pytest.raises(InvalidDataError, match=r"y of Trainer.evaluate must be an indicator matrix"):
        trainer(loss="multilabel").fit(X, Y).evaluate(X, labels)


@names
def test_smoothed_labels_keep_probabilities_from_the_ends(name: str) -> None:
    y = Y[:, 0]
    settings = {"backend": name, "epochs": 60, "learning_rate": 0.5}
    plain = trainer(**settings).fit(X, y)
    smoothed = trainer(loss=gs.losses.Softmax(label_smoothing=0.3), **settings).fit(X, y)
    assert smoothed.predict_proba(X).max() < plain.predict_proba(X).max()
    assert smoothed.score(X, y) > 0.85
    # No loss can be below the entropy of the smoothed targets.
    shares = np.array([0.85, 0.15])
    assert smoothed.evaluate(X, y).loss > -(shares * np.log(shares)).sum()
    none = trainer(loss=gs.losses.Softmax(0.0), **settings).fit(X, y)
    np.testing.assert_array_equal(none.coefs_[0], plain.coefs_[0])
