"""Programs of scikit-learn's on this package: what is patched, what is not, and what is restored."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.neural_network
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import gradstep.sklearn as faces
from gradstep.sklearn import patching
from makers import HERE

OWN = {name: getattr(sklearn.neural_network, name) for name in patching.FACES}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X @ [1, -1, 2, 0] > 0).astype(int)

# Under pytest this and other modules of tests have imported scikit-learn's names.
pytestmark = pytest.mark.filterwarnings("ignore:.*imported MLP:RuntimeWarning")


@pytest.fixture(autouse=True)
def unpatched() -> Any:
    yield
    faces.unpatch()
    assert {name: getattr(sklearn.neural_network, name) for name in OWN} == OWN


def imported() -> tuple[type, type]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return MLPClassifier, MLPRegressor


def test_names_are_replaced_and_restored(capsys: pytest.CaptureFixture[str]) -> None:
    faces.patch()
    assert imported() == (faces.MLPClassifier, faces.MLPRegressor)
    assert faces.is_patched()
    assert capsys.readouterr() == (
        "",
        "gradstep: MLPClassifier and MLPRegressor of sklearn.neural_network are gradstep's\n",
    )
    assert not faces.patch().did
    assert capsys.readouterr() == ("", "")
    faces.unpatch()
    assert imported() == tuple(OWN.values())
    faces.unpatch()
    assert not faces.is_patched()


def test_blocks_end_what_they_began(capsys: pytest.CaptureFixture[str]) -> None:
    with faces.patch(verbose=False):
        with faces.patch():
            assert faces.is_patched()
        assert faces.is_patched()
    assert imported() == tuple(OWN.values())
    with pytest.raises(ZeroDivisionError), faces.patch(verbose=False):
        raise ZeroDivisionError
    assert imported() == tuple(OWN.values())
    assert capsys.readouterr() == ("", "")


def test_names_imported_before_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    early = types.ModuleType("early_bird")
    early.Network = early.MLPRegressor = OWN["MLPRegressor"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "early_bird", early)
    with pytest.warns(RuntimeWarning) as told:
        faces.patch(verbose=False)
    assert [str(w.message) for w in told if "early_bird" in str(w.message)] == [
        "early_bird imported MLPRegressor before gradstep.sklearn.patch() and keeps that of scikit-learn; "
        "patch before it is imported"
    ]
    assert all(w.filename == __file__ for w in told)
    assert early.MLPRegressor is OWN["MLPRegressor"]


@pytest.mark.parametrize(
    "version, tested", [("1.6.1", False), ("2.0", False), ("1.9", True), ("1.9.7", True)]
)
def test_another_scikit_learn_is_told(version: str, tested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn, "__version__", version)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        faces.patch(verbose=False)
    found = [str(w.message) for w in told if "tested" in str(w.message)]
    wanted = f"gradstep.sklearn.patch is tested with scikit-learn 1.9, got {version}"
    assert found == ([] if tested else [wanted])


@pytest.mark.parametrize("backend", HERE)
def test_models_are_pickled_both_ways(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_BACKEND", backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stock = OWN["MLPClassifier"](max_iter=3, random_state=0).fit(X, Y)
        before = pickle.dumps(stock)
        with faces.patch(verbose=False):
            own = imported()[0](max_iter=3, random_state=0).fit(X, Y)
            pickled, meanwhile = pickle.dumps(own), pickle.dumps(stock)
            assert type(pickle.loads(before)) is OWN["MLPClassifier"]
            assert type(clone(stock)) is OWN["MLPClassifier"]
    assert isinstance(own, OWN["MLPClassifier"])
    assert type(pickle.loads(pickled)) is faces.MLPClassifier
    np.testing.assert_array_equal(pickle.loads(pickled).predict_proba(X), own.predict_proba(X))
    np.testing.assert_array_equal(pickle.loads(meanwhile).predict_proba(X), stock.predict_proba(X))
    np.testing.assert_allclose(own.predict_proba(X), stock.predict_proba(X), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_workers_of_joblib_get_what_they_are_sent() -> None:
    with faces.patch(verbose=False):
        model = imported()[0](max_iter=3, random_state=0)
        search = GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, Y)
    assert type(search.best_estimator_) is faces.MLPClassifier


PROGRAM = """
import pickle, sys
from sklearn.neural_network import MLPRegressor

class Own:
    pass

if __name__ == "__main__":
    pickle.loads(pickle.dumps(Own()))
    print(MLPRegressor.__module__, sys.argv[1:], __file__, sys.path[0], sep="|")
    sys.exit(int(sys.argv[2]))
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(faces.__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "gradstep.sklearn", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_runs_as_python_would_run_it(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    script = tmp_path / "inside" / "program.py"
    script.write_text(PROGRAM)
    done = run(tmp_path, str(script), "--quiet", "3", "-m")
    wanted = f"gradstep.sklearn.mlp_regressor|['--quiet', '3', '-m']|{script}|{script.parent}\n"
    assert (done.returncode, done.stdout) == (3, wanted)
    assert done.stderr == (
        "gradstep: MLPClassifier and MLPRegressor of sklearn.neural_network are gradstep's\n"
    )


def test_a_module_runs_as_python_would_run_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run(tmp_path, "--quiet", "-m", "program", "a", "4")
    wanted = f"gradstep.sklearn.mlp_regressor|['a', '4']|{tmp_path / 'program.py'}|{tmp_path}\n"
    assert (done.returncode, done.stdout, done.stderr) == (4, wanted, "")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["gone.py"], "error: the script must be an existing file, got 'gone.py'"),
        (["-m", "no_such_module"], "error: there is no module 'no_such_module'"),
        ([], "error: the following arguments are required: program"),
    ],
)
def test_what_is_no_program(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
