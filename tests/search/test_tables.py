"""Tables in folds: each model knows medians and categories of its own rows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import gradstep as gs
from gradstep import cli
from gradstep.datasets import load_csv
from gradstep.errors import InvalidParameterError
from makers import trainer

RNG = np.random.default_rng(0)
N = 60
NUMBERS = np.where(RNG.random(N) < 0.3, np.nan, np.round(RNG.normal(size=N) + np.arange(N) / 10, 2))
PLAIN = np.round(RNG.normal(size=N), 2)
# The rarest plan is that of the last rows alone, which one fold holds out.
PLANS = np.array([["basic", "full", "none"][i % 3] if i < 55 else "rare" for i in range(N)])
Y = (PLAIN + RNG.normal(size=N) > 0).astype(int)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = zip(NUMBERS, PLANS, PLAIN, Y, strict=True)
    lines = [f"{'' if np.isnan(number) else number},{plan},{plain},{y}" for number, plan, plain, y in rows]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(["age,plan,height,y", *lines]) + "\n")
    return file


def by_scikit_learn(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs of two parts of the rows, by what scikit-learn fits on the first of them."""
    X = np.column_stack([NUMBERS.astype(object), PLANS, PLAIN])
    columns = make_column_transformer(
        (SimpleImputer(strategy="median"), [0]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1]),
        ("passthrough", [2]),
    )
    made = make_pipeline(columns).fit(X[train])
    return tuple(made.transform(X[rows]).astype(float) for rows in (train, held_out))  # type: ignore[return-value]


def test_models_are_those_of_the_inputs_that_their_own_rows_make(table: Path) -> None:
    data = load_csv(table)
    base = trainer(precision="float64", hidden=(3,))
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, folds=4, keep_trainers=True).fit_table(data)
    widths = set()
    for fold, (train, held_out) in enumerate(StratifiedKFold(4).split(data.train.X, data.train.y)):
        mine, others = by_scikit_learn(train, held_out)
        widths.add(mine.shape[1])
        for l2, models in zip((0.0, 0.1), sweep.trainers_, strict=True):
            alone = trainer(precision="float64", hidden=(3,), l2=l2)
            alone.fit(mine, Y[train], eval_set=(others, Y[held_out]))
            for W, expected in zip(models[fold].coefs_, alone.coefs_, strict=True):
                np.testing.assert_array_equal(W, expected)
            column = "validation_loss"
            np.testing.assert_array_equal(models[fold].history_[column], alone.history_[column])
    assert widths == {5, 6}
    # The best setting is trained once more, on all rows as the loader made them.
    again = trainer(precision="float64", hidden=(3,), **sweep.best_params_).fit(data.train.X, data.train.y)
    np.testing.assert_array_equal(sweep.best_trainer_.coefs_[0], again.coefs_[0])


def test_it_makes_a_difference_to_the_scores(table: Path) -> None:
    data, search = load_csv(table), gs.Sweep(trainer(), {"l2": [0.0]}, folds=4, random_state=0)
    own = search.fit_table(data).results_["score"]
    assert own != search.fit(data.train.X, data.train.y).results_["score"]


def test_halving_goes_on_with_the_rows_of_every_fold(table: Path) -> None:
    data = load_csv(table)
    pruner = gs.SuccessiveHalving(factor=2)
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 50.0]}, folds=3, pruner=pruner, keep_trainers=True)
    sweep.fit_table(data)
    assert sorted(sweep.results_["status"].tolist()) == ["completed", "pruned"]
    train, held_out = next(iter(StratifiedKFold(3).split(data.train.X, data.train.y)))
    mine, others = by_scikit_learn(train, held_out)
    alone = trainer(l2=0.0).fit(mine, Y[train], eval_set=(others, Y[held_out]))
    np.testing.assert_array_equal(sweep.trainers_[0][0].coefs_[0], alone.coefs_[0])


def test_tables_of_numbers_alone_keep_no_cells(tmp_path: Path) -> None:
    file = tmp_path / "plain.csv"
    file.write_text("a,b,y\n" + "".join(f"{i / 3},{i % 5},{i % 2}\n" for i in range(30)))
    data = load_csv(file)
    assert data.cells is None
    base = gs.Sweep(trainer(), {"l2": [0.0]}, folds=3, random_state=0)
    by_rows = base.fit(data.train.X, data.train.y).results_["score"]
    assert base.fit_table(data).results_["score"] == by_rows


def test_without_folds_it_is_fit(table: Path) -> None:
    data = load_csv(table, validation=0.3)
    sweep = gs.Sweep(trainer(), {"l2": [0.0]}, keep_trainers=True)
    model = sweep.fit_table(data).trainers_[0]
    expected = trainer().fit(data.train.X, data.train.y, eval_set=data.validation)
    np.testing.assert_array_equal(model.history_["validation_loss"], expected.history_["validation_loss"])
    with pytest.raises(InvalidParameterError, match="`folds` of Sweep must be None where an eval_set"):
        sweep.set_params(folds=3).fit_table(data)


def test_the_command_line_does_so(table: Path, tmp_path: Path) -> None:
    found = tmp_path / "trials.csv"
    options = "--test none --param l2=0,0.1 --folds 4 --epochs 3 --backend numpy --random-state 0 --quiet"
    assert cli.main(["sweep", "--data", str(table), *options.split(), "--csv", str(found)]) == 0
    base = gs.Trainer(epochs=3, backend="numpy", random_state=0)
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, folds=4, random_state=0).fit_table(load_csv(table))
    written = np.genfromtxt(found, delimiter=",", names=True)
    np.testing.assert_allclose(written["score"], sweep.results_["score"])
