"""The parameters of the loaders as options: one table says which data takes which of them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradstep.cli.options import integer

#: Share of the rows of one's own file held out for validation, and again for the test.
HELD_OUT = 0.15


@dataclass(frozen=True)
class DataOption:
    """One parameter of the loaders on the command line.

    Attributes
    ----------
    flag : str
    parameter : str
        Its name in the loaders.
    kinds : tuple of str
        Which data it goes with, of `LOADERS`.
    parse : callable of str
    metavar, help : str
    several : int, "+" or None
        Number of words, where it is more than one.
    """

    flag: str
    parameter: str
    kinds: tuple[str, ...]
    parse: Callable[[str], Any]
    metavar: str | tuple[str, ...]
    help: str
    several: int | str | None = None

    @property
    def owners(self) -> str:
        """The loaders that have the parameter, as a pattern."""
        return "|".join(LOADERS[kind] for kind in self.kinds)

    @property
    def destination(self) -> str:
        """Where argparse puts the value."""
        return "data" + self.flag.replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """Whether it is a pair of flags, ``--name`` and ``--no-name``."""
        return self.parse is bool

    def value(self, words: Any) -> Any:
        """Return the parameter's value from what argparse collected."""
        return tuple(words) if self.several else words

    def spelt(self, found: re.Match[str]) -> str:
        """Return the option for a parameter in a message, with its value where the message has one."""
        value = found[1]
        if self.is_switch:
            return self.flag.replace("--", "--no-") if value == "False" else self.flag
        return self.flag if value is None else f"{self.flag} {value}"


def _held_out(text: str) -> Any:
    """Read a number of rows, a share of them, a file of them, or ``none``."""
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        pass
    if kind_of_file(text) is not None:
        return text
    raise argparse.ArgumentTypeError(
        f"must be a number of rows, a share of them, a file or none, got {text!r}"
    )


def _batch_or_held_out(text: str) -> Any:
    """Read the name of a batch too; the loader knows which there are."""
    try:
        return _held_out(text)
    except argparse.ArgumentTypeError:
        return text


def _delimiter(text: str) -> str:
    """Read a character, or a tab as people type it."""
    return "\t" if text in ("\\t", "tab") else text


#: Kinds of one's own files: tables and arrays.
FILES = (".csv", ".npz", ".npy")

#: The loaders by the data that they load.
LOADERS = {
    "cifar10": "load_cifar10",
    "digits": "load_digits",
    ".csv": "load_csv",
    ".npz": "load_npz",
    ".npy": "load_npy",
}

_ENDS = {
    ".csv": re.compile(r"\.(csv|tsv|tab|txt|dat|data)(\.(gz|bz2|xz))?$", re.IGNORECASE),
    ".npz": re.compile(r"\.npz$", re.IGNORECASE),
    ".npy": re.compile(r"\.npy$", re.IGNORECASE),
}


def kind_of_file(name: str) -> str | None:
    """Return which of `FILES` a name is one of, by its end."""
    return next((kind for kind, end in _ENDS.items() if end.search(name)), None)


DATA_OPTIONS = (
    DataOption("--path", "path", ("cifar10",), Path, "FOLDER", "folder with the official CIFAR-10 files"),
    DataOption(
        "--train-batch",
        "train",
        ("cifar10",),
        str,
        "BATCH",
        "CIFAR-10 batch to train on: data_batch_1 to data_batch_5, or all (default: data_batch_1)",
    ),
    DataOption(
        "--validation",
        "validation",
        ("cifar10", "digits", *FILES),
        _batch_or_held_out,
        "ROWS|FILE",
        "rows to hold out for validation: a number, a share, none, a .csv or .npz file of them, or a "
        f"CIFAR-10 batch (default: data_batch_2, elsewhere {HELD_OUT})",
    ),
    DataOption(
        "--test",
        "test",
        ("digits", *FILES),
        _held_out,
        "ROWS|FILE",
        "rows to hold out for the test: a number, a share, none, or a .csv or .npz file of them "
        f"(default: {HELD_OUT})",
    ),
    DataOption(
        "--target",
        "target",
        (".csv",),
        str,
        "COLUMN",
        "column with the class or value, by name or by place from 0 (default: the last)",
    ),
    DataOption(
        "--ignore",
        "ignore",
        (".csv",),
        str,
        "COLUMN",
        "columns to leave out, by name or by place",
        "+",
    ),
    DataOption(
        "--categorical",
        "categorical",
        (".csv",),
        str,
        "COLUMN",
        "columns whose values are categories though they are numbers, dates or many",
        "+",
    ),
    DataOption(
        "--delimiter",
        "delimiter",
        (".csv",),
        _delimiter,
        "CHARACTER",
        "between two cells, \\t for a tab (default: what splits the first rows alike)",
    ),
    DataOption(
        "--decimal",
        "decimal",
        (".csv",),
        str,
        ".|,",
        "what stands before the decimals of a number (default: .)",
    ),
    DataOption(
        "--encoding",
        "encoding",
        (".csv",),
        str,
        "NAME",
        "encoding of the text, as latin-1 (default: what its first bytes say, else utf-8)",
    ),
    DataOption(
        "--header",
        "header",
        (".csv",),
        bool,
        "",
        "whether the first line has the names of the columns (default: yes; where it may be a row, an error "
        "asks)",
    ),
    DataOption("--x-key", "X", (".npz",), str, "KEY", "array with the inputs (default: X)"),
    DataOption(
        "--y-key",
        "y",
        (".npz",),
        str,
        "KEY",
        "array with the classes, indicators (n, k) or values (default: y)",
    ),
    DataOption(
        "--x-test-key",
        "X_test",
        (".npz",),
        str,
        "KEY",
        "array with the inputs of the test rows (default: test in place of train in --x-key, where both are)",
    ),
    DataOption(
        "--y-test-key", "y_test", (".npz",), str, "KEY", "array with the classes or values of the test rows"
    ),
    DataOption(
        "--max-bytes",
        "max_bytes",
        (".npz",),
        integer,
        "BYTES",
        "the most memory that the arrays may take (default: 1 GiB, or 100 times the file where that is more)",
    ),
    DataOption(
        "--labels",
        "y",
        (".npy",),
        str,
        "FILE",
        "the .npy file with the classes, indicators (n, k) or values of the rows",
    ),
    DataOption(
        "--copy",
        "copy",
        (".npy",),
        bool,
        "",
        "copy the rows into memory and draw those held out (default: they stay on the disk, and the last of "
        "the file are held out)",
    ),
    DataOption(
        "--channels",
        "channels",
        (".npz", ".npy"),
        str,
        "first|last",
        "where the channels of images stand (default: where their number is 1, 3 or 4)",
    ),
    DataOption(
        "--image-shape",
        "image_shape",
        FILES,
        integer,
        ("CHANNELS", "HEIGHT", "WIDTH"),
        "where a row is an image: its shape, for the pictures of the report and for --augment",
        3,
    ),
)
