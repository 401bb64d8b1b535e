"""A function of the epoch is saved as the rates that it gave, one for every update."""

import pickle
from functools import partial

import numpy as np
import pytest

import gradstep as gs
import makers

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 2


def halved(epoch):
    return 0.4 * 0.5**epoch


@pytest.mark.parametrize(
    "rate", [halved, gs.schedules.PerEpoch(halved), gs.schedules.PerEpoch(partial(halved))]
)
def test_saved_and_pickled(tmp_path, rate):
    model = makers.trainer(learning_rate=rate, batch_size=5, epochs=3).fit(X, Y)
    assert model.history_["learning_rate"].tolist() == [0.4, 0.2, 0.1]
    model.save(tmp_path / "model")
    loaded = gs.Trainer.load(tmp_path / "model")
    assert loaded.learning_rate == gs.schedules.Recorded((0.4,) * 4 + (0.2,) * 4 + (0.1,) * 4)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.fit(X, Y).coefs_[0], model.coefs_[0])
    np.testing.assert_array_equal(loaded.fit(X, Y).coefs_[0], model.coefs_[0])
