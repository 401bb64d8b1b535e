"""Tables as tools write them: packed, in other encodings, with other marks, without headers."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from gradstep.datasets import load_csv
from gradstep.datasets.tables import cells, layout
from gradstep.datasets.tables import text as text_files
from gradstep.errors import CorruptFileError, InvalidDataError, InvalidParameterError

TABLE = "age,size,kind\n1,2.5,rose\n3,-4,lily\n5,0.125,rose\n"
X = [[1, 2.5], [3, -4], [5, 0.125]]


def _load(folder: Path, text: str | bytes, name: str = "a.csv", **given: Any) -> Any:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return load_csv(folder / name, **given)


def _refusal(folder: Path, text: str | bytes, name: str = "a.csv", **given: Any) -> str:
    with pytest.raises((InvalidDataError, CorruptFileError, InvalidParameterError)) as caught:
        _load(folder, text, name, **given)
    return str(caught.value).replace(str(folder / name), "FILE")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(TABLE.encode(), mtime=0)),
        ("a.csv.bz2", bz2.compress(TABLE.encode())),
        ("a.CSV.XZ", lzma.compress(TABLE.encode())),
        ("a.tsv", TABLE.replace(",", "\t").encode()),
        ("a.tab", TABLE.replace(",", "\t").encode()),
        ("a.tsv.gz", gzip.compress(TABLE.replace(",", "\t").encode(), mtime=0)),
        ("a.csv", TABLE.replace(",", "\t").encode()),
        ("a.csv", TABLE.replace(",", ";").encode()),
        ("a.csv", TABLE.replace(",", "|").encode()),
        ("a.csv", TABLE.replace(",", " ").encode()),
        ("a.csv", TABLE.replace(",", "  ").encode()),
        ("a.csv", TABLE.replace("rose", '"rose"').replace(",", ", ").encode()),
        ("a.txt", TABLE.replace(",", "\t").encode()),
        ("a.data", TABLE.encode()),
        ("a.csv", TABLE.encode("utf-16")),
        ("a.csv", TABLE.encode("utf-32")),
        ("a.csv", TABLE.encode("utf-8-sig")),
        ("a.csv", TABLE.replace("\n", "\r").encode()),
        ("a.csv", ("sep=;\n" + TABLE.replace(",", ";")).encode()),
        ("a.csv", (TABLE + ",,\n , ,\n").encode()),
    ],
)
def test_ways_to_write_the_same_table(tmp_path: Path, name: str, content: bytes) -> None:
    data = _load(tmp_path, content, name)
    np.testing.assert_array_equal(data.train.X, X)
    assert data.train.y.tolist() == ["rose", "lily", "rose"]
    assert data.feature_names == ("age", "size")
    assert data.name == "a"


def test_a_delimiter_that_was_found_out_is_told(tmp_path: Path) -> None:
    assert "between cells: ';' (`delimiter` says another)" in _load(tmp_path, TABLE.replace(",", ";")).notes
    assert not [note for note in _load(tmp_path, TABLE).notes if "between" in note]


def test_a_delimiter_that_cannot_be_found_out_is_asked_for(tmp_path: Path) -> None:
    text = "a;b,c;y\n1;2,3;0\n4;5,6;1\n"
    assert _refusal(tmp_path, text) == (
        "the rows of FILE can be split in two ways: `delimiter=','` or `delimiter=';'` says how"
    )
    np.testing.assert_array_equal(
        _load(tmp_path, text, delimiter=";", decimal=",").train.X, [[1, 2.3], [4, 5.6]]
    )


def test_decimal_commas(tmp_path: Path) -> None:
    text = TABLE.replace(",", ";").replace(".", ",")
    assert "holds numbers with commas, as '2,5': `decimal=,`" in _refusal(tmp_path, text)
    data = _load(tmp_path, text, decimal=",")
    np.testing.assert_array_equal(data.train.X, X)
    # A point may stand before decimals or between thousands.
    message = _refusal(tmp_path, "a;b;y\n1,5;1.500;0\n2,5;2;1\n", decimal=",")
    assert message.startswith("row 1 of FILE must have a finite number in column 'b', got '1.500'")


def test_real_values_with_decimal_commas(tmp_path: Path) -> None:
    data = _load(tmp_path, "a;y\n1,5;-2,25\n2;1e1\n", decimal=",", task="regression")
    np.testing.assert_array_equal(data.train.y, [-2.25, 10])


def test_another_encoding(tmp_path: Path) -> None:
    content = "größe,art\n1,Tülpe\n2,Rose\n".encode("latin-1")
    assert "FILE must be UTF-8 text" in _refusal(tmp_path, content)
    data = _load(tmp_path, content, encoding="latin-1")
    assert (data.feature_names, data.class_names) == (("größe",), ("Rose", "Tülpe"))
    assert "zero bytes; `encoding` names another" in _refusal(tmp_path, TABLE.encode("utf-16-le"))
    assert _load(tmp_path, TABLE.encode("utf-8-sig"), encoding="utf8").feature_names == ("age", "size")


@pytest.mark.parametrize("cut", [10, 20, 40])
@pytest.mark.parametrize(
    ("end", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_damaged_packed_files(tmp_path: Path, end: str, pack: Any, cut: int) -> None:
    whole = pack(TABLE.encode())
    for content in (whole[:cut], whole[:cut] + b"\xff\x00" + whole[cut + 2 :], b"", TABLE.encode()):
        assert "FILE" in _refusal(tmp_path, content, "a.csv" + end)


def test_small_files_that_unpack_to_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "_MOST_CHARACTERS", 20_000)
    monkeypatch.setattr(text_files, "_LONGEST_LINE", 1000)
    many = "a,b,y\n" + "1,2,0\n1,3,1\n" * 2000
    assert "FILE holds more than 100 times what it takes up: unpacked by hand" in (
        _refusal(tmp_path, gzip.compress(many.encode()), "a.csv.gz")
    )
    assert len(_load(tmp_path, many).train) == 4000
    assert "FILE is no table: it has a line of more than 1000 characters" in (
        _refusal(tmp_path, "a,b,y\n1,2," + "x" * 1000)
    )


# Headers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5.1,3.5,setosa\n4.9,3,setosa\n6,2.5,virginica\n", "must hold column names, got the number '5.1'"),
        ("1,2,3\n4,5,6\n", "must hold column names, got only numbers"),
        ("x,a,e\ny,b,p\nx,b,e\n", "the first line of FILE may be a row: 'x' is also in a row below it"),
        (
            "x,x,e\ny,b,p\nx,b,e\n",
            "must be unique, got 'x' twice; `header=False` takes the first line for a row",
        ),
    ],
)
def test_a_row_never_becomes_a_header(tmp_path: Path, text: str, message: str) -> None:
    found = _refusal(tmp_path, text)
    assert message in found
    assert "`header=False`" in found
    data = _load(tmp_path, text, header=False, task="classification")
    assert len(data.train) == text.count("\n")
    assert data.schema.target == "x2"


def test_names_that_are_also_values(tmp_path: Path) -> None:
    data = _load(tmp_path, "x,a,e\ny,b,p\nx,b,e\n", header=True)
    assert data.feature_names == ("x=x", "x=y", "a=b")


def test_names_that_are_numbers(tmp_path: Path) -> None:
    data = _load(tmp_path, "2019,2020,y\n1,2,a\n3,4,b\n", header=True)
    assert data.feature_names == ("2019", "2020")
    assert data.train.y.tolist() == ["a", "b"]


def test_a_header_in_the_middle(tmp_path: Path) -> None:
    assert (
        _refusal(tmp_path, TABLE + TABLE) == "row 4 of FILE must be no header, but it repeats the first line"
    )


# Columns without a name, or that are left out


def test_an_index_of_pandas_is_left_out_and_told(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": [0.5, 1.5, 2.5], "y": ["u", "v", "u"]}, index=[7, 3, 5])
    for text in (frame.to_csv(), frame.to_csv().replace(",a,y", "Unnamed: 0,a,y")):
        data = _load(tmp_path, text)
        np.testing.assert_array_equal(data.train.X, [[0.5], [1.5], [2.5]])
        assert data.feature_names == ("a",)
        assert "left out: column 1, which has no name and numbers the rows" in data.notes
        assert "numbers the rows" in repr(data)


def test_a_comma_at_the_end_of_every_line(tmp_path: Path) -> None:
    data = _load(tmp_path, TABLE.replace("\n", ",\n"))
    np.testing.assert_array_equal(data.train.X, X)
    assert data.schema.target == "kind"
    assert "left out, as all of its cells are empty: column 4" in data.notes


def test_columns_to_ignore(tmp_path: Path) -> None:
    text = "id,when,a,y\n17,2020-01-01,1,u\n18,2020-01-02,2,v\n"
    for ignore in (["id", "when"], [0, 1], ("when", -4)):
        np.testing.assert_array_equal(_load(tmp_path, text, ignore=ignore).train.X, [[1], [2]])
    np.testing.assert_array_equal(_load(tmp_path, text, ignore="when").train.X, [[17, 1], [18, 2]])
    assert _load(tmp_path, text, ignore=["when", "y"]).schema.target == "a"
    assert "`ignore` of load_csv must be a column of FILE (id, when, a, y)" in _refusal(
        tmp_path, text, ignore="b"
    )
    assert "must not have the target, got 'y'" in _refusal(tmp_path, text, ignore="y", target="y")
    assert "must have a column beside the target 'y'" in _refusal(tmp_path, text, ignore=[0, 1, 2])
    assert "must leave columns of FILE" in _refusal(tmp_path, text, ignore=[0, 1, 2, 3])


def test_columns_whose_names_are_numbers(tmp_path: Path) -> None:
    text = "2,1,a\n5,6,u\n7,8,v\n"
    np.testing.assert_array_equal(_load(tmp_path, text, header=True, ignore="1").train.X, [[5], [7]])
    np.testing.assert_array_equal(_load(tmp_path, text, header=True, ignore="0").train.X, [[6], [8]])
    assert _load(tmp_path, text, header=True, target="-1").train.y.tolist() == ["u", "v"]
    assert _refusal(tmp_path, TABLE, target="Kind").endswith("got 'Kind'; did you mean kind?")


def test_blocks_make_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that prove to be texts in a later block are read again from the first row."""
    monkeypatch.setattr(cells, "_CELLS_OF_A_BLOCK", 8)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 2))
    codes = [str(n % 3) for n in range(20)] + ["b" if n % 2 else "a" for n in range(30)]
    lines = [
        f"{a!r},{code},{b!r},{n % 2}\n"
        for n, ((a, b), code) in enumerate(zip(values.tolist(), codes, strict=True))
    ]
    data = _load(tmp_path, "p,code,q,y\n" + "".join(lines))
    assert data.schema.inputs == ("p", "code=0", "code=1", "code=2", "code=a", "code=b", "q")
    np.testing.assert_array_equal(data.train.X[:, [0, -1]], values)
    np.testing.assert_array_equal(data.train.X[:, 1:-1], [[code == c for c in "012ab"] for code in codes])


def test_twenty_thousand_columns(tmp_path: Path) -> None:
    names = ",".join(f"gene{i}" for i in range(20_000))
    data = _load(tmp_path, f"{names},y\n{'1,' * 20_000}a\n{'2,' * 20_000}b\n")
    np.testing.assert_array_equal(data.train.X, np.repeat([[1.0], [2.0]], 20_000, axis=1))
    assert data.feature_names == tuple(names.split(","))


@pytest.mark.parametrize(
    ("parameter", "constraint"),
    [
        ("delimiter", "one character, no quote and no line end or None"),
        ("decimal", "one of '.', ','"),
        ("encoding", "an encoding that Python knows, as 'latin-1' or None"),
        ("header", "True or False or None"),
        ("task", "one of 'classification', 'regression' or None"),
    ],
)
@pytest.mark.parametrize("value", ["latin-99", 3])
def test_bad_parameters(tmp_path: Path, parameter: str, constraint: str, value: Any) -> None:
    message = _refusal(tmp_path, TABLE, **{parameter: value})
    assert message == f"`{parameter}` of load_csv must be {constraint}, got {value!r}"


def test_encodings_that_are_none() -> None:
    constraint = layout.ENCODING
    assert [value for value in constraint.wrong if constraint.holds(value)] == []
    assert all(map(constraint.holds, ("latin-1", "cp1252", "utf-16")))
