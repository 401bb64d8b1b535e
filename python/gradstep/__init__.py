"""Softmax regression and small neural networks, trained on the CPU as fast as it allows.

>>> import gradstep as gs
>>> data = gs.datasets.load_digits()
>>> trainer = gs.Trainer(hidden=(50,), random_state=0)
>>> trainer = trainer.fit(data.train.X, data.train.y)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradstep import augment, datasets, errors, machine, plots, schedules
    from gradstep._build_info import build_info
    from gradstep.callbacks import EarlyStopping
    from gradstep.ensemble import VotingEnsemble
    from gradstep.gradcheck import gradient_check
    from gradstep.history import History, Metrics
    from gradstep.html_report import report
    from gradstep.init import He, Normal, Xavier
    from gradstep.range_test import learning_rate_range_test
    from gradstep.repeats import Repeats, repeat
    from gradstep.snapshots import Snapshots
    from gradstep.sweeps.fused_search import FusedSearchCV
    from gradstep.sweeps.refining import coarse_to_fine
    from gradstep.sweeps.search import Sweep
    from gradstep.sweeps.spaces import Choice, IntUniform, LogUniform, Uniform
    from gradstep.sweeps.stopping import MedianStopping, SuccessiveHalving
    from gradstep.sweeps.table import Results
    from gradstep.trainer import Trainer

__all__ = [
    "Choice",
    "EarlyStopping",
    "FusedSearchCV",
    "He",
    "History",
    "IntUniform",
    "LogUniform",
    "MedianStopping",
    "Metrics",
    "Normal",
    "Repeats",
    "Results",
    "Snapshots",
    "SuccessiveHalving",
    "Sweep",
    "Trainer",
    "Uniform",
    "VotingEnsemble",
    "Xavier",
    "augment",
    "build_info",
    "coarse_to_fine",
    "datasets",
    "errors",
    "gradient_check",
    "learning_rate_range_test",
    "machine",
    "plots",
    "repeat",
    "report",
    "schedules",
]

# Where each public name lives; an empty string is a module of its own. Loaded on first use, so that
# `import gradstep` stays light.
_HOMES = {
    "Choice": "sweeps.spaces",
    "EarlyStopping": "callbacks",
    "FusedSearchCV": "sweeps.fused_search",
    "He": "init",
    "History": "history",
    "IntUniform": "sweeps.spaces",
    "LogUniform": "sweeps.spaces",
    "MedianStopping": "sweeps.stopping",
    "Metrics": "history",
    "Normal": "init",
    "Repeats": "repeats",
    "Results": "sweeps.table",
    "Snapshots": "snapshots",
    "SuccessiveHalving": "sweeps.stopping",
    "Sweep": "sweeps.search",
    "Trainer": "trainer",
    "Uniform": "sweeps.spaces",
    "VotingEnsemble": "ensemble",
    "Xavier": "init",
    "augment": "",
    "build_info": "_build_info",
    "coarse_to_fine": "sweeps.refining",
    "datasets": "",
    "errors": "",
    "gradient_check": "gradcheck",
    "learning_rate_range_test": "range_test",
    "machine": "",
    "plots": "",
    "repeat": "repeats",
    "report": "html_report",
    "schedules": "",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gradstep' has no attribute {name!r}")
    home = _HOMES[name]
    module = importlib.import_module(f"gradstep.{home or name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
