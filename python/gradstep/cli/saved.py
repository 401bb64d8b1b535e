"""A saved model and further rows for it, as `gradstep predict` and `gradstep evaluate` take them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradstep.cli import data as data_options
from gradstep.cli.loader_options import DATA_OPTIONS, kind_of_file
from gradstep.errors import DatasetNotFoundError, InvalidDataError, InvalidParameterError
from gradstep.utils.files import expanded

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep.datasets.schema import Schema
    from gradstep.estimators.base import BaseTrainer

# How a file is written; what is split or held out goes with training alone.
_READING = (
    *("--delimiter", "--decimal", "--encoding", "--header"),
    *("--x-key", "--image-shape", "--channels", "--max-bytes"),
)
# Of so many rows at least, and of about so many, it is seen whether their units are those trained on: bytes
# and shares of 1 differ by 255.
_TELLING, _LOOKED_AT, _UNLIKE = 20, 1000, 50.0
_ANSWERS = ("--target", "--y-key", "--labels")


@dataclass(frozen=True)
class SavedModel:
    """A model that was read from a file.

    Attributes
    ----------
    path : Path
    estimator : Trainer or Regressor
        Without names of features: its rows are put right by the schema.
    schema : Schema
    """

    path: Path
    estimator: BaseTrainer
    schema: Schema

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the outputs of a classifier: those of its data, else its labels."""
        k = self.estimator.coefs_[-1].shape[1]
        labels = getattr(self.estimator, "classes_", range(k))
        return self.schema.class_names or tuple(map(str, labels))


@dataclass(frozen=True)
class FurtherRows:
    """Rows of a file as inputs of a model.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    y : ndarray, or None
        Where answers were asked for.
    notes : list of str
    """

    X: Any
    y: Any
    notes: list[str]

    @property
    def in_options(self) -> list[str]:
        """The notes in the words of the command line."""
        return list(map(data_options.in_options, self.notes))

    def tell(self, file: str, console: Console) -> None:
        """Print what was taken where the file does not say."""
        for note in self.in_options:
            console.print(f"{Path(file).name}: {note}")


def add_options(parser: argparse.ArgumentParser, *, answers: bool) -> None:
    """Add the two files, and how the second is written."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model that --save or `save` wrote")
    parser.add_argument("file", metavar="FILE", help="rows: a table with the columns of the model, or arrays")
    chosen = _READING + _ANSWERS * answers
    common = parser.add_argument_group("data")
    data_options.add_loader_options(parser, common, [o for o in DATA_OPTIONS if o.flag in chosen])


def load(path: Path) -> SavedModel:
    """Read a model.

    Raises
    ------
    GradstepError
        There is no such file, or it is no model.
    """
    if not expanded(path, "MODEL").is_file():
        raise DatasetNotFoundError(f"MODEL must be an existing file, got {str(path)!r}")
    from gradstep.datasets.schema import NumberColumn, Schema
    from gradstep.estimators.loading import load_model

    model = load_model(expanded(path, "MODEL"))
    result = model.result()
    names = result.fitted.feature_names
    schema = result.fitted.schema or Schema()
    if names is not None and not schema.columns:
        # Fitted in Python on named columns: their medians are not known.
        schema = replace(schema, columns=tuple(NumberColumn(name, float("nan")) for name in names))
    plain = type(model)(**model.get_params(deep=False))
    plain.publish(replace(result, fitted=replace(result.fitted, feature_names=None)))
    return SavedModel(path, plain, schema)


def check_rows(file: str) -> str:
    """Return which kind of file has the rows.

    Raises
    ------
    GradstepError
        It is of no kind that is read, or not there.
    """
    kind = kind_of_file(file)
    if kind is None:
        raise InvalidParameterError(f"FILE must be a .csv, .npz or .npy file, got {file!r}")
    if not expanded(file, "FILE").is_file():
        raise DatasetNotFoundError(f"FILE must be an existing file, got {file!r}")
    return kind


def read(model: SavedModel, arguments: argparse.Namespace, *, answers: bool) -> FurtherRows:
    """Read the rows of FILE for a model, with their answers where these are asked for.

    Raises
    ------
    GradstepError
        They cannot be read, or do not fit the model.
    """
    kind = check_rows(arguments.file)
    given = data_options.given_options(arguments, kind, arguments.file)
    reader = _read_table if kind == ".csv" else _read_arrays
    rows = reader(model, arguments.file, given, answers)
    note = _note_of_units(model, rows.X)
    return replace(rows, notes=[*rows.notes, note]) if note else rows


def _note_of_units(model: SavedModel, X: Any) -> str:
    """Return a note where rows vary so much more or less than those trained on that units may differ."""
    import numpy as np

    from gradstep.utils.text import number

    scale = model.estimator.standardization_.scale
    some = np.asarray(X[:: max(1, len(X) // _LOOKED_AT)], dtype=np.float64)
    if len(some) < _TELLING or not model.estimator.standardize or not np.isfinite(some).all():
        return ""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = some.std(axis=0)
        varying = spread > 0
        ratio = float(np.median(spread[varying] / scale[varying])) if varying.any() else 1.0
    if 1 / _UNLIKE < ratio < _UNLIKE:
        return ""
    return f"the inputs vary {number(ratio)} times as much as those trained on: they may be in other units"


def _read_table(model: SavedModel, file: str, given: dict[str, Any], answers: bool) -> FurtherRows:
    from gradstep.datasets.tables import Layout, read_rows, schema_by_place

    target = given.pop("target", None)
    layout, schema = Layout(**given, owner="load_rows"), model.schema
    notes = []
    if not schema.columns:
        inputs = model.estimator.n_features_in_
        schema = schema_by_place(file, layout, inputs, target, needs_target=answers)
        notes = ["the model knows no names: its inputs are the columns in the order of the file"]
        if schema.target is not None and target is None:
            notes.append(f"target: {schema.target}, the last column")
        target = None
    if answers and target is None and schema.target is None:
        raise InvalidParameterError("--target must name the column with the answers: the model knows none")
    rows = read_rows(file, schema, layout, target=target, needs_target=answers)
    y = None
    if answers:
        classes = getattr(model.estimator, "classes_", None)
        y = rows.values() if classes is None else rows.labels(classes)
    return FurtherRows(rows.X, y, notes + rows.notes)


def _read_arrays(model: SavedModel, file: str, given: dict[str, Any], answers: bool) -> FurtherRows:
    from gradstep.datasets.arrays import read_arrays
    from gradstep.datasets.tables.header import listed

    task = "classification" if hasattr(model.estimator, "predict_proba") else "regression"
    if answers and "y" not in given:
        if kind_of_file(file) == ".npy":
            raise InvalidParameterError(f"--labels must name the .npy file with the answers to {file}")
        given["y"] = "y"
    X, y, notes = read_arrays(file, task=task, **given)
    inputs = model.estimator.n_features_in_
    if X.shape[1] != inputs:
        raise InvalidDataError(
            f"{file} must have a column for each of the {inputs} inputs of the model, got {X.shape[1]}"
        )
    by_place = []
    if model.schema.columns:
        names = listed(model.schema.inputs)
        by_place = [f"the columns are taken for the inputs of the model in their order: {names}"]
    return FurtherRows(X, y, [*by_place, *notes])
