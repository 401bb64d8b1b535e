"""Digits, tables of text, and the split into parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradstep.datasets import Rows, load_csv, load_digits, load_npz
from gradstep.datasets.sets import split
from gradstep.datasets.tables.layout import DELIMITER
from gradstep.errors import CorruptFileError, DatasetNotFoundError, InvalidDataError, InvalidParameterError

FLOWERS = "length,width,kind\n1.5,2,rose\n-3e2, 4 ,tulip\n0,0.25,rose\n"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    file = tmp_path / "flowers.csv"
    file.write_text(FLOWERS)
    return file


def test_real_values_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    file.write_text("size,price\n1,1e3\n2, -2.5\n3,7\n")
    data = load_csv(file, "price", task="regression")
    np.testing.assert_array_equal(data.train.y, [1000.0, -2.5, 7.0])
    np.testing.assert_array_equal(data.train.X, [[1], [2], [3]])
    assert data.train.y.dtype == np.float64
    assert data.class_names == ()
    assert load_csv(file, "price", task="classification").class_names == ("-2.5", "1e3", "7")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("high", "row 2 of FILE must have a finite number in column 'price', got 'high'"),
        ("nan", "row 2 of FILE must have a finite number in column 'price', got 'nan'"),
        ("1_0", "got '1_0'"),
        (" ", "row 2 of FILE must have a target in column 'price', but it is empty"),
    ],
)
def test_a_target_that_is_no_real_value(tmp_path: Path, cell: str, message: str) -> None:
    file = tmp_path / "houses.csv"
    file.write_text(f"size,price\n1,2\n3,{cell}\n")
    with pytest.raises(InvalidDataError) as caught:
        load_csv(file, "price", task="regression")
    assert message.replace("FILE", str(file)) in str(caught.value)


@pytest.mark.parametrize("loader", [load_csv, load_npz])
def test_an_unknown_task(tmp_path: Path, csv_file: Path, loader: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"`task` of load_\w+ must be one of 'classification'"):
        loader(csv_file, task="ranking")


# Digits


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits as original

    data, (X, y) = load_digits(validation=None, test=None), original(return_X_y=True)
    np.testing.assert_array_equal(data.train.X, X)
    np.testing.assert_array_equal(data.train.y, y)
    assert data.train.X.dtype == np.uint8
    assert data.train.image_shape == (1, 8, 8)
    assert data.class_names == tuple("0123456789")
    assert data.feature_names is not None
    assert len(data.feature_names) == 64
    assert (data.validation, data.test) == (None, None)


def test_digits_parts_have_all_classes_alike() -> None:
    data = load_digits()
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1257, 270, 270)
    for part in (data.validation, data.test):
        assert np.ptp(np.bincount(part.y)) <= 2
    again, other = load_digits(random_state=0), load_digits(random_state=1)
    np.testing.assert_array_equal(data.train.X, again.train.X)
    assert not np.array_equal(data.train.X, other.train.X)


def test_digits_bad_parameters() -> None:
    with pytest.raises(InvalidParameterError, match="`test` of load_digits must be None, a number of rows"):
        load_digits(test=1797)
    with pytest.raises(InvalidParameterError, match=r"must leave rows to train on, got 900 \+ 897 of 1797"):
        load_digits(validation=900, test=897)
    with pytest.raises(InvalidParameterError, match="`random_state` of load_digits must be >= 0, got -1"):
        load_digits(random_state=-1)


# Splitting


@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=60),
    st.integers(0, 20),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 2**63 - 1)),
)
def test_parts_are_a_stratified_partition(
    labels: list[int], n_validation: int, n_test: int, seed: int
) -> None:
    n = len(labels)
    n_validation, n_test = min(n_validation, n // 3), min(n_test, n // 3)
    rows = Rows(np.arange(n).reshape(n, 1), np.array(labels))
    train, validation, test = split(rows, n_validation or None, n_test or None, seed, "test")
    parts = [part for part in (train, validation, test) if part is not None]
    assert [len(part) for part in parts] == [
        size for size in (n - n_validation - n_test, n_validation, n_test) if size
    ]
    assert sorted(np.concatenate([part.X[:, 0] for part in parts])) == list(range(n))
    for part in parts:
        assert (np.diff(part.X[:, 0]) > 0).all()  # in the order of the file
        np.testing.assert_array_equal(part.y, rows.y[part.X[:, 0]])
    # One row of every class is trained on; the others are dealt out in proportion.
    counts = np.bincount(labels, minlength=5)
    dealt = counts - np.minimum(counts, 1)
    for part in parts[1:]:
        expected = dealt * len(part) / max(1, dealt.sum())
        assert (abs(np.bincount(part.y, minlength=5) - expected) <= 2 + 1e-9).all()


def test_a_class_of_one_row_is_trained_on() -> None:
    labels = np.array(["a"] * 12 + ["b"] * 6 + ["dune", "elm"])
    rows = Rows(np.arange(20).reshape(20, 1), labels)
    for seed in range(20):
        train, validation, test = split(rows, 0.3, 0.3, seed, "test")
        assert validation is not None
        assert test is not None
        assert {"dune", "elm"} <= set(train.y)
        assert (len(validation), len(test)) == (6, 6)


def test_a_split_is_the_same_on_every_machine() -> None:
    rows = Rows(np.arange(12).reshape(12, 1), np.array([0, 1] * 6))
    _, validation, test = split(rows, 4, 2, 7, "test")
    assert validation is not None
    assert test is not None
    assert (validation.X[:, 0].tolist(), test.X[:, 0].tolist()) == ([4, 9, 10, 11], [3, 6])


@pytest.mark.parametrize(
    ("X", "y", "image_shape", "message"),
    [
        (np.zeros(3), np.zeros(3), None, r"y of shape \(n,\) or \(n, k\), got \(3,\) and \(3,\)"),
        (np.zeros((3, 2)), np.zeros((3, 1, 1)), None, r"got \(3, 2\) and \(3, 1, 1\)"),
        (np.zeros((3, 2)), np.zeros(2), None, r"got \(3, 2\) and \(2,\)"),
        (np.zeros((3, 4)), np.zeros(3), (1, 2, 3), r"of the 4 values in a row of X, got \(1, 2, 3\)"),
        (np.zeros((3, 4)), np.zeros(3), (2, 2), r"`image_shape` must be \(channels, height, width\)"),
        (np.zeros((3, 4)), np.zeros(3), 4, "got 4"),
        (np.zeros((3, 4)), np.zeros(3), (-1, -2, 2), "got"),
        (np.zeros((3, 4)), np.zeros(3), ("1", 2, 2), "got"),
    ],
)
def test_rows_that_do_not_go_together(X: Any, y: Any, image_shape: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Rows(X, y, image_shape)


# .csv


def test_csv(csv_file: Path) -> None:
    data = load_csv(csv_file)
    np.testing.assert_array_equal(data.train.X, [[1.5, 2], [-300, 4], [0, 0.25]])
    assert data.train.y.tolist() == ["rose", "tulip", "rose"]
    assert data.class_names == ("rose", "tulip")
    assert data.feature_names == ("length", "width")
    assert data.name == "flowers"
    assert (data.validation, data.test) == (None, None)
    assert data.train.X.flags.writeable


@pytest.mark.parametrize("target", ["kind", 1, -2])
def test_csv_target_by_name_and_by_place(tmp_path: Path, target: str | int) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a;kind;b\n1;10;2\n3;9;4\n")
    data = load_csv(str(file), target, delimiter=";")
    np.testing.assert_array_equal(data.train.X, [[1, 2], [3, 4]])
    assert data.train.y.dtype == np.int64
    assert data.train.y.tolist() == [10, 9]
    assert data.class_names == ("9", "10")
    assert data.feature_names == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["-1", "1"], [-1, 1]),
        (["007", "7"], ["007", "7"]),
        (["1", "x"], ["1", "x"]),
        (["1.0", "2.0"], ["1.0", "2.0"]),
        (["1_0", "10"], ["1_0", "10"]),
        ([str(2**63), "1"], [str(2**63), "1"]),
        ([str(2**63 - 1), "1"], [2**63 - 1, 1]),
        (['"a,b"', "ü"], ["a,b", "ü"]),
    ],
)
def test_csv_labels(tmp_path: Path, labels: list[str], expected: list[Any]) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x,y\n" + "".join(f"0,{label}\n" for label in labels), encoding="utf-8")
    assert load_csv(file).train.y.tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        FLOWERS.replace("\n", "\r\n"),
        "\ufeff" + FLOWERS,
        FLOWERS.rstrip("\n"),
        FLOWERS.replace("\n", "\n\n"),
        FLOWERS.replace("length", '"length"'),
        FLOWERS.replace(",", " , "),
    ],
    ids=["crlf", "byte order mark", "no last line end", "blank lines", "quotes", "spaces"],
)
def test_csv_ways_to_write_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "flowers.csv"
    file.write_bytes(text.encode())
    data = load_csv(file)
    np.testing.assert_array_equal(data.train.X, [[1.5, 2], [-300, 4], [0, 0.25]])
    assert data.train.y.tolist() == ["rose", "tulip", "rose"]
    assert data.feature_names == ("length", "width")


def test_csv_values_whose_sum_overflows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b,y\n1e308,1e308,0\n")
    np.testing.assert_array_equal(load_csv(file).train.X, [[1e308, 1e308]])


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3, st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_gives_back_every_number_exactly(tmp_path: Path, table: list[tuple[float, ...]]) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b,c,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in table))
    data = load_csv(file)
    np.testing.assert_array_equal(data.train.X, [row[:3] for row in table])
    np.testing.assert_array_equal(data.train.y, [row[3] for row in table])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a line of column names, but that is empty"),
        ("\n1,2\n", "must hold column names, got only numbers"),
        (",,\n1,2,3\n", "must hold column names, got only numbers"),
        ("a,b\n", "must have rows below its column names, but there are none"),
        ("a,b\n\n\n", "must have rows below"),
        ("a\n1\n", "must have two columns or more between delimiters ',', got only 'a'"),
        ("a,,y\n1,x,3\n", "column 2 of FILE must have a name in the first line; `ignore=1` leaves it out"),
        ("a,,y\n1,2,3\n4,2,3\n", "column 2 of FILE must have a name in the first line"),
        ("a, a,y\n1,2,3\n", "the column names of FILE must be unique, got 'a' twice"),
        ("1.5,2,0\n1,2,1\n", "the first line of FILE must hold column names, got only numbers"),
        ("a,b,y\n1,1,2,0\n2,1,2,1\n", "got 4; R leaves out the name of the first column, which is to be"),
        ("a,b,y\n1,2,0\n1,2\n", "row 2 of FILE must have 3 cells as the header has, got 2"),
        ("a,b,y\n1,2,0\n\n1,2,3,4\n", "row 2 of FILE must have 3 cells as the header has, got 4"),
        ("a,b,y\n1,2,0\n1,x,0\n", "row 2 of FILE must have a finite number in column 'b', got 'x'"),
        ("a,b\n,0\n ,1\n", "FILE must have a column beside the target, but there is none"),
        ("a,b,y\n-inf,inf,0\n", "must have a finite number in column 'a', got '-inf'"),
        ("a,b,y\n1e999,1,0\n", "must have a finite number in column 'a', got '1e999'"),
        ("a,b,y\n1,1_000,0\n", "must have a finite number in column 'b', got '1_000'"),
        ("a,b,y\n1,2, \n", "row 1 of FILE must have a target in column 'y', but it is empty"),
        ('a,b,y\n1,"2,0\n', "FILE is no table at line 2: unexpected end of data"),
        ("a,b,y\n1,2," + "x" * 200_000 + "\n", "FILE is no table at line 2: field larger than field limit"),
    ],
)
def test_csv_bad_content(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(InvalidDataError) as caught:
        load_csv(file)
    assert message.replace("FILE", str(file)) in str(caught.value)


def test_csv_that_is_not_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes("a,y\nü,1".encode("latin-1"))
    with pytest.raises(CorruptFileError, match=r"must be UTF-8 text.*`encoding` names another"):
        load_csv(file)


@pytest.mark.parametrize("target", ["colour", 3, -4, 1.0, True])
def test_csv_unknown_target(csv_file: Path, target: Any) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        load_csv(csv_file, target)
    assert str(caught.value) == (
        f"`target` of load_csv must be a column of {csv_file} (length, width, kind) "
        f"or its place from 0 to 2, got {target!r}"
    )


@pytest.mark.parametrize("delimiter", DELIMITER.wrong)
def test_csv_bad_delimiter(csv_file: Path, delimiter: Any) -> None:
    with pytest.raises(InvalidParameterError, match="`delimiter` of load_csv must be one character"):
        load_csv(csv_file, delimiter=delimiter)


@given(st.one_of(st.binary(max_size=60), st.text('0123456789aby,.;"\n\r e-_', max_size=60).map(str.encode)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_csv_give_a_table_or_a_clear_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(data)
    try:
        rows = load_csv(file).train
    except (InvalidDataError, CorruptFileError):
        return
    assert np.isfinite(rows.X).all()


@pytest.mark.parametrize("load", [load_csv, load_npz])
def test_no_such_file(tmp_path: Path, load: Any) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DatasetNotFoundError, match=f"`path` of {load.__name__} must be an existing file"):
            load(path)
    with pytest.raises(InvalidParameterError, match=f"`path` of {load.__name__} must be a string or a path"):
        load(None)
