"""`gradstep sweep` as its users meet it: spellings, errors, output, files."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

import gradstep as gs
from gradstep import cli
from gradstep.cli import spaces
from gradstep.search import progress
from sweep_cases import HELD_OUT, X, Y, trainer

SWEEP = ("sweep", "--data", "digits", "--random-state", "0", "--epochs", "3", "--backend", "numpy")

MISTAKES = {
    "": "the following arguments are required: --param",
    "--param l2": "argument --param: must be NAME=VALUES, got 'l2'",
    "--param l3=1": "argument --param: Trainer has no parameter 'l3'; did you mean l2?",
    "--param callbacks=1": "Trainer has no parameter 'callbacks'",
    "--param learning_rat__high=1": "did you mean learning_rate?",
    "--param learning_rate__high=1": "trial 0 of Sweep has learning_rate__high=1",
    "--param l2=logunifrm:1:2": "l2 must be a finite number, got 'logunifrm:1:2'; did you mean loguniform:L",
    "--param l2=log:1e-5:1e-1": "got 'log:1e-5:1e-1'; did you mean loguniform:LOW:HIGH?",
    "--param epochs=randint:1:9": "got 'randint:1:9'; did you mean int:LOW:HIGH?",
    "--param lr=0.1": "argument --param: Trainer has no parameter 'lr'; did you mean learning_rate?",
    f"--param epochs=int:1:{10**400} --trials 2": "`high` of IntUniform must be an int, got an int of",
    f"--param l2=1 --folds {10**400}": "argument --folds: must be an integer, got an int of about 400 digits",
    f"--param l2=1 --pruner halving:{10**400}": "`factor` of SuccessiveHalving must be a finite number",
    "--param l2=0,,1": "l2 must be a finite number, got ''",
    "--param l2=uniform:1": "must have uniform:LOW:HIGH of numbers, got 'l2=uniform:1'",
    "--param batch_size=int:1.5:3": "must have int:LOW:HIGH of integers, got 'batch_size=int:1.5:3'",
    "--param hidden=int:4:20 --trials 2": "takes sizes of layers, as in hidden=20,50,50-30, and no distr",
    "--param l2=uniform:2:1 --trials 2": "`high` of Uniform must be >= low",
    "--param l2=loguniform:0:1 --trials 2": "`low` of LogUniform must be > 0",
    "--param l2=uniform:1:2": "--trials must be given where --param has a distribution (l2)",
    "--param l2=1,2 --trials 2": "--trials goes with a distribution in --param",
    "--param augment=uniform:0:1 --trials 2": "trial 0 of Sweep has augment=",
    "--param l2=uniform:1:2 --trials 0": "argument --trials: must be >= 1, got '0'",
    "--param l2=1 --param l2=2": "--param must name a parameter once, got 'l2' twice",
    "--param l2=1 --l2 3": "--l2 must not be given beside --param l2=...",
    "--param dropout=0.1,half": "dropout must be SHARE, or one for each hidden layer as 0.2/0.5, got 'half'",
    "--param l2=0,-1": "argument --param: l2 must be >= 0, got '-1'",
    "--param shuffle=maybe": "shuffle must be yes or no, got 'maybe'",
    "--param l2=1 --pruner halvin": "got 'halvin'; did you mean halving?",
    "--param l2=1 --pruner hyperban:3": "got 'hyperban:3'; did you mean hyperband?",
    "--param l2=1 --pruner hyperband:1": "`factor` of Hyperband must be > 1",
    "--param l2=1 --executor 0": "argument --executor: must be >= 1, got '0'",
    "--param l2=1 --executor 2 --scheduler tcp://here:1": "--scheduler: not allowed with argument --executor",
    "--param l2=1 --scheduler nowhere": "no scheduler of Dask answers at 'nowhere' of --scheduler",
    "--param l2=1 --pruner halving:1": "`factor` of SuccessiveHalving must be > 1",
    "--param l2=1 --pruner median:3": "hyperband[:FACTOR] or median, got 'median:3'",
    "--param l2=1 --folds 1": "--folds must be >= 2, got 1",
    "--param l2=1 --folds 2000": "--folds must be <= 1527, the rows to train on, got 2000",
    "--param l2=1 --folds 3 --validation 0.1": "--validation must be none beside --folds, got 0.1",
    "--param l2=1 --metric loss": "error: --metric must be a column of the history",
    "--param l2=1 --validation none": "error: --metric is by validation_loss, which needs validation rows",
    "--param l2=1 --trails 3": "unknown argument --trails; did you mean --trials?",
    "--param l2=1 --metric validation_r2": "error: --metric is by validation_r2, which needs a loss or",
    "--param optimizer__beta1=0.9": "trial 0 of Sweep has optimizer__beta1=0.9",
    "--param optimizer=adam,adm": "optimizer must be sgd[:MOMENTUM[:NESTEROV[:RATE_IN_VELOCITY]]],",
    "--param l2=1 --resume": "error: --resume goes with --checkpoint, which names the folder",
    "--param l2=1 --checkpoint-every 5": "--checkpoint-every goes with --checkpoint, which names the folder",
    "--param l2=1 --checkpoint kept --checkpoint-every 0": "error: --checkpoint-every must be > 0, got 0.0",
    "--param l2=1 --csv same --report same": "--csv names the same file",
    "--param l2=1 --csv gone/table.csv": "there is no folder gone",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistake(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*SWEEP, *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gradstep: error: ")
    assert err.count("\n") == 1
    assert MISTAKES[line] in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("l2=uniform:0:1", "l2", gs.Uniform(0, 1)),
        ("l2=loguniform:1e-5:1e-1", "l2", gs.LogUniform(1e-5, 1e-1)),
        ("batch-size=int:8:64", "batch_size", gs.IntUniform(8, 64)),
        ("batch_size=auto,32", "batch_size", ["auto", 32]),
        ("hidden=none,50,50-30", "hidden", [(), (50,), (50, 30)]),
        ("shuffle=yes,no", "shuffle", [True, False]),
        ("learning_rate=0.1,step:0.1", "learning_rate", [0.1, gs.schedules.StepDecay(0.1)]),
        ("learning_rate__high=loguniform:1:2", "learning_rate__high", gs.LogUniform(1, 2)),
        ("optimizer=sgd:0.9,adam", "optimizer", [gs.optimizers.SGD(0.9), "adam"]),
        ("optimizer__beta1=0.8,0.9", "optimizer__beta1", [0.8, 0.9]),
        ("loss=softmax,softmax:0.1", "loss", ["softmax", gs.losses.Softmax(0.1)]),
        ("activation=tanh,leaky_relu:0.1", "activation", ["tanh", gs.activations.LeakyRelu(0.1)]),
        ("metrics=f1,none", "metrics", [("f1",), ()]),
        ("early_stopping__patience=3,none,x,0.5", "early_stopping__patience", [3, None, "x", 0.5]),
    ],
)
def test_spellings(text, name, values):
    assert spaces.parse_param(text) == (name, values)


def test_pruners():
    assert spaces.parse_pruner("halving") == gs.SuccessiveHalving()
    assert spaces.parse_pruner("halving:2.5") == gs.SuccessiveHalving(2.5)
    assert spaces.parse_pruner("hyperband") == gs.Hyperband()
    assert spaces.parse_pruner("hyperband:4") == gs.Hyperband(4.0)
    assert spaces.parse_pruner("median") == gs.MedianStopping()
    with pytest.raises(argparse.ArgumentTypeError, match="'halving:x'"):
        spaces.parse_pruner("halving:x")


def test_search_is_that_of_python_and_its_files_are_written(capsys, tmp_path):
    files = {kind: str(tmp_path / f"search.{kind}") for kind in ("html", "csv", "model")}
    words = "--param l2=loguniform:1e-4:1e-1 --param learning_rate=0.1,0.5 --trials 6 --pruner halving:2"
    saved = ["--report", files["html"], "--csv", files["csv"], "--save", files["model"]]
    assert cli.main([*SWEEP, *words.split(), *saved, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    data = gs.datasets.load_digits()
    sweep = gs.Sweep(
        gs.Trainer(random_state=0, epochs=3, backend="numpy"),
        {"l2": gs.LogUniform(1e-4, 1e-1), "learning_rate": [0.1, 0.5]},
        6,
        0,
        pruner=gs.SuccessiveHalving(2),
    ).fit(data.train.X, data.train.y, eval_set=(data.validation.X, data.validation.y))
    assert [trial["score"] for trial in found["trials"]] == sweep.results_["score"].tolist()
    assert found["best"]["trial"] == sweep.best_index_
    assert found["best"]["params"] == sweep.best_params_
    assert found["best"]["metrics"]["test"]["accuracy"] == sweep.best_trainer_.score(data.test.X, data.test.y)
    assert found["settings"]["epochs"] == 3
    assert found["groups"] == [
        {"models": [[trial, 0] for trial in range(6)], "reason": "all models are alike"}
    ]
    assert "search" in err
    rows = csv.DictReader((tmp_path / "search.csv").read_text().splitlines())
    assert [row["status"] for row in rows] == sweep.results_["status"].tolist()
    np.testing.assert_array_equal(gs.Trainer.load(files["model"]).coefs_[0], sweep.best_trainer_.coefs_[0])
    assert "Search on digits" in (tmp_path / "search.html").read_text()


def test_processes_train_the_same(capsys):
    given = [*SWEEP, "--param", "l2=0.0,0.1", "--json", "--quiet"]
    assert cli.main(given) == 0
    plain = json.loads(capsys.readouterr().out)["trials"]
    assert cli.main([*given, "--executor", "1"]) == 0
    found = json.loads(capsys.readouterr().out)["trials"]
    assert [trial["score"] for trial in found] == [trial["score"] for trial in plain]


def test_best_trials_and_metrics_are_shown(capsys):
    assert cli.main([*SWEEP, "--param", "l2=" + ",".join(map(str, range(12))), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "12 trials in 1 group" in out
    assert "... and 2 more" in out
    assert "best: trial 0, l2=0" in out
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["train", "validation", "test"]


def test_a_search_of_regressions(capsys, tmp_path):
    random = np.random.default_rng(0)
    values = random.normal(size=(80, 3))
    values[:, 2] += values[:, 0]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["a,b,c", *(",".join(map(str, row)) for row in values)]))
    words = ["--task", "regression", "--data", str(table), "--epochs", "3", "--backend", "numpy"]
    search = ["--param", "optimizer__beta1=0.8,0.9", "--optimizer", "adam", "--metric", "validation_r2"]
    assert cli.main(["sweep", *words, *search, "--random-state", "0", "--quiet"]) == 0
    out = capsys.readouterr().out
    heading = next(line for line in out.splitlines() if line.startswith("trial"))
    assert heading.split() == ["trial", "optimizer__beta1", "status", "validation", "r2", "epoch"]
    assert "2 trials in 1 group" in out
    assert "mean absolute error" in out


def test_augmentations_are_tried_on_the_images_of_the_data(capsys):
    assert cli.main([*SWEEP, "--param", "augment=none,translate:1", "--quiet", "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert trials[0]["augment"] is None
    assert "[1, 8, 8]" in str(trials[1]["augment"])
    assert trials[0]["score"] != trials[1]["score"]


def test_shares_that_are_dropped_are_tried(capsys):
    words = ["--hidden", "4", "3", "--param", "dropout=0,0.5,0.1/0.2", "--param", "input_dropout=0.1"]
    assert cli.main([*SWEEP, *words, "--quiet", "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [trial["dropout"] for trial in trials] == [0.0, 0.5, [0.1, 0.2]]
    assert len({trial["score"] for trial in trials}) > 1


def test_folds_take_all_rows_that_are_not_for_the_test(capsys):
    assert cli.main([*SWEEP, "--param", "l2=0,0.1", "--folds", "3", "--quiet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["data"]["rows"]) == ["train", "test"]
    assert {"fold2_score", "score_std"} <= set(found["trials"][0])
    assert list(found["best"]["metrics"]) == ["train", "test"]


def test_where_all_diverge_the_table_is_there_and_the_status_is_1(capsys, tmp_path):
    table = tmp_path / "t.csv"
    page = tmp_path / "t.html"
    words = [
        "--param",
        "learning_rate=1e30,1e31",
        "--hidden",
        "5",
        "--csv",
        str(table),
        "--report",
        str(page),
    ]
    assert cli.main([*SWEEP, *words, "--save", str(tmp_path / "t.model"), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert "2 diverged" in out
    assert "no trial of the search came to its end (2 diverged)" in err
    assert table.read_text().count("diverged") == 2
    assert "no trial came to its end" in page.read_text()
    assert not (tmp_path / "t.model").exists()


class Told:
    """Keeps what `standing` says after every evaluation."""

    def __init__(self):
        self.all = []

    def __call__(self, sweep):
        self.all.append(progress.standing(sweep.trials_, sweep.metric, 67, 2.0))


def test_standing_counts_models_epochs_and_time():
    told = Told()
    space = {"learning_rate": [0.1, 1e20], "hidden": [(), (4,)]}
    gs.Sweep(trainer(), space, callbacks=(told,)).fit(X, Y, eval_set=HELD_OUT)
    first, last = told.all[0], told.all[-1]
    assert first.statuses["waiting"] == 2
    assert sum(first.statuses.values()) == 4
    # One epoch of 67 rows of every model that has a row, in two seconds.
    began = first.statuses["running"]
    assert first.rows_per_second == began * 67 / 2
    assert 0 < first.share < 1
    assert first.seconds_left > 0
    assert last.statuses["diverged"] >= 1
    assert (last.share, last.seconds_left) == (1.0, 0.0)
    assert last.best is not None


def test_the_best_so_far_has_the_best_metric_and_has_not_diverged():
    told = Told()
    search = gs.Sweep(trainer(), {"l2": [1.0, 0.0, 0.1]}, metric="train_accuracy", callbacks=(told,))
    search.fit(X, Y, eval_set=HELD_OUT)
    assert told.all[-1].score == search.best_score_
    assert told.all[-1].best.number == search.best_index_


def test_live_table_tells_all():
    console = Console(force_terminal=True, width=100, file=io.StringIO())
    shown = []
    with progress.on_console(console, "validation_loss", stops_early=True) as watch:

        def look(sweep):
            watch.show(sweep.trials_, 67)
            shown.append(watch.table())

        gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, callbacks=(look,)).fit(X, Y, eval_set=HELD_OUT)
    with console.capture() as capture:
        console.print(shown[0])
    for words in ("search  25%", "best so far", "validation loss", "l2=", "2 running", "rows/s", "at most"):
        assert words in capture.get(), words


def test_words():
    assert progress.models_words(Counter(pruned=2, running=3, diverged=0)) == "3 running, 2 pruned"
    assert progress.models_words(Counter(waiting=1, early_stopped=2)) == "1 waiting, 2 early stopped"
    assert progress.score_words("validation_accuracy", 0.5) == "validation accuracy 50.00%"
    assert progress.speed_words(1234) == "1.23 k rows/s"
    assert progress.clock(3725) == "1:02:05"


def test_live_table_on_a_terminal_goes_and_leaves_the_results():
    ours, theirs = pytest.importorskip("pty").openpty()
    command = [sys.executable, "-m", "gradstep", *SWEEP, "--param", "l2=0,0.1"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    out = b""
    try:
        while chunk := os.read(ours, 4096):
            out += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    assert b"time left" in out
    assert b"2 trials in 1 group" in out.rpartition(b"time left")[2]


def test_ctrl_c_ends_with_the_table_and_its_files(tmp_path):
    command = [sys.executable, "-m", "gradstep", *SWEEP, "--param", "l2=0,0.1", "--epochs", "20000"]
    command += [
        "--evaluate-every",
        "1",
        "--csv",
        str(tmp_path / "t.csv"),
        "--report",
        str(tmp_path / "t.html"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "2 running" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "2 interrupted" in out
    assert err == "gradstep: warning: search interrupted after 0 of 2 trials; their table is kept\n"
    assert (tmp_path / "t.csv").read_text().count("interrupted") == 2
    assert (tmp_path / "t.html").exists()
