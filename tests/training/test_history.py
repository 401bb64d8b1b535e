"""A history is rows and columns."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from gradstep.backends import Running
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.training.history import COLUMNS, History, Metrics

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
    train, validation = ([f"{part}_{name}" for name in Metrics._fields] for part in ("train", "validation"))
    running = [f"running_{name}" for name in Running._fields]
    assert ("update", "epoch", "learning_rate", "seconds", *train, *running, *validation) == COLUMNS


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


def test_a_history_made_of_its_columns_is_the_same(history: History) -> None:
    columns = dict(history)
    assert tuple(columns) == history.keys() == COLUMNS
    again = History(columns)
    for name in COLUMNS:
        np.testing.assert_array_equal(again[name], history[name])


def test_an_empty_history_has_empty_columns() -> None:
    history = History()
    assert len(history) == 0
    assert list(history) == []
    assert history["update"].shape == history["train_loss"].shape == (0,)
    assert repr(history) == "History(no rows)"
    assert len(History(dict(history))) == 0


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
        History({name: columns[name] for name in COLUMNS[1:]})
    with pytest.raises(InvalidDataError, match="must have one length"):
        History(columns | {"epoch": [1.0, 2.0]})
    with pytest.raises(InvalidDataError, match="must have one length"):
        History(columns | {"update": [[1.0, 2.0, 3.0]]})


def test_the_last_row_is_shown(history: History) -> None:
    assert repr(history).startswith("History(3 rows; last: update=300, epoch=21, ")


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


def test_metrics_are_a_plain_triple() -> None:
    loss, cost, accuracy = Metrics(0.5, 0.6, 0.9)
    assert (loss, cost, accuracy) == (0.5, 0.6, 0.9)
