"""A group of a training as the header and the tensors of a file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from gradstep.errors import CorruptFileError
from gradstep.storage import group_file
from gradstep.storage.saved import SavedGroup, SavedRecord
from gradstep.training.history import History
from gradstep.training.outset import Outset
from gradstep.training.record import ModelNews
from gradstep.training.status import Status

OUTSET = Outset(None, (), batch_size=2, updates_per_epoch=3, n_threads=1, backend="numpy")


def group(*counts: int) -> SavedGroup:
    """Return models over, with so many rows of their histories."""
    models = []
    for place, n_rows in enumerate(counts):
        history = History()
        for number in range(n_rows):
            row = {name: float(100 * place + 10 * number + i) for i, name in enumerate(history.keys())}
            history.append(**row | {"validation_loss": math.nan})
        news = ModelNews(history.rows[:], Status.COMPLETED, block=np.arange(3.0))
        models.append(SavedRecord((place, 0), news, OUTSET))
    return SavedGroup(tuple(models), (), None)


@pytest.mark.parametrize("counts", [(3, 0, 2), (0, 0), (1,)])
def test_rows_come_back(counts: tuple[int, ...]) -> None:
    given = group(*counts)
    header, arrays = group_file.encode(given)
    found = group_file.decode(json.loads(json.dumps(header)), arrays)
    assert [list(own.news.rows) for own in found.models] == [list(own.news.rows) for own in given.models]
    assert tuple(len(own.news.rows) for own in found.models) == counts


@pytest.mark.parametrize("shape", [(2, 11), (2, 13), (24,), (2, 12, 1)])
def test_a_history_of_another_width_is_told(shape: tuple[int, ...]) -> None:
    header, arrays = group_file.encode(group(2))
    with pytest.raises(CorruptFileError, match=r"its history must have 12 columns, got shape \("):
        group_file.decode(header, arrays | {"history": np.zeros(shape)})
