"""Which rows to train on: the options of data, what they load, and what is told about it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradstep.cli.loader_options import DATA_OPTIONS, FILES, HELD_OUT, LOADERS, DataOption, kind_of_file
from gradstep.cli.streams import logged
from gradstep.errors import DatasetNotFoundError, GradstepError, InvalidDataError, InvalidParameterError
from gradstep.utils.files import expanded

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep.datasets import DataSet, Rows

# Headings of the help, by the data that options go with.
_HEADINGS: dict[tuple[str, ...], str] = {
    ("cifar10",): "data: CIFAR-10",
    (".csv",): "data: tables (.csv or .tsv, also packed as .gz, .bz2 or .xz)",
    (".npz",): "data: arrays (.npz)",
    (".npy",): "data: arrays that stay on the disk (.npy)",
}


# Options that may name files.
_FILE_FLAGS = ("--validation", "--test", "--labels")


def add_data_options(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Add ``--data`` and what goes with it; without a default it must be given."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="cifar10|digits|FILE",
        required=default is None,
        default=default,
        help="CIFAR-10, the handwritten digits that come along, or one's own table (.csv, .tsv) or arrays "
        "(.npz, .npy)" + (f" (default: {default})" if default else ""),
    )
    add_loader_options(parser, group, DATA_OPTIONS)


def add_loader_options(parser: argparse.ArgumentParser, common: Any, chosen: Collection[DataOption]) -> None:
    """Add options of the loaders: what goes with several kinds of data to a group, the others below."""
    groups = {kinds: parser.add_argument_group(text) for kinds, text in _HEADINGS.items()}
    for option in chosen:
        group = groups.get(option.kinds, common)
        settings: dict[str, Any] = {
            "dest": option.destination,
            "default": argparse.SUPPRESS,
            "help": option.help,
        }
        if option.is_switch:
            group.add_argument(option.flag, action=argparse.BooleanOptionalAction, **settings)
        else:
            settings |= {"type": option.parse, "metavar": option.metavar, "nargs": option.several}
            group.add_argument(option.flag, **settings)


def load(arguments: argparse.Namespace) -> DataSet:
    """Load what ``--data`` and its options name.

    Raises
    ------
    GradstepError
        Of the loader, or for an option that does not go with the data.
    """
    from gradstep import datasets

    kind = _kind(arguments.data)
    if kind not in FILES and arguments.task == "regression":
        raise InvalidParameterError(
            f"--task regression goes with {', '.join(FILES)}, got --data {arguments.data}"
        )
    given = given_options(arguments, kind, f"--data {arguments.data}")
    validation = given.get("validation")
    if kind != "cifar10" and isinstance(validation, str) and kind_of_file(validation) is None:
        raise InvalidParameterError(
            f"--validation must be a number of rows, a share of them, a file or none, got {validation!r}"
        )
    for option, file in sources(arguments).items():
        if not expanded(file, option).is_file():
            raise DatasetNotFoundError(f"{option} must be an existing file, got {file!r}")
        if option in ("--validation", "--test") and kind_of_file(file) != kind:
            raise InvalidParameterError(
                f"{option} must be rows of the kind of --data {arguments.data}, got {file!r}"
            )
    if kind == "cifar10":
        with logged("gradstep.datasets"):
            return datasets.load_cifar10(**given)
    if kind == "digits":
        return datasets.load_digits(**given)
    with _said_where_default(given):
        return _load_file(arguments, kind, given)


def _load_file(arguments: argparse.Namespace, kind: str, given: dict[str, Any]) -> DataSet:
    """Load one's own file, with a share of its rows held out where nobody says otherwise."""
    from gradstep import datasets

    defaults = {"validation": HELD_OUT, "test": HELD_OUT, "task": arguments.task}
    if kind == ".csv":
        return datasets.load_csv(arguments.data, **(defaults | given))
    defaults["task"] = arguments.task or "classification"
    if kind == ".npz":
        if _has_test_rows(arguments.data, given):
            defaults["test"] = None
        return datasets.load_npz(arguments.data, **(defaults | given))
    if "y" not in given:
        raise InvalidParameterError(
            f"--labels must name the .npy file with the classes or values of --data {arguments.data}"
        )
    return datasets.load_npy(arguments.data, **(defaults | given))


@contextmanager
def _said_where_default(given: Mapping[str, Any]) -> Iterator[None]:
    """Say of a part that cannot be held out that nobody asked for it, where that is so."""
    try:
        yield
    except InvalidParameterError as error:
        message = str(error)
        part = next((p for p in ("validation", "test") if message.startswith(f"`{p}` of ")), None)
        if part is None or part in given:
            raise
        raise InvalidParameterError(f"{message}, the default: `{part}=none` holds out none") from error


def _has_test_rows(file: str, given: Mapping[str, Any]) -> bool:
    """Whether an .npz file has test rows of its own, by the keys that are given."""
    from gradstep.datasets.arrays import npz_test_keys

    if "X_test" in given or "y_test" in given:
        return True
    return npz_test_keys(expanded(file, "--data"), given.get("X", "X"), given.get("y", "y")) is not None


def given_options(arguments: argparse.Namespace, kind: str, said: str) -> dict[str, Any]:
    """Return the parameters of the loader that were given.

    Raises
    ------
    InvalidParameterError
        One of them does not go with this kind of data.
    """
    given: dict[str, Any] = {}
    for option in DATA_OPTIONS:
        if not hasattr(arguments, option.destination):
            continue
        if kind not in option.kinds:
            raise InvalidParameterError(f"{option.flag} goes with {' or '.join(option.kinds)}, got {said}")
        given[option.parameter] = option.value(getattr(arguments, option.destination))
    return given


def sources(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the files that are read, by the options that name them."""
    found = {"--data": arguments.data} if kind_of_file(arguments.data) else {}
    for option in DATA_OPTIONS:
        value = getattr(arguments, option.destination, None)
        if isinstance(value, str) and option.flag in _FILE_FLAGS and kind_of_file(value):
            found[option.flag] = value
    return found


def in_options(message: str) -> str:
    """Return a message about parameters of a loader as one about their options.

    >>> in_options("`target` of load_csv must be a column, got 'x'; `delimiter=';'` reads others")
    "--target must be a column, got 'x'; --delimiter ';' reads others"
    """
    message = re.sub(r"`task=(\w+)`", r"--task \1", message)
    for option in DATA_OPTIONS:
        message = re.sub(rf"`{option.parameter}` of ({option.owners})\b", option.flag, message)
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

    if augmentation is None:
        return None
    if data.train.image_shape is None:
        if augment.image_shape(augmentation) is None:
            raise InvalidParameterError("--augment changes images: --image-shape says the shape of a row")
        return augmentation
    return augment.on_images(augmentation, data.train.image_shape)


def picture_shape(data: DataSet) -> tuple[int, ...] | None:
    """Return the shape that reports draw the images of the data in, or None.

    Of other channels than grey or three colours each is a grey picture below the one before.
    """
    if data.train.image_shape is None or data.train.image_shape[0] in (1, 3):
        return data.train.image_shape
    channels, height, width = data.train.image_shape
    return channels * height, width


def eval_set(data: DataSet) -> tuple[Any, Any] | None:
    """Return the validation rows as `fit` takes them."""
    return None if data.validation is None else (data.validation.X, data.validation.y)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn scikit-learn's own words about X or y, paragraphs of advice, into one line."""
    try:
        yield
    except GradstepError as error:
        if type(error.__cause__) is ValueError and isinstance(error, InvalidDataError):
            # The number of a row among those dealt out says nothing of the file.
            raise InvalidDataError(str(error.__cause__).partition("\n")[0]) from error
        raise
    except ValueError as error:
        raise InvalidDataError(str(error).partition("\n")[0]) from error


def _kind(data: str) -> str:
    if data in ("cifar10", "digits"):
        return data
    kind = kind_of_file(data)
    if kind is None:
        meant = next((known for known in LOADERS if known == data.lower()), None)
        raise InvalidParameterError(
            f"--data must be cifar10, digits or a .csv, .npz or .npy file, got {data!r}"
            + (f"; did you mean {meant}?" if meant else "")
        )
    return kind
