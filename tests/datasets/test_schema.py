"""Columns of a table become inputs as scikit-learn's transformers make them."""

from __future__ import annotations

import json

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from gradstep.datasets.schema import CategoryColumn, Cells, NumberColumn, Schema

WORDS = {"plan": ["plus", "", "basic"], "city": ["Rome", "Oslo", "Bern"]}
NAMES = ("age", "plan", "size", "city")


def _cells(seed: int, n: int, words: dict[str, list[str]] = WORDS) -> Cells:
    rng = np.random.default_rng(seed)
    values = np.column_stack(
        [rng.normal(size=n), rng.integers(3, size=n), rng.normal(size=n), rng.integers(3, size=n)]
    )
    values[rng.random(n) < 0.3, 0] = np.nan
    return Cells(NAMES, values, words)


def _objects(cells: Cells) -> np.ndarray:
    """Return the table as scikit-learn takes it: an object array of numbers and words."""
    columns = [
        [cells.words[name][int(code)] for code in column] if name in cells.words else column
        for name, column in zip(cells.names, cells.values.T, strict=True)
    ]
    return np.array(columns, dtype=object).T


def test_inputs_are_those_of_a_column_transformer() -> None:
    train, other = _cells(0, 40), _cells(1, 25, {"plan": ["basic", "gold", "plus"], "city": WORDS["city"]})
    schema = Schema.learn(train, "left", ())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformers = [
        ("age", SimpleImputer(strategy="median"), [0]),
        ("plan", encoder, [1]),
        ("size", SimpleImputer(strategy="median"), [2]),
        ("city", encoder, [3]),
    ]
    oracle = ColumnTransformer(transformers).fit(_objects(train))
    for cells in (train, other):
        np.testing.assert_array_equal(schema.encode(cells), oracle.transform(_objects(cells)).astype(float))
    assert schema.inputs == (
        "age",
        "plan=",
        "plan=basic",
        "plan=plus",
        "size",
        *map("city={}".format, sorted(WORDS["city"])),
    )


def test_columns_are_found_by_name() -> None:
    train = _cells(0, 40)
    schema = Schema.learn(train, "left", ())
    order = [3, 0, 2, 1]
    other = Cells(tuple(NAMES[i] for i in order), train.values[:, order], train.words)
    np.testing.assert_array_equal(schema.encode(other), schema.encode(train))


def test_numbers_without_gaps_are_not_copied() -> None:
    cells = Cells(("a", "b"), np.arange(6.0).reshape(3, 2), {})
    assert Schema.learn(cells, "y", ()).encode(cells) is cells.values


def test_a_column_of_gaps_is_zero_throughout() -> None:
    cells = Cells(("a",), np.full((3, 1), np.nan), {})
    assert Schema.learn(cells, "y", ()).columns == (NumberColumn("a", 0.0),)


def test_the_median_of_the_largest_numbers() -> None:
    cells = Cells(("a",), np.array([[1.7e308], [np.nan], [1.5e308]]), {})
    assert Schema.learn(cells, "y", ()).columns == (NumberColumn("a", 1.6e308),)


def test_a_schema_is_what_its_dict_says() -> None:
    columns = (NumberColumn("a", 0.5), CategoryColumn("b", ("x", "y")))
    for schema in (Schema(columns, "y", ("u", "v")), Schema(), Schema((), None, ("u", "v"))):
        assert Schema.from_dict(json.loads(json.dumps(schema.to_dict())), 3, 2) == schema
