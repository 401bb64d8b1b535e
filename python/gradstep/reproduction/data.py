"""The rows of CIFAR-10 that the reports train, validate and test on."""

from __future__ import annotations

from gradstep.datasets import DataSet
from gradstep.datasets.sets import Rows

BATCH_1, ROWS_49, ROWS_45 = "batch 1", "49,000 rows", "45,000 rows"

#: Where training rows end and where validation rows, which follow them, end: in fiftieths of the 50,000.
SPLITS = {BATCH_1: (10, 20), ROWS_49: (49, 50), ROWS_45: (45, 50)}


def split(everything: DataSet) -> dict[str, DataSet]:
    """Return the data sets by their names in SPLITS, as views of one that holds all training rows."""
    rows = everything.train
    sets: dict[str, DataSet] = {}
    for name, places in SPLITS.items():
        middle, end = (place * len(rows) // 50 for place in places)
        train, validation = (
            Rows(rows.X[part], rows.y[part], rows.image_shape) for part in (slice(middle), slice(middle, end))
        )
        title = f"{everything.name}, {name}"
        sets[name] = DataSet(title, train, validation, everything.test, everything.class_names)
    return sets
