"""Mistakes on the command line: one line that says what is wrong, status 2, before any training."""

from __future__ import annotations

import os

import numpy as np
import pytest

import gradstep as gs
from gradstep import cli

TRAIN = ("train", "--data", "digits", "--random-state", "0")

pytestmark = pytest.mark.usefixtures("numpy_backend")

MISTAKES = {
    "train": "required: --data",
    "trian": "'reproduce', 'info'); did you mean train? (see",
    "train --data digits --lr 0.1": "unknown argument --lr; did you mean --learning-rate?",
    "train --data digits --alpha 1": "unknown argument --alpha; did you mean --l2?",
    "train --data digits --hidden_layer_sizes 5": "did you mean --hidden?",
    "train --data digits --momentum 0.9": "unknown argument --momentum; did you mean --optimizer?",
    "train --data digits --seed 3": "unknown argument --seed; did you mean --random-state?",
    "train --data CIFAR10": "got 'CIFAR10'; did you mean cifar10?",
    "train --data digits --task regresion": "'regression'); did you mean regression?",
    "train --data digits --hidden 50,50": "got '50,50'; several have spaces between, as --hidden 50 50",
    "train --data digits --hidden 50-30": "got '50-30'; several have spaces between, as --hidden 50 30",
    "train --data digits --learning-rate nan": "or a number, got 'nan' (see",
    "train --data digits --metrics acc": "a scorer of scikit-learn, got 'acc'; did you mean 'accuracy'?",
    "train --data digits --loss mse": "got 'mse'; did you mean squared?",
    "train --data digits --activation sigmoid": "got 'sigmoid'; did you mean logistic?",
    f"train --data digits --epochs {10**400}": "must be an int, got '100000000000...0000000000000'; ints end",
    f"train --data digits --epochs {'9' * 5000}": "--epochs: must be an int, got '999999999999...99999",
    f"train --data digits --l2 {10**400}": "--l2: must be a finite number, got '100000000000...000",
    f"train --data digits --hidden {10**400}": "--hidden: must be an int >= 1, got '100000000000...0",
    f"train --data digits --early-stopping {10**400}": "`patience` of EarlyStopping must be an int, got an",
    f"train --data digits --init normal:{10**400}": "`std` of Normal must be a finite number, got inf",
    f"gradcheck --rows {10**400}": "argument --rows: must be an integer, got an int of about 400 digits",
    f"train --data digits --test {10**400}": "--test must be ",
    "train --data digits --learnin-rate 1": "unknown argument --learnin-rate; did you mean --learning-rate?",
    "train --data digits --learning-rat=1": "unknown argument --learning-rat; did you mean --learning-rate?",
    "train --data digits more": "unknown argument more",
    "train --data digits --epochs": "argument --epochs: expected one argument",
    "train --data digits --epochs 1.5": "argument --epochs: must be an int, got '1.5'",
    "train --data digits --batch-size many": "argument --batch-size: must be 'auto' or an int, got 'many'",
    "train --data digits --batch-size 0": "argument --batch-size: must be >= 1, got '0'",
    "train --data digits --l2 much": "argument --l2: must be a finite number, got 'much'",
    "train --data digits --l2 -0.1": "argument --l2: must be >= 0, got '-0.1'",
    "train --data digits --l2 nan": "argument --l2: must be a finite number, got 'nan'",
    "train --data digits --hidden 0": "argument --hidden: must be an int >= 1, got '0'",
    "train --data digits --loss hinge": "argument --loss: must be softmax[:LABEL_SMOOTHING], sigmoid,",
    "train --data digits --backend abacus": "argument --backend: must be one of 'auto', 'cpp', 'numba', 'n",
    "train --data digits --n-threads many": "argument --n-threads: must be an int or None, got 'many'",
    "train --data digits --learning-rate fast": "step:START[:FACTOR[:EVERY]], piecewise:BOUNDARIES:",
    "train --data digits --learning-rate cyclic:1:2": "must be cyclic:LOW:HIGH:STEP_SIZE, got 'cyclic:1:2'",
    "train --data digits --learning-rate step:1:2:3:4": "got 'step:1:2:3:4'",
    "train --data digits --learning-rate cyclic:2:1:9": "`high` of CyclicTriangular must be >= low",
    "train --data digits --learning-rate warp:1": "or a number, got 'warp:1'",
    "train --data digits --learning-rate piecewise:1:2": "`rates` of Piecewise must be one more than",
    "train --data digits --learning-rate piecewise:1/x:2": "must be piecewise:BOUNDARIES:RATES, got",
    "train --data digits --learning-rate cyclc:1": "got 'cyclc:1'; did you mean cyclic?",
    "train --data digits --learning-rate 0": "argument --learning-rate: must be > 0, got '0'",
    "train --data digits --clip-norm 0": "argument --clip-norm: must be > 0, got '0'",
    "train --data digits --average ema:1": "argument --average: `decay` of EMA must be < 1, got 1.0",
    "train --data digits --average swa": "ema[:DECAY], last_epochs[:EPOCHS] or none, got 'swa'",
    "train --data digits --optimizer adam:1": "argument --optimizer: `beta1` of Adam must be < 1, got 1.0",
    "train --data digits --optimizer sgd:0.9:maybe": "RATE_IN_VELOCITY]]], got 'sgd:0.9:maybe'",
    "train --data digits --optimizer sgd:0.9:yes:1": "RATE_IN_VELOCITY]]], got",
    "train --data digits --activation rely": "argument --activation: must be relu, tanh,",
    "train --data digits --activation relu,tanh": "--activation must be one, or one for each of the 0 hidden",
    "train --data digits --loss softmax:1": "argument --loss: `label_smoothing` of Softmax must be < 1",
    "train --data digits --loss squared": "--loss must take labels or indicators, got 'squared', which takes "
    "values: it is for --task regression",
    "train --data digits --metrics r2": "--metrics must be for labels, which softmax takes, got 'r2'",
    "train --data digits --metrics fun": "argument --metrics: must be one of 'loss',",
    "train --data digits --hidden 9 --dropout 1": "error: --dropout must be in [0, 1), got 1.0",
    "train --data digits --hidden 9 --dropout 0.1/0.2": "--dropout must be one share, or one for each of th",
    "train --data digits --dropout half": "must be SHARE, or one for each hidden layer as 0.2/0.5, got",
    "train --data digits --augment flop": "several with commas between, got 'flop'; did you mean flip?",
    "train --data digits --task regression": "--task regression goes with .csv, .npz, .npy, got",
    "train --data digits --task clustering": "argument --task: invalid choice: 'clustering'",
    "train --data digits --standardize-targets": "--standardize-targets goes with --task regression",
    "train --data digits --learning-rate cosine:1:0:soon": "must be cosine:HIGH[:LOW[:PERIOD[:FACTOR]]], got",
    "train --data digits --learning-rate linear:-1:0": "`start` of Linear must be >= 0, got -1.0",
    "train --data digits --learning-rate plateau:1 --validation none": "--learning-rate monitors",
    "train --data digits --init normal:wide": "argument --init: must be normal:STD[:SEED], got 'normal:wide'",
    "train --data digits --init normal:-1": "`std` of Normal must be >= 0, got -1.0",
    "train --data digits --early-stopping soon": "must be PATIENCE, MONITOR:PATIENCE or none, got 'soon'",
    "train --data digits --early-stopping fun:3": "`monitor` of EarlyStopping must be a column",
    "train --data digits --early-stopping 3 --validation none": "--early-stopping monitors validation_loss",
    "train --data digits --evaluate-every end": "--evaluate-every: must be one of 'epoch', 'running' or",
    "train --data digits --evaluate-every none --early-stopping 3": "got evaluate_every=None",
    "train --data digits --target 3": "--target goes with .csv, got --data digits",
    "train --data digits --validation few": "--validation must be a number of rows, a share of them, a file",
    "train --data X.npz --validation few": "--validation must be a number of rows, a share of them, a file",
    "train --data digits --validation 5000": "--validation must be none, a number of rows from 1 to 1796",
    "train --data digits --test few": "must be a number of rows, a share of them, a file or none, got 'few'",
    "train --data images": "--data must be cifar10, digits or a .csv, .npz or .npy file, got 'images'",
    "train --data gone.csv": "--data must be an existing file, got 'gone.csv'",
    "train --data cifar10 --train-batch data_batch_9": "error: --train-batch must be one of data_batch_1,",
    "train --data cifar10 --path gone": "error: --path",
    "train --data digits --report gone/report.html": "there is no folder gone",
    "train --data digits --save .": "cannot write .: it is a folder",
    "train --data digits --report report.pdf": "--report must end in .html or .htm, got 'report.pdf'",
    "demo --report report.pdf": "--report must end in .html or .htm, got 'report.pdf'",
    "reproduce --report report.PNG": "--report must end in .html or .htm, got 'report.PNG'",
    "reproduce --markdown tables.html": "--markdown must end in .md or .markdown or .txt, got 'tables.html'",
    "sweep --data digits --param l2=0,1 --csv t.xlsx": "--csv must end in .csv or .txt, got 't.xlsx'",
    "predict m t.csv --output t.xlsx": "--output must end in .csv or .txt, got 't.xlsx'",
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


@pytest.mark.parametrize("protected", ["folder", "file"])
def test_what_is_write_protected_is_told_before_any_work(capsys, tmp_path, monkeypatch, protected):
    """A file that is replaced is written beside the old one, so that the folder counts, too."""
    file = tmp_path / "report.html"
    file.write_text("old")
    place = tmp_path if protected == "folder" else file
    monkeypatch.setattr(os, "access", lambda path, mode: path != place)
    assert cli.main([*TRAIN, "--report", str(file)]) == 2
    assert capsys.readouterr().err.endswith(f"cannot write {file}: {place} is write-protected\n")
    assert file.read_text() == "old"


def test_a_link_into_a_folder_that_is_gone(capsys, tmp_path):
    (tmp_path / "link.html").symlink_to(tmp_path / "gone" / "report.html")
    assert cli.main([*TRAIN, "--report", str(tmp_path / "link.html")]) == 2
    assert f"there is no folder {tmp_path.resolve() / 'gone'}" in capsys.readouterr().err


def test_error_of_the_system_is_one_line(capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device", "model.file")

    monkeypatch.setattr(gs.Trainer, "save", fail)
    assert cli.main([*TRAIN, "--epochs", "1", "--quiet", "--save", "model.file"]) == 2
    assert capsys.readouterr().err == "gradstep: error: model.file: No space left on device\n"


def test_files_that_would_destroy_each_other_are_refused(tmp_path, capsys):
    same = str(tmp_path / "same")
    assert cli.main(["train", "--data", "digits", "--save", same, "--report", same]) == 2
    assert "--save names the same file" in capsys.readouterr().err
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,x\n2,y\n")
    assert cli.main(["train", "--data", str(table), "--save", str(table)]) == 2
    assert "--data names the same file" in capsys.readouterr().err
    assert table.read_text() == "a,b\n1,x\n2,y\n"


def test_a_table_that_is_too_small_for_what_is_held_out_by_default(capsys, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,x\n2,y\n3,x\n")
    assert cli.main(["train", "--data", str(table)]) == 2
    err = capsys.readouterr().err
    assert err.endswith("a share of the 3 rows, got 0.15, the default: --test none holds out none\n")
    assert cli.main(["train", "--data", str(table), "--test", "0.1"]) == 2
    assert capsys.readouterr().err.endswith("a share of the 3 rows, got 0.1\n")
    assert cli.main(["train", "--data", str(table), "--test", "none", "--validation", "none", "--quiet"]) == 0


TABLE_MISTAKES = {
    "--augment flip": "--augment changes images: --image-shape says the shape of a row",
    "--figure-format pdf": "--figure-format goes with --figures, which names the folder",
    "--validation 0.6 --test 0.6": "--validation and --test must leave rows to train on, got 24 + 24 of 40",
    "--test 0": "--test must be none, a number of rows from 1 to 39",
    "--test other.npz": "--test must be rows of the kind of --data table.csv, got 'other.npz'",
    "--early-stopping validation_f1:3": "which needs a loss or --metrics that have it",
}


@pytest.mark.parametrize("words", TABLE_MISTAKES)
def test_mistakes_with_a_table_are_told_in_options(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,b,y\n" + "".join(f"{i % 7},{i % 3},{i % 2}\n" for i in range(40)))
    np.savez("other.npz", X=np.zeros((4, 2)), y=np.zeros(4))
    assert cli.main(["train", "--data", "table.csv", "--epochs", "1", "--quiet", *words.split()]) == 2
    assert TABLE_MISTAKES[words] in capsys.readouterr().err


@pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
def test_a_warning_is_told_in_options(capsys):
    assert cli.main([*TRAIN, "--epochs", "2", "--quiet"]) == 0
    assert "More --epochs or another --learning-rate may help" in capsys.readouterr().err
