"""What columns of a table are: numbers with gaps, categories, or something that an error asks about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradstep as gs
import makers
from gradstep.datasets import load_csv, load_rows
from gradstep.datasets.schema import CategoryColumn, NumberColumn
from gradstep.datasets.tables.cells import GAPS
from gradstep.errors import DatasetNotFoundError, InvalidDataError, InvalidParameterError
from gradstep.utils import memory


def _load(folder: Path, text: str, name: str = "a.csv", **given: Any) -> Any:
    (folder / name).write_text(text)
    return load_csv(folder / name, **given)


def _column(cells: list[str], name: str = "a") -> str:
    """Return a table with one column of these cells beside a number and a target."""
    lines = [f'{n / 2},"{cell}",{"uv"[n % 2]}' for n, cell in enumerate(cells)]
    return "\n".join([f"n,{name},y", *lines, ""])


def _refusal(folder: Path, text: str, **given: Any) -> str:
    with pytest.raises(InvalidDataError) as caught:
        _load(folder, text, **given)
    return str(caught.value).replace(str(folder / "a.csv"), "FILE")


@pytest.mark.parametrize("gap", sorted(GAPS))
def test_gaps_are_filled_by_the_median(tmp_path: Path, gap: str) -> None:
    data = _load(tmp_path, _column(["1", gap.upper(), "2", "9", f" {gap} "]))
    np.testing.assert_array_equal(data.train.X[:, 1], [1, 2, 2, 9, 2])
    assert "gaps filled by the median of the train rows: a (2 by 2)" in data.notes


def test_medians_and_categories_are_those_of_the_train_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(60) < 0.3, np.nan, rng.normal(size=60))
    cells = ["" if np.isnan(v) else repr(v) for v in values.tolist()]
    kinds = [f"k{n}" if n < 3 else "abc"[n % 3] for n in range(60)]
    rows = [
        f"{n},{cell},{kind},{'uv'[n % 2]}\n" for n, (cell, kind) in enumerate(zip(cells, kinds, strict=True))
    ]
    data = _load(tmp_path, "n,a,kind,y\n" + "".join(rows), test=20, validation=10)
    train = data.train.X[:, 0].astype(int)
    middle = float(np.nanmedian(values[train]))
    assert data.schema.columns[1] == NumberColumn("a", middle)
    known = tuple(sorted({kinds[n] for n in train}))
    assert data.schema.columns[2] == CategoryColumn("kind", known)
    for part in (data.train, data.validation, data.test):
        numbers = part.X[:, 0].astype(int)
        np.testing.assert_array_equal(part.X[:, 1], np.nan_to_num(values[numbers], nan=middle))
        np.testing.assert_array_equal(part.X[:, 2:], [[kinds[n] == kind for kind in known] for n in numbers])
    unknown = sum(kind not in known for kind in kinds)
    told = [note for note in data.notes if note.startswith("categories that the train rows have not")]
    assert bool(told) == bool(unknown)
    assert not told or f"kind ({unknown} rows" in told[0]


def test_categories(tmp_path: Path) -> None:
    data = _load(tmp_path, _column(["basic", "plus", "", "basic", " plus "], "plan"))
    assert data.feature_names == ("n", "plan=", "plan=basic", "plan=plus")
    np.testing.assert_array_equal(
        data.train.X, [[0, 0, 1, 0], [0.5, 0, 0, 1], [1, 1, 0, 0], [1.5, 0, 1, 0], [2, 0, 0, 1]]
    )
    assert "categories, an input for each: plan (3)" in data.notes


def test_true_and_false(tmp_path: Path) -> None:
    data = _load(tmp_path, _column(["True", "false", "", "TRUE", "True"], "red"))
    np.testing.assert_array_equal(data.train.X[:, 1], [1, 0, 1, 1, 1])
    assert "True and False are 1 and 0: red" in data.notes


def test_texts_with_a_few_numbers_are_categories_as_they_are_written(tmp_path: Path) -> None:
    data = _load(tmp_path, _column(["A", "B", "007", "B", "A", "7.0", "A"]))
    assert data.feature_names == ("n", "a=007", "a=7.0", "a=A", "a=B")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "x", "4"], "row 3 of FILE must have a finite number in column 'a', got 'x'"),
        (["1", "2", "2,5", "4"], "holds numbers with commas, as '2,5': `decimal=,`"),
        (["1", "2", "inf", "4"], "row 3 of FILE must have a finite number in column 'a', got 'inf'"),
        (["x", "1_0", "y", "z"], "row 2 of FILE must have a finite number in column 'a', got '1_0'"),
        (["1", "na", "?", "x", "2"], "row 4 of FILE must have a finite number in column 'a', got 'x'"),
        (
            ["2020-01-31", "2020-02-01"],
            "must hold numbers or categories, got dates or times, as '2020-01-31'",
        ),
        (["31.1.20", "1.2.20"], "got dates or times, as '31.1.20'"),
        (["1/31/2020 5:01 PM", "2/1/2020 11:15 AM"], "got dates or times"),
        (["2020-01-31T10:00:00.5Z", "2020-01-31T10:00:00+01:00"], "got dates or times"),
        (["10:15", "9:00:01"], "got dates or times"),
        (["12 %", "3.5%"], "holds numbers with other signs, as '12 %', which must be taken away"),
        (["$5", "$7.50"], "holds numbers with other signs, as '$5'"),
        (["1 200", "950 000"], "holds numbers with other signs, as '1 200'"),
        (
            ["1,5", "2,25"],
            "holds numbers with commas, as '1,5': `decimal=,` takes these for decimal ones; those between",
        ),
        (
            [f"name {n}" for n in range(30)],
            "has 30 different texts in 30 rows, too many for categories, as 'name 0'",
        ),
    ],
)
def test_columns_that_an_error_asks_about(tmp_path: Path, cells: list[str], message: str) -> None:
    text = _column(cells)
    found = _refusal(tmp_path, text)
    assert message in found
    assert found.endswith("; `ignore=a` leaves the column out, `categorical=a` takes it for categories")
    assert _load(tmp_path, text, ignore="a").feature_names == ("n",)
    kinds = _load(tmp_path, text, categorical="a").schema.columns[1].categories
    assert kinds == tuple(sorted(set(cells)))


def test_numbers_that_are_categories(tmp_path: Path) -> None:
    data = _load(tmp_path, _column(["8001", "0100", "8001"], "zip"), categorical=["zip"])
    assert data.feature_names == ("n", "zip=0100", "zip=8001")


def test_zeros_before_numbers_are_told(tmp_path: Path) -> None:
    data = _load(tmp_path, _column(["8001", "0100", "8001"], "zip"))
    np.testing.assert_array_equal(data.train.X[:, 1], [8001, 100, 8001])
    assert "zeros before a number are nothing: zip; `categorical=zip` is for codes" in data.notes
    assert not [note for note in _load(tmp_path, _column(["0.5", "0", "10"])).notes if "zeros" in note]


def test_integers_of_too_many_digits(tmp_path: Path) -> None:
    text = _column(["1", str(2**53), "9007199254740993"])
    assert _refusal(tmp_path, text) == (
        "row 3 of FILE has an integer of too many digits to be a number in column 'a', "
        "got '9007199254740993': `ignore=a` leaves the column out, `categorical=a` takes it for categories"
    )
    assert len(_load(tmp_path, text, categorical="a").feature_names) == 4
    np.testing.assert_array_equal(_load(tmp_path, _column(["1e300", "2"])).train.X[:, 1], [1e300, 2])


def test_numbers_of_rows_are_told(tmp_path: Path) -> None:
    lines = [f"{1000 + 7 * n},{n % 5},{n % 2}\n" for n in range(30)]
    notes = _load(tmp_path, "customer,age,y\n" + "".join(lines)).notes
    expected = (
        "a different whole number in every row: customer; "
        "`ignore=customer` leaves out what only numbers the rows"
    )
    assert expected in notes


# Targets


def _target(cells: list[str]) -> str:
    return "a,price\n" + "".join(f"{n / 2},{cell}\n" for n, cell in enumerate(cells))


def test_which_column_is_the_target_is_told(tmp_path: Path) -> None:
    told = "target: price, the last column (`target` names another)"
    assert told in _load(tmp_path, _target(["u", "v"])).notes
    assert told not in _load(tmp_path, _target(["u", "v"]), target="price").notes


def test_a_label_that_stands_first_is_asked_about(tmp_path: Path) -> None:
    text = "Label,pixel0,pixel1\n3,0,1\n4,1,0\n"
    assert _refusal(tmp_path, text) == (
        "FILE has a column 'Label', but its last is 'pixel1': `target` says which is answered"
    )
    assert _load(tmp_path, text, target="Label").train.y.tolist() == [3, 4]
    assert _load(tmp_path, text, target="pixel1").train.y.tolist() == [1, 0]
    assert _load(tmp_path, text, ignore="Label").schema.target == "pixel1"
    assert _load(tmp_path, "y,label\n1,3\n0,4\n").schema.target == "label"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1.5", "2.5", "1.5"],
            "the target 'price' has real values, 2 different ones: `task=regression` is for these",
        ),
        (
            [str(n) for n in range(40)],
            "the target 'price' has 40 different integers in 40 rows: `task=regression` is",
        ),
        (
            [f"n{n}" for n in range(40)],
            "the target 'price' has 40 different texts in 40 rows: `target` names another",
        ),
    ],
)
def test_targets_that_may_be_no_classes(tmp_path: Path, cells: list[str], message: str) -> None:
    found = _refusal(tmp_path, _target(cells))
    assert message in found
    assert found.endswith("`target` names another column, `task=classification` takes each for a class")
    data = _load(tmp_path, _target(cells), task="classification")
    assert len(data.class_names) == len(set(cells))


def test_answers_with_decimal_commas(tmp_path: Path) -> None:
    text = 'a,price\n1,"1,5"\n2,2\n'
    found = _refusal(tmp_path, text)
    assert found.startswith("the target 'price' has numbers with commas, as '1,5': `decimal=,` takes these")
    assert _load(tmp_path, text, task="classification").class_names == ("1,5", "2")
    assert _refusal(tmp_path, text, task="regression").endswith(
        "got '1,5'; `decimal=,` takes commas for decimal ones"
    )
    assert _load(tmp_path, text, task="regression", decimal=",").train.y.tolist() == [1.5, 2]


@pytest.mark.parametrize("others", [["1", "2"], ["DE", "FR"]])
def test_gaps_among_labels(tmp_path: Path, others: list[str]) -> None:
    text = _target([others[0], "NA", others[1]])
    assert _refusal(tmp_path, text) == (
        "row 2 of FILE may have no answer in column 'price', got 'NA': rows without one must be taken away, "
        "`task=classification` takes it for a class"
    )
    assert _load(tmp_path, text, task="classification").class_names == (*others, "NA")


def test_labels_that_only_look_like_gaps(tmp_path: Path) -> None:
    assert _load(tmp_path, _target(["+", "-", "+"])).class_names == ("+", "-")
    assert _load(tmp_path, _target(["mild", "none", "mild"])).class_names == ("mild", "none")


def test_more_inputs_than_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 8 * 5 * 3)
    assert len(_load(tmp_path, _column(["u", "v", "u", "v", "v"])).feature_names) == 3
    assert (
        "categories would take 160 bytes as inputs, more than the memory that is free; 'a' has 3: `ignore=a`"
        in (_refusal(tmp_path, _column(["u", "v", "u", "w", "v"])))
    )


# Other tables for validation and test

TRAIN = "age,plan,left\n1,basic,no\n,plus,yes\n3,basic,no\n8,plus,yes\n"


def test_another_table_for_the_test(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("plan,note,left,age\nbasic,x,yes,5\ngold,y,no,\n")
    data = _load(tmp_path, TRAIN, test=tmp_path / "test.csv", validation=1)
    train = data.train.X[:, 0]
    middle = data.schema.columns[0].fill
    assert middle in train
    np.testing.assert_array_equal(data.test.X, [[5, 1, 0], [middle, 0, 0]])
    assert data.test.y.tolist() == ["yes", "no"]
    assert "test: left out, as the model does not know them: note" in data.notes
    assert f"test: gaps filled by the median of the train rows: age (1 by {middle:g})" in data.notes
    assert any(
        re.match(r"test: categories that the train rows have not.*plan \(1 rows, as 'gold'\)", n)
        for n in data.notes
    )


def test_another_table_of_real_values(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("y\ta\n0.5\t3\n")
    data = _load(tmp_path, "a,y\n1,2\n2,3\n", test=str(tmp_path / "test.tsv"), task="regression")
    np.testing.assert_array_equal(data.test.X, [[3]])
    np.testing.assert_array_equal(data.test.y, [0.5])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            'age,plan,left\n"1,5",basic,no\n',
            "number in column 'age', got '1,5'; `decimal=,` takes commas for decimal ones",
        ),
        ("age,left\n1,no\n", "FILE must have the columns of the model, but lacks plan; it has age, left"),
        ("age,plan\n1,basic\n", "FILE must have the target 'left'; it has age, plan: `target` names another"),
        (
            "age,plan,left\n1,basic,maybe\n",
            "a class that the model knows in column 'left', got 'maybe'; it knows no, yes",
        ),
        (
            "age,plan,left\nold,basic,no\n",
            "row 1 of FILE must have a finite number in column 'age', got 'old'",
        ),
    ],
)
def test_another_table_that_does_not_fit(tmp_path: Path, other: str, message: str) -> None:
    (tmp_path / "test.csv").write_text(other)
    with pytest.raises(InvalidDataError) as caught:
        _load(tmp_path, TRAIN, test=tmp_path / "test.csv")
    assert message in str(caught.value).replace(str(tmp_path / "test.csv"), "FILE")


def test_further_rows_for_a_model(tmp_path: Path) -> None:
    data = _load(tmp_path, TRAIN)
    model = makers.trainer().fit(data.train.X, data.train.y)
    wanted = model.predict_proba([[3, 1, 0], [5, 0, 1]])
    assert not hasattr(model, "schema_")
    model.remember(data).save(tmp_path / "model")
    (tmp_path / "new.csv").write_text("plan,left,age\nbasic,no,\nplus,yes,5\n")
    copy = gs.load_model(tmp_path / "model")
    rows = load_rows(tmp_path / "new.csv", copy.schema_)
    middle = data.schema.columns[0].fill
    np.testing.assert_array_equal(rows.X, [[middle, 1, 0], [5, 0, 1]])
    assert rows.labels(copy.classes_).tolist() == ["no", "yes"]
    assert middle == 3
    np.testing.assert_array_equal(copy.predict_proba(rows.to_pandas()), wanted)
    with pytest.raises(ValueError, match="feature names should match"):
        copy.predict(rows.to_pandas().iloc[:, ::-1])
    assert not hasattr(copy.fit(data.train.X, data.train.y), "schema_")
    (tmp_path / "new.csv").write_text("plan,age\nbasic,\n")
    with pytest.raises(InvalidDataError, match="has no column with the target"):
        load_rows(tmp_path / "new.csv", data.schema).labels(copy.classes_)
    with pytest.raises(InvalidDataError, match="must have 3 columns as the model has inputs, got 1"):
        model.remember(_load(tmp_path, "a,y\n1,u\n2,v\n"))
    with pytest.raises(InvalidParameterError, match="`decimal` of load_rows must be one of"):
        load_rows(tmp_path / "new.csv", data.schema, decimal="x")


def test_another_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="must be an existing file"):
        _load(tmp_path, TRAIN, test=tmp_path / "test.csv")
