"""Averages of weights: what they take, and that everything that is told of a training tells of them.

The backends' tests hold the averages themselves to the oracle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gradstep.averaging import EMA, LastEpochs
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
import oracle
from cases import Case, trained
from gradstep.backends import Backend
from gradstep.errors import InvalidParameterError
from gradstep.nn.averaging import Averaging
from makers import regressor, trainer
from members import AVERAGES, concept_id

averages = pytest.mark.parametrize("average", AVERAGES, ids=concept_id)


def digits() -> tuple[Any, Any]:
    train = gs.datasets.load_digits().train
    return train.X[:300], train.y[:300]


def block_of(model: Any) -> npt.NDArray[Any]:
    return np.concatenate(
        [part for pair in zip(model.coefs_, model.intercepts_, strict=True) for part in pair], None
    )


@given(
    planned=st.integers(1, 20),
    per_epoch=st.integers(1, 7),
    average=st.floats(0, 0.999).map(EMA) | st.integers(1, 30).map(LastEpochs),
)
def test_shares_make_the_average(planned: int, per_epoch: int, average: Averaging) -> None:
    updates = planned * per_epoch
    shares = average.shares(np.arange(updates), updates, per_epoch)
    assert shares.shape == (updates,)
    assert ((shares >= 0) & (shares <= 1)).all()
    blocks = np.random.default_rng(updates).normal(size=(updates, 2))
    mean = np.zeros(2)
    for share, block in zip(shares, blocks, strict=True):
        mean = (1 - share) * mean + share * block
    own = {field: getattr(average, field) for field in average.constraints}
    expected = oracle.AVERAGES[average.name](**own)(blocks.tolist(), per_epoch)
    np.testing.assert_allclose(mean, expected, rtol=1e-9, atol=1e-12)
    # What was there before has no part in it, and until then there is none.
    begins = average.begins_after(updates, per_epoch)
    assert shares[begins - 1] == 1
    assert not shares[: begins - 1].any()


def test_an_average_of_equal_weights_is_these_weights(backend: Backend, precision: str) -> None:
    case = Case("still", n=24, hidden=(5,), epochs=20, average=EMA(decay=0.9999), rate=0.0)
    state = trained(backend, case, precision)
    np.testing.assert_array_equal(state.slots[:, -1], state.parameters)
    np.testing.assert_array_equal(state.parameters, case.parameters(precision))


@averages
def test_training_goes_its_way_whatever_is_averaged(
    backend: Backend, precision: str, average: Averaging
) -> None:
    case = Case("way", hidden=(9,), optimizer="adam", rate=0.01, average=average)
    averaged, plain = (trained(backend, own, precision) for own in (case, replace(case, average=None)))
    np.testing.assert_array_equal(averaged.parameters, plain.parameters)
    np.testing.assert_array_equal(averaged.slots[:, :-1], plain.slots)


# By hand, from the weights after every update, which a Trainer tells where nothing is averaged.
@averages
@pytest.mark.parametrize("make", [trainer, regressor])
def test_the_model_is_the_average(make: Any, average: Averaging) -> None:
    X, y = digits()
    target = y if make is trainer else X[:, :2]
    seen: list[npt.NDArray[Any]] = []
    options = {"precision": "float64", "batch_size": 60, "evaluate_every": 1, "learning_rate": 0.05}
    make(**options, callbacks=(lambda model, row: seen.append(block_of(model)),)).fit(X, target)
    model = make(**options, average=average).fit(X, target)
    own = {field: getattr(average, field) for field in average.constraints}
    expected = oracle.AVERAGES[average.name](**own)([block.tolist() for block in seen], 5)
    np.testing.assert_allclose(block_of(model), expected, rtol=1e-12, atol=1e-14)


@averages
def test_every_row_tells_of_the_model_of_its_moment(average: Averaging) -> None:
    X, y = digits()
    told: list[tuple[float, float]] = []

    def compare(model: Any, row: dict[str, float]) -> None:
        told.append((row["validation_loss"], model.evaluate(X[200:], y[200:])["loss"]))

    options = {"average": average, "evaluate_every": 7, "evaluate_untrained": True, "callbacks": (compare,)}
    model = trainer(**options).fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))
    rows, evaluated = zip(*told, strict=True)
    np.testing.assert_allclose(rows, evaluated, rtol=1e-6)
    assert model.history_["update"][0] == 0
    untrained = trainer(evaluate_untrained=True).fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))
    assert model.history_["validation_loss"][0] == untrained.history_["validation_loss"][0]


def test_before_the_last_epochs_the_weights_stand_for_their_mean() -> None:
    X, y = digits()
    plain, averaged = (
        trainer(epochs=6, average=own).fit(X, y).history_["train_loss"] for own in (None, LastEpochs(3))
    )
    # The mean of one is itself.
    assert averaged[:4].tolist() == plain[:4].tolist()
    assert (averaged[4:] != plain[4:]).all()


def test_the_best_average_comes_back() -> None:
    X, y = digits()
    stop = gs.EarlyStopping("train_loss", patience=2, min_delta=10.0)
    model = trainer(average=EMA(decay=0.5), early_stopping=stop).fit(X, y)
    first = trainer(average=EMA(decay=0.5), callbacks=(lambda model, row: True,)).fit(X, y)
    assert len(model.history_) == 3
    np.testing.assert_array_equal(block_of(model), block_of(first))


def test_only_the_end_need_be_evaluated() -> None:
    X, y = digits()
    often, never = (
        trainer(average=LastEpochs(3), evaluate_every=every).fit(X, y) for every in ("epoch", None)
    )
    np.testing.assert_array_equal(block_of(never), block_of(often))


def test_averages_can_be_searched() -> None:
    X, y = digits()
    base = trainer(average=EMA())
    space = {"average": [EMA(decay=0.5), LastEpochs(2), "ema", None]}
    sweep = gs.Sweep(base, space, validation_share=None, metric="train_loss", keep_trainers=True).fit(X, y)
    nested = gs.Sweep(
        base, {"average__decay": [0.3, 0.6]}, validation_share=None, metric="train_loss", keep_trainers=True
    ).fit(X, y)
    for found in (*sweep.trainers_, *nested.trainers_):
        alone = trainer(average=found.average).fit(X, y)
        np.testing.assert_array_equal(block_of(found), block_of(alone))
    assert len(set(map(bytes, map(block_of, (*sweep.trainers_, *nested.trainers_))))) == 6


def test_groups_average_or_do_not() -> None:
    def shared(**parameters: Any) -> Any:
        return trainer(**parameters).settings().shared(50)

    assert shared(average="ema") == shared(average=EMA(0.5)) == shared(average=LastEpochs(2))
    assert shared(average="ema") != shared()


@pytest.mark.parametrize("wrong", [0.99, "emma", EMA, True])
def test_what_is_no_average(wrong: object) -> None:
    with pytest.raises(
        InvalidParameterError, match="`average` of Trainer must be one of 'ema', 'last_epochs' or"
    ):
        trainer(average=wrong).settings()


def test_the_names_of_others() -> None:
    with pytest.raises(InvalidParameterError, match=r"did you mean average\?"):
        gs.Trainer(use_ema=True)
    with pytest.raises(AttributeError, match=r"did you mean LastEpochs\?"):
        _ = gs.averaging.SWA
    with pytest.raises(InvalidParameterError, match=r"did you mean decay\?"):
        EMA(momentum=0.9)


@averages
def test_a_training_that_goes_on_is_one_training(average: Averaging) -> None:
    X, y = digits()
    options = {"average": average, "clip_norm": 0.2, "optimizer": "adam", "learning_rate": 0.01, "epochs": 6}
    whole = trainer(**options).fit(X, y)
    began = trainer(**options, callbacks=(lambda model, row: row["epoch"] >= 3,)).fit(X, y)
    assert len(began.history_) == 3
    resumed = began.set_params(callbacks=()).resume(X, y)
    np.testing.assert_array_equal(block_of(resumed), block_of(whole))
    np.testing.assert_array_equal(resumed.history_["train_loss"], whole.history_["train_loss"])


def test_last_epochs_over_several_sets_of_rows() -> None:
    X, y = digits()
    model, blocks = trainer(average=LastEpochs(3), precision="float64"), []
    plain = trainer(precision="float64")
    for part in np.array_split(np.arange(300), 4)[:3]:
        model.partial_fit(X[part], y[part], classes=np.arange(10))
        plain.partial_fit(X[part], y[part], classes=np.arange(10))
        blocks.append(block_of(plain))
        np.testing.assert_allclose(block_of(model), np.mean(blocks, axis=0), rtol=1e-12, atol=1e-14)
