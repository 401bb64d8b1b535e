"""What CONTRIBUTING says of adding a loss, an optimizer and the like is true: it is done here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

# As CONTRIBUTING has it: each class is defined, and nothing else is touched.
ADDITIONS = '''
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradstep.nn.activations import Activation
from gradstep.nn.averaging import Averaging
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric
from gradstep.nn.optimizers import Optimizer
from gradstep.nn.rules import MomentumRule, Rule
from gradstep.nn.schedules import Schedule
from gradstep.utils.constraints import NUMBER, Constraint, at_least, below


@dataclass(frozen=True)
class MaxError(Metric):
    """Largest absolute error."""

    takes = ("values",)

    def of(self, predictions, targets, weight=None):
        return float(np.abs(predictions - targets).max())


@dataclass(frozen=True)
class LogCosh(Loss):
    """Mean over the outputs of ``log(cosh(s - y))``."""

    takes = "values"
    metrics = (MaxError(),)

    @staticmethod
    def parts(s, y, top):
        t = np.abs(s - y)
        return t + np.log1p(np.exp(-2 * t)) - np.log(2.0), 0 * s

    @staticmethod
    def slope(s, y, top, a, k):
        return np.tanh(s - y) / k

    @staticmethod
    def answers(scores):
        return scores


@dataclass(frozen=True)
class Softsign(Activation):
    """``z / (1 + |z|)``."""

    @staticmethod
    def of(z, number):
        return z / (1 + np.abs(z))

    @staticmethod
    def slope(a, number):
        return (1 - np.abs(a)) * (1 - np.abs(a))


@dataclass(frozen=True)
class Averaged(Optimizer):
    """Steps along the moving average of the gradients: a known rule with other numbers."""

    keep: float = 0.9
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"keep": (NUMBER, at_least(0), below(1))}

    @property
    def rule(self):
        return MomentumRule

    def numbers(self, updates, rates, l2):
        mu = float(self.keep)
        return {"decay": 2 * l2, "mu": mu, "a": 1 - mu, "shrink": 1.0, "b": -rates, "c": 0.0}


@dataclass(frozen=True)
class SignRule(Rule):
    """``m = b m + (1 - b) g; w = w - rate * sign(m)``."""

    name = "sign"
    slots = 1
    numbers = ("decay", "b", "rate")
    for_biases: ClassVar[Mapping[str, float]] = {"decay": 0.0}

    @staticmethod
    def step(w, dw, slots, numbers):
        decay, b, rate = numbers
        (m,) = slots
        m = b * m + (1 - b) * (dw + decay * w)
        return w - rate * np.sign(m), (m,)


@dataclass(frozen=True)
class Signed(Optimizer):
    """Steps of one length: a new rule."""

    beta: float = 0.9
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"beta": (NUMBER, at_least(0), below(1))}

    @property
    def rule(self):
        return SignRule

    def numbers(self, updates, rates, l2):
        return {"decay": 2 * l2, "b": float(self.beta), "rate": rates}


@dataclass(frozen=True)
class SecondHalf(Averaging):
    """Mean over the updates of the second half."""

    def shares(self, updates, planned, updates_per_epoch):
        number = updates + 2 - self.begins_after(planned, updates_per_epoch)
        return np.where(number > 0, 1.0 / np.maximum(number, 1), 0.0)

    def begins_after(self, planned, updates_per_epoch):
        return planned // 2 + 1


@dataclass(frozen=True)
class Halving(Schedule):
    """Half as much after every epoch."""

    start: float

    def __call__(self, update, updates_per_epoch, updates=None):
        return self.start * 0.5 ** (update // updates_per_epoch)
'''

USE = """
import sys
import warnings

import numpy as np

import additions
import gradstep as gs
from gradstep import cli
from gradstep.backends import availability

random = np.random.default_rng(0)
X = random.normal(size=(120, 3))
y = 5 + X @ [2.0, -1.0, 0.5] + 0.1 * random.normal(size=120)
settings = {
    "hidden": (6,), "activation": "softsign", "loss": "log_cosh", "metrics": ("r2",), "l2": 1e-3,
    "learning_rate": additions.Halving(0.05), "precision": "float64", "epochs": 6, "random_state": 0,
    "average": "second_half",
}
for optimizer in ("averaged", additions.Signed(beta=0.8)):
    fitted = {
        backend: gs.Regressor(**settings, optimizer=optimizer, backend=backend).fit(X, y, eval_set=(X, y))
        for backend in ("numpy", "numba")
        if availability()[backend] is None
    }
    reference = fitted["numpy"]
    assert reference.history_["train_loss"][-1] < 0.5 * reference.history_["train_loss"][0]
    assert reference.history_["validation_max_error"].shape == (6,)
    assert list(reference.evaluate(X, y)) == ["loss", "cost", "max_error", "r2"]
    for backend, regressor in fitted.items():
        for W, wanted in zip(regressor.coefs_, reference.coefs_, strict=True):
            np.testing.assert_allclose(W, wanted, rtol=1e-8, atol=1e-12, err_msg=backend)
    assert gs.gradient_check(reference.set_params(optimizer="sgd"), X, y, entries=10).passed(1e-6)

# A group of models whose numbers differ, each what it is alone.
trainer = gs.Regressor(**settings, optimizer=additions.Signed(), backend="numpy")
sweep = gs.Sweep(trainer, {"optimizer__beta": [0.5, 0.9]}, metric="validation_max_error")
sweep.fit(X, y, eval_set=(X, y))
assert len(sweep.groups_) == 1
alone = trainer.set_params(optimizer__beta=sweep.best_params_["optimizer__beta"]).fit(X, y)
np.testing.assert_array_equal(alone.coefs_[0], sweep.best_trainer_.coefs_[0])

# A file, and the command line.
folder = sys.argv[1]
alone.save(f"{folder}/model")
assert gs.Regressor.load(f"{folder}/model").get_params()["optimizer__beta"] == alone.optimizer.beta
np.testing.assert_array_equal(gs.Regressor.load(f"{folder}/model").predict(X), alone.predict(X))
np.savez(f"{folder}/data.npz", X=X, y=y)
words = "--loss log_cosh --hidden 4 --activation softsign --optimizer signed:0.7 --learning-rate halving:0.1"
command = ["train", "--data", f"{folder}/data.npz", "--task", "regression", "--backend", "numpy"]
assert cli.main([*command, *words.split(), "--epochs", "2", "--quiet"]) == 0
assert cli.main([*command, "--optimizer", "signed:2"]) == 2
print("numba" in fitted)
"""


def test_one_of_each_is_added_by_its_class_alone(tmp_path: Path) -> None:
    """In a process of its own, for a class that is defined stays known."""
    (tmp_path / "additions.py").write_text(ADDITIONS, encoding="utf-8")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    quick = "ignore:Regressor has not converged"
    command = [sys.executable, "-W", "error", "-W", quick, str(tmp_path / "use.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "max error" in done.stdout
    assert "`beta` of Signed must be < 1, got 2.0" in done.stderr


def lists() -> dict[str, list[str]]:
    """Return the numbered lines of every list under "How to add", by its heading."""
    parts = re.split(r"^\*\*(An? .+?)\*\*.*$", TEXT.partition("## How to add")[2], flags=re.MULTILINE)[1:]
    return {
        heading: re.split(r"^\d\. ", body.strip(), flags=re.MULTILINE)[1:]
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


def paths(text: str) -> list[str]:
    """Return the paths that a text names."""
    return re.findall(r"`((?:python|cpp|tests)/[\w/.]+)`", text)


def test_every_path_that_contributing_names_is_there() -> None:
    missing = [path for path in paths(TEXT) if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize(
    ("what", "files"),
    [
        ("A loss", ["python/gradstep/nn/losses.py", "cpp/kernels/losses.hpp"]),
        ("An activation", ["python/gradstep/nn/activations.py", "cpp/kernels/activations.hpp"]),
        ("An optimizer of a known rule", ["python/gradstep/nn/optimizers.py"]),
        (
            "An optimizer of a new rule",
            ["python/gradstep/nn/rules.py", "python/gradstep/nn/optimizers.py", "cpp/kernels/rules.hpp"],
        ),
        ("An average of weights", ["python/gradstep/nn/averaging.py"]),
        ("A metric", ["python/gradstep/nn/metrics.py"]),
    ],
)
def test_the_files_of_an_addition(what: str, files: list[str]) -> None:
    named = [path for line in lists()[what] for path in paths(line) if "tests/" not in path]
    assert named == files


@pytest.mark.parametrize("what", ["A schedule", "A plain parameter", "A backend"])
def test_the_other_lists_are_there(what: str) -> None:
    assert lists()[what]
