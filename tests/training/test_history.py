"""A history is rows and columns."""

from __future__ import annotations

import copy
import math
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn.metrics import R2, MeanAbsoluteError, Metrics, SubsetAccuracy
from gradstep.training.history import TIME, History, available_splits, metric_columns

COLUMNS = History().keys()

ROWS = [
    {name: float(10 * row + place) for place, name in enumerate(COLUMNS)}
    | {"update": 100 * (row + 1), "validation_loss": float("nan")}
    for row in range(3)
]


@pytest.fixture
def history() -> History:
    history = History()
    for row in ROWS:
        history.append(**row)
    return history


def test_the_columns_are_those_of_the_design() -> None:
    names = ("loss", "cost", "accuracy")
    train, validation = ([f"{split}_{name}" for name in names] for split in ("train", "validation"))
    running = ["running_loss", "running_accuracy"]
    assert ("update", "epoch", "learning_rate", "seconds", *train, *running, *validation) == COLUMNS


def test_the_columns_are_those_of_the_metrics() -> None:
    history = History((R2(), MeanAbsoluteError()))
    names = ("loss", "cost", "r2", "mean_absolute_error")
    train, validation = ([f"{split}_{name}" for name in names] for split in ("train", "validation"))
    # Only what is counted on the way has a running column.
    assert history.keys() == (*TIME, *train, "running_loss", *validation)
    assert "running_subset_accuracy" in History((SubsetAccuracy(),))
    assert metric_columns(history, "validation") == validation
    assert metric_columns(history, "running") == ["running_loss"]
    copy = history.copy()
    assert copy.metrics == history.metrics
    assert copy.keys() == history.keys()


def test_splits_are_those_that_have_numbers() -> None:
    assert available_splits(History()) == []
    row = dict.fromkeys(COLUMNS, np.nan)
    assert available_splits(row) == []
    assert available_splits(row | {"running_loss": 1.0}) == ["running"]
    assert available_splits(row | {"running_loss": 1.0, "train_cost": 1.0}) == ["train"]
    assert available_splits(row | {"running_loss": 1.0, "validation_loss": 1.0}) == ["running", "validation"]


def test_columns_are_arrays(history: History) -> None:
    assert history["update"].tolist() == [100, 200, 300]
    assert history["update"].dtype == np.int64
    assert history["epoch"].tolist() == [1.0, 11.0, 21.0]
    assert history["train_accuracy"].dtype == np.float64
    assert np.isnan(history["validation_loss"]).all()


def test_rows_come_in_time_order(history: History) -> None:
    assert len(history) == 3
    assert [row["update"] for row in history] == [100, 200, 300]
    assert [list(row) for row in history] == [list(COLUMNS)] * 3
    assert history.rows[-1]["epoch"] == 21.0


def test_rows_are_made_anew_and_equal_each_other(history: History) -> None:
    assert history.rows[1] == history.rows[-2] == ROWS[1] | {"validation_loss": math.nan}
    assert [row["update"] for row in history.rows[1:]] == [200, 300]
    history.rows[0]["update"] = -1.0
    assert history["update"].tolist() == [100, 200, 300]
    for place in (3, -4):
        with pytest.raises(IndexError):
            history.rows[place]
    history.rows.cut(1)
    assert history["update"].tolist() == [100]
    assert not History().rows


def test_a_history_takes_few_bytes_more_than_its_numbers() -> None:
    """Of a search over 5,000 models with 40 rows each 20 MB; as dicts they took 160."""
    tracemalloc.start()
    history = History()
    for number in range(40):
        history.append(**{name: number + place / 8 for place, name in enumerate(COLUMNS)})
    bytes_taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    numbers = 8 * 40 * len(COLUMNS)
    assert numbers < bytes_taken < 1.4 * numbers + 1000


def test_a_history_made_of_its_columns_is_the_same(history: History) -> None:
    columns = dict(history)
    assert tuple(columns) == history.keys() == COLUMNS
    again = History(columns=columns)
    for name in COLUMNS:
        np.testing.assert_array_equal(again[name], history[name])


def test_an_empty_history_has_empty_columns() -> None:
    history = History()
    assert len(history) == 0
    assert list(history) == []
    assert history["update"].shape == history["train_loss"].shape == (0,)
    assert repr(history) == "History(no rows)"
    assert len(History(columns=dict(history))) == 0


@pytest.mark.parametrize("name", ["loss", "", 0])
def test_an_unknown_column_is_named_with_the_known(history: History, name: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"a History has no column .*; it has update, epoch,"):
        history[name]


def test_a_row_needs_every_column(history: History) -> None:
    row = dict(ROWS[0])
    with pytest.raises(InvalidDataError, match="a row of a History needs"):
        history.append(**row, extra=1.0)
    del row["seconds"]
    with pytest.raises(InvalidDataError, match="a row of a History needs"):
        history.append(**row)
    assert len(history) == 3


def test_columns_must_be_all_and_of_one_length(history: History) -> None:
    columns = dict(history)
    with pytest.raises(InvalidDataError, match="the columns of a History must be"):
        History(columns={name: columns[name] for name in COLUMNS[1:]})
    with pytest.raises(InvalidDataError, match="must have one length"):
        History(columns=columns | {"epoch": [1.0, 2.0]})
    with pytest.raises(InvalidDataError, match="must have one length"):
        History(columns=columns | {"update": [[1.0, 2.0, 3.0]]})


def test_the_last_row_is_shown(history: History) -> None:
    assert repr(history).startswith("History(3 rows; last: epoch=21, train_loss=24, ")


def test_a_history_can_be_copied_and_pickled(history: History) -> None:
    for again in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        again.append(**ROWS[0])
        assert (len(again), len(history)) == (4, 3)


def test_a_data_frame_has_the_same_columns(history: History) -> None:
    frame = history.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert tuple(frame.columns) == COLUMNS
    assert frame.shape == (3, 12)
    for name in COLUMNS:
        np.testing.assert_array_equal(frame[name].to_numpy(), history[name])


def test_metrics_are_a_mapping_with_attributes() -> None:
    metrics = Metrics({"loss": 0.5, "cost": np.float32(0.75), "r2": 1})
    assert dict(metrics) == {"loss": 0.5, "cost": 0.75, "r2": 1.0}
    assert (metrics.loss, metrics["cost"], metrics.r2) == (0.5, 0.75, 1.0)
    assert {type(value) for value in metrics.values()} == {float}
    assert "accuracy" not in metrics
    assert repr(metrics) == "Metrics(loss=0.5, cost=0.75, r2=1)"
    with pytest.raises(
        InvalidParameterError, match="these Metrics have no 'accuracy'; they have loss, cost, r2"
    ):
        metrics["accuracy"]
    with pytest.raises(AttributeError, match="they have loss, cost, r2"):
        metrics.accuracy  # noqa: B018
    for again in (copy.deepcopy(metrics), pickle.loads(pickle.dumps(metrics))):
        assert dict(again) == dict(metrics)
