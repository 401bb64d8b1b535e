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
import pytest

import gradstep as gs
from gradstep import cli
from gradstep.cli import options, progress

TRAIN = ("train", "--data", "digits", "--random-state", "0")

pytestmark = pytest.mark.usefixtures("numpy_backend")


def start(*words, **settings):
    command = [sys.executable, "-m", "gradstep", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)


# --- errors: one line, status 2, before any training ---

MISTAKES = {
    "train": "required: --data",
    "trian": "invalid choice: 'trian' (choose from",
    "train --data digits --learnin-rate 1": "unknown argument --learnin-rate; did you mean --learning-rate?",
    "train --data digits --learning-rat=1": "unknown argument --learning-rat; did you mean --learning-rate?",
    "train --data digits more": "unknown argument more",
    "train --data digits --epochs": "argument --epochs: expected one argument",
    "train --data digits --epochs 1.5": "argument --epochs: must be an integer, got '1.5'",
    "train --data digits --batch-size many": "argument --batch-size: must be",
    "train --data digits --batch-size 0": "`batch_size` of Trainer must be",
    "train --data digits --l2 much": "argument --l2: must be a number, got 'much'",
    "train --data digits --l2 -0.1": "`l2` of Trainer must be >= 0, got -0.1",
    "train --data digits --l2 nan": "`l2` of Trainer must be a finite number, got nan",
    "train --data digits --hidden 0": "`hidden` of Trainer must be",
    "train --data digits --loss hinge": "`loss` of Trainer must be one of 'softmax', 'sigmoid', got 'hinge'",
    "train --data digits --backend abacus": "got 'abacus'",
    "train --data digits --n-threads many": "must be a number of threads or auto, got 'many'",
    "train --data digits --learning-rate fast": "must be a number, step:START[:FACTOR[:EVERY]]",
    "train --data digits --learning-rate cyclic:1:2": "must be cyclic:LOW:HIGH:STEP_SIZE, got 'cyclic:1:2'",
    "train --data digits --learning-rate step:1:2:3:4": "got 'step:1:2:3:4'",
    "train --data digits --learning-rate cyclic:2:1:9": "`high` of CyclicTriangular must be >= low",
    "train --data digits --learning-rate warp:1": "piecewise:RATE[:EPOCH:RATE]..., got 'warp:1'",
    "train --data digits --learning-rate piecewise:1:2": "[:EPOCH:RATE]..., got 'piecewise:1:2'",
    "train --data digits --learning-rate cosine:1:0:soon": "must be cosine:HIGH[:LOW[:PERIOD[:FACTOR]]], got",
    "train --data digits --learning-rate linear:-1:0": "`start` of Linear must be >= 0, got -1.0",
    "train --data digits --learning-rate plateau:1 --validation none": "needs an eval_set",
    "train --data digits --init normal:wide": "must be he, xavier or normal:STD, got 'wide'",
    "train --data digits --init normal:-1": "`std` of Normal must be >= 0, got -1.0",
    "train --data digits --early-stopping soon": "must be PATIENCE, MONITOR:PATIENCE or never, got 'soon'",
    "train --data digits --early-stopping fun:3": "`monitor` of EarlyStopping must be one of",
    "train --data digits --early-stopping 3 --validation none": "needs an eval_set",
    "train --data digits --evaluate-every end": "must be epoch, running, a number of updates or never, got",
    "train --data digits --evaluate-every never --early-stopping 3": "got evaluate_every=None",
    "train --data digits --target 3": "--target goes with .csv, got --data digits",
    "train --data digits --validation few": "`validation` of load_digits must be",
    "train --data digits --validation 5000": "`validation` of load_digits must be",
    "train --data digits --test few": "must be a number of rows, a share of them or none, got 'few'",
    "train --data images": "--data must be cifar10, digits or a .csv or .npz file, got 'images'",
    "train --data gone.csv": "--data must be an existing file, got 'gone.csv'",
    "train --data cifar10 --train-batch data_batch_9": "must be one of data_batch_1, data_batch_2",
    "train --data cifar10 --path gone": "`path` of load_cifar10",
    "train --data digits --report gone/report.html": "there is no folder gone",
    "train --data digits --save .": "cannot write .: it is a folder",
    "train --data digits --report /dev/null": "cannot write /dev/null: it is no file",
    "demo --report gone/report.html": "there is no folder gone",
    "gradcheck --rows 0": "argument --rows: must be >= 1, got '0'",
    "gradcheck --epochs 3": "unknown argument --epochs",
    "info --jsno": "unknown argument --jsno; did you mean --json?",
}  # fmt: skip


@pytest.mark.parametrize("line", MISTAKES)
def test_mistake(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gradstep: error: ")
    assert err.count("\n") == 1
    assert MISTAKES[line] in err
    assert list(tmp_path.iterdir()) == []


def test_words_of_scikit_learn_become_one_line(capsys, tmp_path):
    X = np.zeros((20, 2))
    X[3, 1] = np.nan
    np.savez(tmp_path / "hole.npz", X=X, y=np.arange(20) % 2)
    assert cli.main(["train", "--data", str(tmp_path / "hole.npz"), "--quiet"]) == 2
    assert capsys.readouterr() == ("", "gradstep: error: Input X contains NaN.\n")


def test_unwritable_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cli.main([*TRAIN, "--report", str(tmp_path / "report.html")]) == 2
    assert "permission denied" in capsys.readouterr().err


def test_error_of_the_system_is_one_line(capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "model.file")

    monkeypatch.setattr(gs.Trainer, "save", fail)
    assert cli.main([*TRAIN, "--epochs", "1", "--quiet", "--save", "model.file"]) == 2
    assert capsys.readouterr().err == "gradstep: error: model.file: No space left on device\n"


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
        loss, cost, accuracy = trainer.evaluate(rows.X, rows.y)
        expected = [name, f"{len(rows):,}", f"{loss:.4f}", f"{cost:.4f}", f"{accuracy:.2%}"]
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
    assert set(found["figures"]) == {"train", "test"}
    assert set(found["history"]) == set(gs.History().keys())
    assert found["history"]["epoch"] == [1, 2, 3, 4]
    assert found["history"]["validation_loss"] == [None] * 4
    assert found["figures"]["train"]["loss"] == pytest.approx(found["history"]["train_loss"][-1])
    assert found["interrupted"] is False
    assert found["diverged"] is None


def test_train_writes_model_and_report(capsys, tmp_path):
    model, report = tmp_path / "model.safetensors", tmp_path / "report.html"
    assert cli.main([*TRAIN, "--quiet", "--json", "--save", str(model), "--report", str(report)]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"model   {model}", f"report  {report}"]
    test = gs.datasets.load_digits().test
    assert gs.Trainer.load(model).score(test.X, test.y) == json.loads(out)["figures"]["test"]["accuracy"]
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
    assert found["data"] == {"name": "flowers", "rows": {"train": 35, "validation": 15, "test": 10}}
    assert found["figures"]["train"]["accuracy"] > 0.7


@pytest.mark.cifar10
def test_train_on_cifar10(capsys):
    assert (
        cli.main(["train", "--data", "cifar10", "--epochs", "1", "--learning-rate", "0.001", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["rows"] == {"train": 10000, "validation": 10000, "test": 10000}
    assert found["figures"]["test"]["accuracy"] > 0.25


# --- the other commands ---


def test_demo(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    row = re.compile(
        r"^(softmax|two-layer) \w+ +([\d.]+)% +([\d.]+)% +([\d.]+)% +[\d.]+ +[\d.]+$", re.MULTILINE
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
        ["gflops", "one", "thread", "134.0"],
        ["gbytes", "per", "second", "50.0"],
        ["gbytes", "per", "second", "one", "thread", "28.0"],
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
    assert all(option.flag in out for option in options.TRAINER_OPTIONS)


def test_warnings_are_one_line(capsys):
    with cli._warnings_in_one_line():
        warnings.simplefilter("always")
        warnings.warn("slow\n  machine", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == "gradstep: warning: slow machine\n"


def test_figures_of_any_size_stay_short():
    assert [progress.figure(value) for value in (0.5, 1234.5, 1e30)] == ["0.5000", "1234.5000", "1.000e+30"]


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


def test_files_that_would_destroy_each_other_are_refused(tmp_path, capsys):
    same = str(tmp_path / "same")
    assert cli.main(["train", "--data", "digits", "--save", same, "--report", same]) == 2
    assert "--save names the same file" in capsys.readouterr().err
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,x\n2,y\n")
    assert cli.main(["train", "--data", str(table), "--save", str(table)]) == 2
    assert "--data names the same file" in capsys.readouterr().err
    assert table.read_text() == "a,b\n1,x\n2,y\n"
