"""Softmax regression and small neural networks, trained on the CPU as fast as it allows.

>>> import gradstep as gs
>>> data = gs.datasets.load_digits()
>>> trainer = gs.Trainer(hidden=(50,), random_state=0)
>>> trainer = trainer.fit(data.train.X, data.train.y)
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from gradstep._version import __version__ as __version__
from gradstep.utils.public_modules import PublicModules

if TYPE_CHECKING:
    from gradstep import datasets, errors, plots
    from gradstep.diagnostics import machine
    from gradstep.diagnostics.build_info import build_info
    from gradstep.diagnostics.gradcheck import gradient_check
    from gradstep.diagnostics.gradient import gradient
    from gradstep.diagnostics.lr_range import learning_rate_range_test
    from gradstep.diagnostics.repeats import Repeats, repeat
    from gradstep.estimators import callbacks
    from gradstep.estimators.ensemble import VotingEnsemble
    from gradstep.estimators.loading import load_model
    from gradstep.estimators.regressor import Regressor
    from gradstep.estimators.snapshots import Snapshots
    from gradstep.estimators.trainer import Trainer
    from gradstep.nn import activations, augment, averaging, losses, metrics, optimizers, schedules
    from gradstep.nn import initializers as init
    from gradstep.nn.early_stopping import EarlyStopping
    from gradstep.nn.initializers import He, Normal, Xavier
    from gradstep.nn.metrics import Metrics
    from gradstep.nn.scorers import Scorer
    from gradstep.plan.checkpoint import Checkpoint
    from gradstep.reports import report
    from gradstep.search import optuna
    from gradstep.search.coarse_to_fine import coarse_to_fine
    from gradstep.search.fused_search import FusedSearchCV
    from gradstep.search.pruners import Hyperband, MedianStopping, SuccessiveHalving
    from gradstep.search.results import Results
    from gradstep.search.spaces import Choice, IntUniform, LogUniform, Uniform
    from gradstep.search.sweep import Sweep
    from gradstep.training.history import History
    from gradstep.training.status import Status

__all__ = [
    "Checkpoint",
    "Choice",
    "EarlyStopping",
    "FusedSearchCV",
    "He",
    "History",
    "Hyperband",
    "IntUniform",
    "LogUniform",
    "MedianStopping",
    "Metrics",
    "Normal",
    "Regressor",
    "Repeats",
    "Results",
    "Scorer",
    "Snapshots",
    "Status",
    "SuccessiveHalving",
    "Sweep",
    "Trainer",
    "Uniform",
    "VotingEnsemble",
    "Xavier",
    "activations",
    "augment",
    "averaging",
    "build_info",
    "callbacks",
    "coarse_to_fine",
    "datasets",
    "errors",
    "gradient",
    "gradient_check",
    "init",
    "learning_rate_range_test",
    "load_model",
    "losses",
    "machine",
    "metrics",
    "optimizers",
    "optuna",
    "plots",
    "repeat",
    "report",
    "schedules",
]

# Where each public name lives; behind a colon, the module that is the name itself. Loaded on first use, so
# that `import gradstep` stays light.
_HOMES = {
    "Checkpoint": "plan.checkpoint",
    "Choice": "search.spaces",
    "EarlyStopping": "nn.early_stopping",
    "FusedSearchCV": "search.fused_search",
    "He": "nn.initializers",
    "History": "training.history",
    "Hyperband": "search.pruners",
    "IntUniform": "search.spaces",
    "LogUniform": "search.spaces",
    "MedianStopping": "search.pruners",
    "Metrics": "nn.metrics",
    "Normal": "nn.initializers",
    "Regressor": "estimators.regressor",
    "Repeats": "diagnostics.repeats",
    "Results": "search.results",
    "Scorer": "nn.scorers",
    "Snapshots": "estimators.snapshots",
    "Status": "training.status",
    "SuccessiveHalving": "search.pruners",
    "Sweep": "search.sweep",
    "Trainer": "estimators.trainer",
    "Uniform": "search.spaces",
    "VotingEnsemble": "estimators.ensemble",
    "Xavier": "nn.initializers",
    "activations": ":nn.activations",
    "augment": ":nn.augment",
    "averaging": ":nn.averaging",
    "build_info": "diagnostics.build_info",
    "callbacks": ":estimators.callbacks",
    "coarse_to_fine": "search.coarse_to_fine",
    "datasets": ":datasets",
    "errors": ":errors",
    "gradient": "diagnostics.gradient",
    "gradient_check": "diagnostics.gradcheck",
    "init": ":nn.initializers",
    "learning_rate_range_test": "diagnostics.lr_range",
    "load_model": "estimators.loading",
    "losses": ":nn.losses",
    "machine": ":diagnostics.machine",
    "metrics": ":nn.metrics",
    "optimizers": ":nn.optimizers",
    "optuna": ":search.optuna",
    "plots": ":plots",
    "repeat": "diagnostics.repeats",
    "report": "reports",
    "schedules": ":nn.schedules",
}

# Public modules can be imported from by these names, too.
_MODULES = {f"gradstep.{name}": f"gradstep.{home[1:]}" for name, home in _HOMES.items() if home[0] == ":"}
sys.meta_path.append(PublicModules({name: home for name, home in _MODULES.items() if name != home}))


def _load(name: str) -> Any:
    """Return a public name, which is from then on there."""
    if name not in _HOMES:
        raise _missing(name)
    home = _HOMES[name]
    module = importlib.import_module(f"gradstep.{home.removeprefix(':')}")
    value = module if home.startswith(":") else getattr(module, name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = _load


def _missing(name: str) -> AttributeError:
    """Return the error of a name that is not there; the names near it may be parts of others."""
    from gradstep.utils.names import missing_attribute

    # Imports ask for a module first as an attribute: nobody reads the answer.
    if name.startswith("_") or importlib.util.find_spec(f"gradstep.{name}"):
        return missing_attribute("gradstep", name, ())
    places: dict[str, str] = {}
    for home in (home.removeprefix(":") for home in _HOMES.values() if home.startswith(":")):
        module = importlib.import_module(f"gradstep.{home}")
        places |= {own: f"{home.rpartition('.')[2]}.{own}" for own in getattr(module, "__all__", ())}
    return missing_attribute("gradstep", name, [*places, *__all__], places | {own: own for own in __all__})


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
