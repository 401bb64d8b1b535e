"""gradstep predict and gradstep evaluate: saved models and further rows."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas
import pytest
from sklearn.datasets import load_iris

import gradstep as gs
from gradstep import cli

pytestmark = pytest.mark.usefixtures("numpy_backend")

QUIET = ("--random-state", "0", "--epochs", "20", "--quiet")


def customers(n, seed):
    """Return a table of categories, gaps and answers that follow from them."""
    random = np.random.default_rng(seed)
    plan = random.choice(["basic", "plus", "pro"], n)
    age = np.where(random.random(n) < 0.2, np.nan, random.normal(40, 10, n).round(1))
    left = np.where((plan == "basic") ^ (random.random(n) < 0.05), "yes", "no")
    return pandas.DataFrame({"age": age, "plan": plan, "left": left})


def test_the_best_model_of_a_sweep_and_a_report(tmp_path, capsys):
    customers(200, 0).to_csv(tmp_path / "train.csv", index=False)
    data = str(tmp_path / "train.csv")
    files = ["--save", str(tmp_path / "m"), "--report", str(tmp_path / "r.html")]
    assert cli.main(["sweep", "--data", data, "--param", "l2=0,0.1", "--folds", "3", *QUIET, *files]) == 0
    assert "categories, an input for each: plan (3)" in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text("utf-8")
    assert (
        "Target: left, the last column (--target names another). Categories, an input for each: plan" in page
    )
    columns = gs.load_model(tmp_path / "m").result().fitted.schema.columns
    assert [column.name for column in columns] == ["age", "plan"]
    assert cli.main(["evaluate", str(tmp_path / "m"), data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] > 0.9


@pytest.fixture
def folder(tmp_path, capsys):
    """Return a folder with a model of customers, and tables of them."""
    customers(200, 0).to_csv(tmp_path / "train.csv", index=False)
    customers(50, 1).to_csv(tmp_path / "test.csv", index=False)
    command = ["train", "--data", str(tmp_path / "train.csv"), "--save", str(tmp_path / "left.model")]
    assert cli.main([*command, "--test", str(tmp_path / "test.csv"), *QUIET]) == 0
    out = capsys.readouterr().out
    assert "train: target: left, the last column (--target names another)" in out
    assert "train: categories, an input for each: plan (3)" in out
    assert "train: gaps filled by the median of the train rows: age" in out
    assert "train: test: gaps filled by the median" in out
    (tmp_path / "metrics").write_text(next(line for line in out.splitlines() if line.startswith("test ")))
    return tmp_path


def answers(capsys, *words):
    assert cli.main(["predict", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(out))), err


def expected(folder, table):
    """Return labels and probabilities by the transformations that the schema stands for, done by pandas."""
    model = gs.load_model(folder / "left.model")
    age, plans = model.result().fitted.schema.columns
    inputs = pandas.DataFrame({"age": table["age"].fillna(age.fill)})
    for plan in plans.categories:
        inputs[f"plan={plan}"] = (table["plan"] == plan).astype(float)
    return model.predict(inputs), model.predict_proba(inputs)


def test_predict_takes_raw_tables(folder, capsys):
    table = customers(50, 1)
    found, err = answers(capsys, folder / "left.model", folder / "test.csv", "--proba")
    labels, proba = expected(folder, table)
    assert [row["prediction"] for row in found] == labels.tolist()
    assert [float(row["probability_no"]) for row in found] == proba[:, 0].tolist()
    assert [float(row["probability_yes"]) for row in found] == proba[:, 1].tolist()
    assert (labels == table["left"]).mean() > 0.9
    gaps = table["age"].isna().sum()
    fill = gs.load_model(folder / "left.model").result().fitted.schema.columns[0].fill
    assert err.splitlines() == [
        f"test.csv: gaps filled by the median of the train rows: age ({gaps} by {fill:g})"
    ]


def test_columns_are_found_by_name(folder, capsys):
    table = customers(50, 1)
    table.insert(0, "note", "x")
    table[["plan", "note", "age"]].to_csv(folder / "other.csv", index=False)
    found, err = answers(capsys, folder / "left.model", folder / "other.csv")
    assert [row["prediction"] for row in found] == expected(folder, table)[0].tolist()
    assert "other.csv: left out, as the model does not know them: note" in err


def test_rows_without_names_are_taken_in_order(folder, capsys):
    table = customers(50, 1)
    table[["age", "plan"]].to_csv(folder / "rows.csv", index=False, header=False)
    assert cli.main(["predict", str(folder / "left.model"), str(folder / "rows.csv")]) == 2
    assert "--no-header takes it for a row" in capsys.readouterr().err
    found, _ = answers(capsys, folder / "left.model", folder / "rows.csv", "--no-header")
    assert [row["prediction"] for row in found] == expected(folder, table)[0].tolist()


def test_predict_writes_a_file(folder, capsys):
    target = folder / "answers.csv"
    assert (
        cli.main(["predict", str(folder / "left.model"), str(folder / "test.csv"), "--output", str(target)])
        == 0
    )
    assert f"answers {target}" in capsys.readouterr().out
    assert pandas.read_csv(target)["prediction"].tolist() == expected(folder, customers(50, 1))[0].tolist()


def test_evaluate_tells_what_training_told(folder, capsys):
    assert cli.main(["evaluate", str(folder / "left.model"), str(folder / "test.csv")]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[0] == "test.csv"
    assert last[1:] == (folder / "metrics").read_text().split()[1:]
    assert cli.main(["evaluate", str(folder / "left.model"), str(folder / "test.csv"), "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    labels = expected(folder, customers(50, 1))[0]
    assert found["metrics"]["accuracy"] == (labels == customers(50, 1)["left"]).mean()
    assert found["rows"] == 50
    assert len(found["notes"]) == 1
    assert "gaps filled" in err


def test_real_values(tmp_path, capsys):
    random = np.random.default_rng(0)
    table = pandas.DataFrame(random.normal(size=(80, 2)), columns=["a", "b"])
    table["y"] = 3 * table["a"] - table["b"]
    table.to_csv(tmp_path / "t.csv", index=False)
    model = str(tmp_path / "m")
    command = ["train", "--data", str(tmp_path / "t.csv"), "--task", "regression", "--save", model, *QUIET]
    assert cli.main(command) == 0
    capsys.readouterr()
    found, _ = answers(capsys, model, tmp_path / "t.csv")
    wanted = gs.load_model(model).predict(table[["a", "b"]])
    assert [float(row["prediction"]) for row in found] == wanted.tolist()
    assert cli.main(["predict", model, str(tmp_path / "t.csv"), "--proba"]) == 2
    assert "--proba goes with a model of classes" in capsys.readouterr().err


def test_a_model_of_named_columns_that_python_trained(tmp_path, capsys):
    iris = load_iris(as_frame=True)
    gs.Trainer(epochs=5, random_state=0).fit(iris.data, iris.target_names[iris.target]).save(tmp_path / "m")
    table = iris.data[iris.data.columns[::-1]].assign(kind=iris.target_names[iris.target])
    table.to_csv(tmp_path / "t.csv", index=False)
    found, _ = answers(capsys, tmp_path / "m", tmp_path / "t.csv")
    model = gs.load_model(tmp_path / "m")
    assert [row["prediction"] for row in found] == model.predict(iris.data).tolist()
    assert cli.main(["evaluate", str(tmp_path / "m"), str(tmp_path / "t.csv")]) == 2
    assert "--target must name the column with the answers" in capsys.readouterr().err
    assert (
        cli.main(["evaluate", str(tmp_path / "m"), str(tmp_path / "t.csv"), "--target", "kind", "--json"])
        == 0
    )
    score = model.score(iris.data, iris.target_names[iris.target])
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == score
    table.iloc[2, 1] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["predict", str(tmp_path / "m"), str(tmp_path / "t.csv")]) == 2
    assert "row 3 of" in (err := capsys.readouterr().err)
    assert "the model has no median that could stand for it" in err


def test_a_model_without_names(tmp_path, capsys):
    X, y = load_iris(return_X_y=True)
    model = gs.Trainer(epochs=5, random_state=0).fit(X, y)
    model.save(tmp_path / "m")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.assign(y=y).to_csv(tmp_path / "xy.csv", index=False)
    for name in ("x.csv", "xy.csv"):
        found, err = answers(capsys, tmp_path / "m", tmp_path / name)
        assert [int(row["prediction"]) for row in found] == model.predict(X).tolist()
        assert f"{name}: the model knows no names: its inputs are the columns in the order of the file" in err
    assert "xy.csv: target: y, the last column" in err
    assert cli.main(["evaluate", str(tmp_path / "m"), str(tmp_path / "xy.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == model.score(X, y)
    assert cli.main(["evaluate", str(tmp_path / "m"), str(tmp_path / "x.csv")]) == 2
    assert (
        "a column for each of the 4 inputs of the model beside the target 'd', got 3"
        in capsys.readouterr().err
    )


def test_arrays(tmp_path, capsys):
    X, y = load_iris(return_X_y=True)
    model = gs.Trainer(epochs=5, random_state=0).fit(X, y)
    model.save(tmp_path / "m")
    np.savez(tmp_path / "a.npz", X=X, y=y, features=X[:3])
    found, _ = answers(capsys, tmp_path / "m", tmp_path / "a.npz", "--x-key", "features")
    assert [int(row["prediction"]) for row in found] == model.predict(X[:3]).tolist()
    assert cli.main(["evaluate", str(tmp_path / "m"), str(tmp_path / "a.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == model.score(X, y)


def test_several_labels_and_several_values(tmp_path, capsys):
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "a.npz", X=X, y=(X > 0).astype(int))
    several = gs.Trainer(loss="multilabel", epochs=5, random_state=0).fit(X, (X > 0).astype(int))
    several.save(tmp_path / "labels")
    found, _ = answers(capsys, tmp_path / "labels", tmp_path / "a.npz", "--proba")
    assert [[int(row[k]) for k in "012"] for row in found] == several.predict(X).tolist()
    proba = [[float(row[f"probability_{k}"]) for k in "012"] for row in found]
    assert proba == several.predict_proba(X).tolist()
    values = gs.Regressor(epochs=5, random_state=0).fit(X, X[:, :2])
    values.save(tmp_path / "values")
    found, _ = answers(capsys, tmp_path / "values", tmp_path / "a.npz")
    assert [[float(row[f"prediction_{k}"]) for k in range(2)] for row in found] == values.predict(X).tolist()


def test_names_of_classes(tmp_path, capsys):
    """Labels that the data had names for are answered by these."""
    assert cli.main(["train", "--data", "digits", "--save", str(tmp_path / "m"), *QUIET]) == 0
    capsys.readouterr()
    model = gs.load_model(tmp_path / "m")
    assert model.result().fitted.schema.class_names == tuple("0123456789")
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.cifar10
def test_a_model_of_cifar10_answers_with_names(tmp_path, capsys):
    command = ["train", "--data", "cifar10", "--epochs", "1", "--learning-rate", "0.001", "--quiet"]
    assert cli.main([*command, "--save", str(tmp_path / "m")]) == 0
    capsys.readouterr()
    data = gs.datasets.load_cifar10()
    np.savez(tmp_path / "a.npz", X=data.test.X[:20])
    found, _ = answers(capsys, tmp_path / "m", tmp_path / "a.npz", "--proba")
    labels = gs.load_model(tmp_path / "m").predict(data.test.X[:20])
    assert [row["prediction"] for row in found] == [data.class_names[label] for label in labels]
    assert list(found[0]) == ["prediction", *(f"probability_{name}" for name in data.class_names)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict gone.model test.csv", "MODEL must be an existing file, got 'gone.model'"),
        ("predict left.model gone.csv", "FILE must be an existing file, got 'gone.csv'"),
        ("predict left.model left.model", "FILE must be a .csv, .npz or .npy file, got 'left.model'"),
        ("predict train.csv test.csv", "train.csv is not a whole gradstep model"),
        ("predict left.model test.csv --x-key X", "--x-key goes with .npz, got test.csv"),
        ("predict left.model test.csv --output test.csv", "cannot write test.csv: FILE names the same file"),
        ("predict left.csv test.csv --output left.csv", "cannot write left.csv: MODEL names the same file"),
        ("predict left.model test.csv --output gone/a.csv", "there is no folder gone"),
        ("predict left.model test.csv --target left", "unknown argument --target"),
        ("predict left.model few.csv", "few.csv must have the columns of the model, but lacks plan; it has"),
        ("evaluate left.model unanswered.csv", "must have the target 'left'; it has age, plan: --target nam"),
    ],
)  # fmt: skip
def test_mistakes(folder, words, message, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "left.csv").write_bytes((folder / "left.model").read_bytes())
    (folder / "few.csv").write_text("age,left\n1,no\n")
    (folder / "unanswered.csv").write_text("age,plan\n1,plus\n")
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_model_of_one_column_takes_a_table_of_one_column(tmp_path, capsys):
    x = np.round(np.random.default_rng(0).normal(size=100), 3)
    lines = [f"{value},{'yes' if value > 0 else 'no'}" for value in x]
    (tmp_path / "train.csv").write_text("x,y\n" + "\n".join(lines))
    train = ["train", "--data", str(tmp_path / "train.csv"), "--save", str(tmp_path / "m")]
    assert cli.main([*train, *QUIET]) == 0
    capsys.readouterr()
    (tmp_path / "new.csv").write_text("x\n2\n-2\n")
    found, _ = answers(capsys, tmp_path / "m", tmp_path / "new.csv")
    assert [row["prediction"] for row in found] == ["yes", "no"]
    (tmp_path / "bare.csv").write_text("-2\n2\n")
    found, _ = answers(capsys, tmp_path / "m", tmp_path / "bare.csv", "--no-header")
    assert [row["prediction"] for row in found] == ["no", "yes"]


def test_a_table_that_lacks_all_columns_but_one(folder, capsys):
    (folder / "one.csv").write_text("age^plan\n30^pro\n")
    assert cli.main(["predict", str(folder / "left.model"), str(folder / "one.csv")]) == 2
    assert capsys.readouterr().err.endswith(
        "must have the columns of the model, but lacks age, plan; it has age^plan alone between delimiters "
        "','; --delimiter names another\n"
    )


def test_arrays_for_the_model_of_a_table_are_taken_in_order_and_that_is_said(folder, capsys):
    X = np.array([[30, 1, 0, 0], [50, 0, 0, 1]])
    np.save(folder / "X.npy", X)
    found, err = answers(capsys, folder / "left.model", folder / "X.npy")
    model = gs.load_model(folder / "left.model")
    inputs = pandas.DataFrame(X, columns=list(model.schema_.inputs))
    assert [row["prediction"] for row in found] == model.predict(inputs).tolist()
    note = "X.npy: the columns are taken for the inputs of the model in their order: "
    assert f"{note}age, plan=basic, plan=plus, plan=pro" in " ".join(err.split())
    np.save(folder / "X.npy", X[:, :3])
    assert cli.main(["predict", str(folder / "left.model"), str(folder / "X.npy")]) == 2
    assert "must have a column for each of the 4 inputs of the model, got 3" in capsys.readouterr().err


@pytest.mark.parametrize(("factor", "told"), [(1, None), (1 / 10, None), (1 / 255, "0.003922"), (255, "255")])
def test_rows_in_other_units_than_those_trained_on_are_told(tmp_path, capsys, factor, told):
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = gs.Trainer(epochs=2, random_state=0).fit(X, (X[:, 0] > 0).astype(int))
    model.save(tmp_path / "m")
    np.save(tmp_path / "X.npy", factor * X)
    _, err = answers(capsys, tmp_path / "m", tmp_path / "X.npy")
    note = f"the inputs vary {told} times as much as those trained on: they may be in other units"
    assert (note in " ".join(err.split())) == (told is not None)
    assert ("units" in err) == (told is not None)
