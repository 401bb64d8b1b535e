"""The command line as its users meet it: output, errors, exit status."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas
import pytest

import gradstep as gs
from gradstep import cli
from gradstep.cli import options

TRAIN = ("train", "--data", "digits", "--random-state", "0")

pytestmark = pytest.mark.usefixtures("numpy_backend")


def start(*words, **settings):
    command = [sys.executable, "-m", "gradstep", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)


# --- train ---


def test_train_prints_lines_and_a_table(capsys):
    assert cli.main([*TRAIN, "--epochs", "30"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert "\r" not in out
    lines = out.splitlines()
    told = [line for line in lines if line.startswith("training  epoch")]
    assert 10 <= len(told) <= 12
    assert "epoch  1/30" in told[0]
    assert "epoch 30/30" in told[-1]
    assert "digits: softmax regression 64-10, 30 epochs in" in out
    trainer = gs.Trainer(epochs=30, random_state=0)
    data = gs.datasets.load_digits()
    trainer.fit(data.train.X, data.train.y)
    for name in ("train", "validation", "test"):
        rows = getattr(data, name)
        loss, cost, accuracy = trainer.evaluate(rows.X, rows.y).values()
        expected = [name, f"{len(rows):,}", f"{loss:.4f}", f"{cost:.4f}", f"{100 * accuracy:.2f}%"]
        assert expected in [line.split() for line in lines]


def test_quiet_shows_the_table_alone(capsys):
    assert cli.main([*TRAIN, "--epochs", "2", "--quiet", "--hidden", "5"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("digits: 2-layer network 64-5-10, 2 epochs in")
    assert err == ""


def test_json_is_all_of_standard_output(capsys):
    words = [
        "--epochs",
        "4",
        "--learning-rate",
        "step:0.1",
        "--init",
        "normal:0.1",
        "--validation",
        "none",
        "--json",
    ]
    assert cli.main([*TRAIN, *words]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert "epoch 4/4" in err
    assert found["settings"]["learning_rate"] == {
        "schedule": "StepDecay",
        "start": 0.1,
        "factor": 0.1,
        "every": 10,
    }
    assert found["settings"]["init"] == {"init": "Normal", "std": 0.1, "seed": None}
    assert set(found["settings"]) == set(gs.Trainer().get_params()) - set(options.NOT_OPTIONS)
    assert found["backend"] == "numpy"
    assert set(found["metrics"]) == {"train", "test"}
    assert set(found["history"]) == set(gs.History().keys())
    assert found["history"]["epoch"] == [1, 2, 3, 4]
    assert found["history"]["validation_loss"] == [None] * 4
    assert found["metrics"]["train"]["loss"] == pytest.approx(found["history"]["train_loss"][-1])
    assert found["status"] == "completed"
    assert found["interrupted"] is False
    assert found["diverged"] is None


def test_train_writes_model_and_report(capsys, tmp_path):
    model, report = tmp_path / "model.safetensors", tmp_path / "report.html"
    assert cli.main([*TRAIN, "--quiet", "--json", "--save", str(model), "--report", str(report)]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"model   {model}", f"report  {report}"]
    test = gs.datasets.load_digits().test
    assert gs.Trainer.load(model).score(test.X, test.y) == json.loads(out)["metrics"]["test"]["accuracy"]
    page = report.read_text("utf-8")
    assert "Training on digits" in page
    # A run that is alone is named by what it is.
    names = re.findall(r'<th class="name" scope="row">(.*?)</th>', page)
    assert re.sub(r"<.*?>", "", names[0]) == "softmax regression"
    assert "64 inputs, 10 classes; rows: 1,257 train, 270 validation, 270 test." in page


def test_early_stopping_says_which_epoch_it_kept(capsys):
    words = ["--early-stopping", "2", "--learning-rate", "1", "--epochs", "200", "--quiet"]
    assert cli.main([*TRAIN, *words]) == 0
    out = capsys.readouterr().out
    epochs = int(out.partition("64-10, ")[2].split()[0])
    assert f"best after epoch {epochs - 2}" in out


def test_diverging_training_is_tabulated(capsys):
    words = ["--learning-rate", "1e10", "--l2", "1", "--evaluate-every", "1", "--quiet"]
    assert cli.main([*TRAIN, *words]) == 1
    out, err = capsys.readouterr()
    assert "(diverged)" in out
    assert "train" in out
    assert err.count("\n") == 1
    assert "no longer finite at update" in err
    assert "smaller learning rate" in err


def test_divergence_before_any_evaluation(capsys):
    assert cli.main([*TRAIN, "--learning-rate", "1e10", "--l2", "1", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no longer finite at update" in err


def test_no_report_of_a_training_without_evaluations_is_told(capsys, tmp_path, monkeypatch):
    def interrupted(*arguments, **settings):
        outcome = fit(*arguments, **settings)
        outcome.trainer.history_ = gs.History()
        return outcome

    fit = cli.train.fit
    monkeypatch.setattr(cli.train, "fit", interrupted)
    words = ["--epochs", "1", "--evaluate-every", "none", "--quiet", "--report", str(tmp_path / "r.html")]
    assert cli.main([*TRAIN, *words]) == 0
    assert "no report: training ended before anything was evaluated" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_own_table(capsys, tmp_path):
    random = np.random.default_rng(0)
    with (tmp_path / "flowers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["species", "width", "height"])
        for n in range(60):
            x, y = random.normal(size=2)
            writer.writerow(["rose" if n % 2 else "lily", x + 3 * (n % 2), y])
    words = ["--target", "species", "--test", "10", "--validation", "0.25", "--json", "--quiet"]
    assert cli.main(["train", "--data", str(tmp_path / "flowers.csv"), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["name"] == "flowers"
    assert found["data"]["rows"] == {"train": 35, "validation": 15, "test": 10}
    assert found["metrics"]["train"]["accuracy"] > 0.7


@pytest.fixture
def houses(tmp_path):
    """Return a table whose last column is nearly linear in the others."""
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 2))
    y = 300 + X @ [80, -50] + random.normal(size=120)
    path = tmp_path / "houses.csv"
    lines = [f"{a:.4f},{b:.4f},{price:.2f}" for (a, b), price in zip(X, y, strict=True)]
    path.write_text("\n".join(["size,age,price", *lines]))
    return path


def test_regression_on_a_table(capsys, tmp_path, houses):
    model = tmp_path / "houses.model"
    words = ["--task", "regression", "--optimizer", "adam:0.8", "--learning-rate", "0.05", "--epochs", "30"]
    command = ["train", "--data", str(houses), *words, "--random-state", "0", "--save", str(model)]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "houses: linear regression 2-1, 30 epochs in" in out
    heading = next(line for line in out.splitlines() if " rows " in line)
    assert heading.split() == ["rows", "loss", "cost", "r2", "mean", "absolute", "error"]
    assert re.search(r"epoch 30/30  loss train [\d.e-]+, validation [\d.e-]+  r2 train 0\.9", out)
    data = gs.datasets.load_csv(houses, task="regression", validation=0.15, test=0.15)
    found = gs.Regressor.load(model)
    assert found.optimizer == gs.optimizers.Adam(0.8)
    assert found.callbacks == ()
    assert found.feature_names_in_.tolist() == ["size", "age"]
    test = pandas.DataFrame(data.test.X, columns=data.feature_names)
    row = [
        "test",
        "18",
        *(gs.metrics.value_text(*pair) for pair in found.evaluate(test, data.test.y).items()),
    ]
    assert row in [line.split() for line in out.splitlines()]
    assert cli.main([*command, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["optimizer"] == gs.optimizers.Adam(0.8).to_dict()
    assert set(told["metrics"]["test"]) == {"loss", "cost", "r2", "mean_absolute_error"}
    assert set(told["history"]) == set(gs.History((gs.metrics.R2(), gs.metrics.MeanAbsoluteError())).keys())


def test_a_forgotten_task_is_guessed_at(capsys, houses):
    assert cli.main(["train", "--data", str(houses)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "the target 'price' has real values, 119 different ones: --task regression is for these" in err
    assert "--target names another column" in err


def test_several_labels_a_row(capsys, tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    np.savez(tmp_path / "several.npz", X=X, y=X > 0)
    words = ["--loss", "multilabel", "--learning-rate", "1", "--quiet"]
    assert cli.main(["train", "--data", str(tmp_path / "several.npz"), *words]) == 0
    out = capsys.readouterr().out
    assert "several: multilabel regression 3-3" in out
    assert "subset accuracy" in out
    assert cli.main(["train", "--data", str(tmp_path / "several.npz"), "--quiet"]) == 2
    assert "--loss multilabel takes those" in capsys.readouterr().err


@pytest.mark.cifar10
def test_train_on_cifar10(capsys):
    assert (
        cli.main(["train", "--data", "cifar10", "--epochs", "1", "--learning-rate", "0.001", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["rows"] == {"train": 10000, "validation": 10000, "test": 10000}
    assert found["metrics"]["test"]["accuracy"] > 0.25


# --- the other commands ---


def test_demo(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    row = re.compile(
        r"^(softmax|two-layer) \w+ +([\d.]+)% +([\d.]+)% +([\d.]+)% +[\d.]+ +[\d.]+ s$", re.MULTILINE
    )
    accuracies = {name: [float(share) for share in shares] for name, *shares in row.findall(out)}
    assert set(accuracies) == {"softmax", "two-layer"}
    assert min(accuracies["softmax"]) > 90
    assert min(accuracies["two-layer"]) > 93
    report = tmp_path / "gradstep-report.html"
    assert str(report) in out
    assert "gradstep train --data cifar10" in out
    assert "two-layer network" in report.read_text("utf-8")


def test_gradcheck_passes(capsys):
    assert cli.main(["gradcheck", "--hidden", "6", "--l2", "0.01", "--entries", "20", "--rows", "30"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "W2" in out
    assert "passed" in out


def test_gradcheck_fails(capsys):
    assert cli.main(["gradcheck", "--entries", "20", "--rows", "30", "--tolerance", "1e-18"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_info(capsys):
    assert cli.main(["info"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["version", gs.__version__] in lines
    assert ["numpy", "ready"] in lines
    assert ["GRADSTEP_BACKEND", "numpy"] in lines
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == gs.build_info()


def test_info_measures_where_asked(capsys, monkeypatch):
    machine = gs.machine.Machine("avx2", 4, "float32", 512.34, 134.0, 50.0, 27.96)
    monkeypatch.setattr(gs.machine, "measure", lambda: machine)
    assert cli.main(["info", "--measure"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[lines.index("machine") + 1 :]] == [
        ["isa", "avx2"],
        ["n", "threads", "4"],
        ["precision", "float32"],
        ["gflops", "512.3"],
        ["gflops", "one", "thread", "134"],
        ["gbytes", "per", "second", "50"],
        ["gbytes", "per", "second", "one", "thread", "27.96"],
    ]
    assert cli.main(["info", "--measure", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("machine")["gflops"] == 512.34
    assert found == gs.build_info()


def test_info_says_in_one_line_why_it_cannot_measure(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradstep.backends.cpp", None)
    assert cli.main(["info", "--measure"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gradstep: error: only the compiled core can measure the machine")
    assert err.count("\n") == 1


def test_version_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"gradstep {gs.__version__}\n"
    for words in ([], ["--help"]):
        assert cli.main(words) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in ("demo", "train", "gradcheck", "info"))


def test_help_of_train_names_every_option(capsys):
    assert cli.main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(option.flag in out for option in options.estimator_options().values())


def test_warnings_are_one_line(capsys):
    with cli._warnings_in_one_line():
        warnings.simplefilter("always")
        warnings.warn("slow\n  machine", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == "gradstep: warning: slow machine\n"


# --- as a process ---


def test_help_is_light():
    code = "import sys; from gradstep.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "sklearn", "numba", "matplotlib", "rich", "safetensors", "pandas"}
    assert not heavy & set(done.stdout.splitlines()[-1].split())


def test_ctrl_c_ends_with_the_table():
    process = start(*TRAIN, "--epochs", "1000000", "--evaluate-every", "1", stdout=subprocess.PIPE)
    first = process.stdout.readline()
    assert "epoch" in first
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "(interrupted)" in out
    assert "validation" in out
    assert err.startswith("gradstep: warning: training interrupted at update")
    assert err.count("\n") == 1


def test_broken_pipe_is_quiet():
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*TRAIN, "--epochs", "1", stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 1


def test_live_bar_on_a_terminal():
    ours, theirs = pytest.importorskip("pty").openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = start(*TRAIN, "--epochs", "3", stdout=theirs, env=environment)
    os.close(theirs)
    out = b""
    try:
        while chunk := os.read(ours, 4096):
            out += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = out.decode()
    assert "\x1b[" in text
    assert "3/3" in text
    assert "epoch 1/3" not in text
    assert process.stderr.read() == ""
    process.stderr.close()
