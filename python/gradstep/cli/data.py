"""Which rows to train on, as options: one table says which loader takes which of them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradstep.cli.options import integer
from gradstep.errors import DatasetNotFoundError, GradstepError, InvalidDataError, InvalidParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep.datasets import DataSet, Rows

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
        Which data it goes with: "cifar10", "digits", ".csv" or ".npz".
    parse : callable of str
    metavar, help : str
    several : int or None
        Number of words, where it is more than one.
    """

    flag: str
    parameter: str
    kinds: tuple[str, ...]
    parse: Callable[[str], Any]
    metavar: str | tuple[str, ...]
    help: str
    several: int | None = None

    @property
    def destination(self) -> str:
        """Where argparse puts the value."""
        return "data" + self.flag.replace("-", "_")

    def spelt(self, found: re.Match[str]) -> str:
        """Return the option for a parameter in a message, with its value where the message has one."""
        return self.flag if found[1] is None else f"{self.flag} {found[1]}"


def _held_out(text: str) -> Any:
    """Read a number of rows, a share of them, or ``none``."""
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number of rows, a share of them or none, got {text!r}"
        ) from None


def _batch_or_held_out(text: str) -> Any:
    """Read the name of a batch too; the loader knows which there are."""
    try:
        return _held_out(text)
    except argparse.ArgumentTypeError:
        return text


def _column(text: str) -> str | int:
    """Read a column's place where the text is a number, else its name."""
    return int(text) if text.lstrip("-").isdecimal() else text


_FILES = (".csv", ".npz")
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
        ("cifar10", "digits", *_FILES),
        _batch_or_held_out,
        "ROWS",
        "rows to hold out for validation: a number, a share, none, or a CIFAR-10 batch "
        f"(default: data_batch_2, elsewhere {HELD_OUT})",
    ),
    DataOption(
        "--test",
        "test",
        ("digits", *_FILES),
        _held_out,
        "ROWS",
        f"rows to hold out for the test: a number, a share or none (default: {HELD_OUT})",
    ),
    DataOption(
        "--target",
        "target",
        (".csv",),
        _column,
        "COLUMN",
        "column with the class or value, by name or by place from 0 (default: the last)",
    ),
    DataOption("--delimiter", "delimiter", (".csv",), str, "CHARACTER", "between two cells (default: ,)"),
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
        "--image-shape",
        "image_shape",
        _FILES,
        integer,
        ("CHANNELS", "HEIGHT", "WIDTH"),
        "where a row is an image: its shape, for the pictures of the report and for --augment",
        3,
    ),
)


def add_data_options(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Add ``--data`` and what goes with it; without a default it must be given."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="cifar10|digits|FILE",
        required=default is None,
        default=default,
        help="CIFAR-10, the handwritten digits that come along, or one's own .csv or .npz file"
        + (f" (default: {default})" if default else ""),
    )
    for option in DATA_OPTIONS:
        group.add_argument(
            option.flag,
            dest=option.destination,
            type=option.parse,
            metavar=option.metavar,
            nargs=option.several,
            default=argparse.SUPPRESS,
            help=option.help,
        )


def load(arguments: argparse.Namespace) -> DataSet:
    """Load what ``--data`` and its options name.

    Raises
    ------
    GradstepError
        Of the loader, or for an option that does not go with the data.
    """
    from gradstep import datasets

    kind = _kind(arguments.data)
    if kind not in _FILES and arguments.task == "regression":
        raise InvalidParameterError(
            f"--task regression goes with {' or '.join(_FILES)}, got --data {arguments.data}"
        )
    given: dict[str, Any] = {}
    for option in DATA_OPTIONS:
        if not hasattr(arguments, option.destination):
            continue
        if kind not in option.kinds:
            raise InvalidParameterError(
                f"{option.flag} goes with {' or '.join(option.kinds)}, got --data {arguments.data}"
            )
        value = getattr(arguments, option.destination)
        given[option.parameter] = tuple(value) if option.several else value
    if kind == "cifar10":
        return datasets.load_cifar10(**given)
    if kind == "digits":
        return datasets.load_digits(**given)
    defaults = {"validation": HELD_OUT, "test": HELD_OUT, "task": arguments.task}
    load_file = datasets.load_csv if kind == ".csv" else datasets.load_npz
    data = load_file(arguments.data, **(defaults | given))
    if kind == ".csv" and arguments.task == "classification":
        _check_classes(data)
    return data


def _check_classes(data: DataSet) -> None:
    """Raise InvalidDataError where the classes of a table are real values, nearly all different."""
    if 2 * len(data.class_names) < len(data.train):
        return
    try:
        values = [float(name) for name in data.class_names]
    except ValueError:
        return
    if not all(value.is_integer() for value in values):
        raise InvalidDataError(
            f"the target of {data.name} has {len(values)} different numbers: "
            f"--task regression is for real values, --target names another column"
        )


def in_options(message: str) -> str:
    """Return a message about parameters of a loader as one about their options.

    >>> in_options("`target` of load_csv must be a column, got 'x'; `delimiter=';'` reads others")
    "--target must be a column, got 'x'; --delimiter ';' reads others"
    """
    for option in DATA_OPTIONS:
        message = re.sub(rf"^`{option.parameter}` of load_\w+", option.flag, message)
        if len(option.parameter) > 1:  # `X` and `y` are parameters of estimators, too
            message = re.sub(rf"`{option.parameter}(?:=([^`]*))?`(?! of )", option.spelt, message)
    return message


def notes(data: DataSet) -> list[str]:
    """Return what the loader took where the file does not say, in the words of the command line."""
    return [in_options(note) for note in data.notes]


def tell(data: DataSet, console: Console) -> None:
    """Print what the loader took where the file does not say."""
    for note in notes(data):
        console.print(f"{data.name}: {note}")


def parts(data: DataSet) -> dict[str, Rows]:
    """Return the parts of the data that there are, by name."""
    found = {"train": data.train, "validation": data.validation, "test": data.test}
    return {part: rows for part, rows in found.items() if rows is not None}


def on_images(augmentation: Any, data: DataSet) -> Any:
    """Return an augmentation, or None, with the shape of the data's images where that is known."""
    from gradstep.nn import augment

    if augmentation is None or data.train.image_shape is None:
        return augmentation
    return augment.on_images(augmentation, data.train.image_shape)


def eval_set(data: DataSet) -> tuple[Any, Any] | None:
    """Return the validation rows as `fit` takes them."""
    return None if data.validation is None else (data.validation.X, data.validation.y)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn scikit-learn's own words about X or y, paragraphs of advice, into one line."""
    try:
        yield
    except GradstepError:
        raise
    except ValueError as error:
        raise InvalidDataError(str(error).partition("\n")[0]) from error


def _kind(data: str) -> str:
    if data in ("cifar10", "digits"):
        return data
    suffix = Path(data).suffix.lower()
    if suffix not in _FILES:
        raise InvalidParameterError(f"--data must be cifar10, digits or a .csv or .npz file, got {data!r}")
    if not Path(data).expanduser().is_file():
        raise DatasetNotFoundError(f"--data must be an existing file, got {data!r}")
    return suffix
