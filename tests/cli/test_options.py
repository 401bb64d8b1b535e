"""Options of the command line are the parameters of Trainer."""

from __future__ import annotations

import inspect

import pytest

import gradstep as gs
from gradstep import cli
from gradstep.cli import options
from gradstep.nn.augment import Compose, HorizontalFlip, Translate

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(gs.Trainer).parameters.items()}

# For every option: words on the command line, and the parameter that they mean.
EXAMPLES = {
    "hidden": (["--hidden", "50", "40"], (50, 40)),
    "loss": (["--loss", "sigmoid"], "sigmoid"),
    "l2": (["--l2", "1e-3"], 1e-3),
    "optimizer": (["--optimizer", "sgd"], "sgd"),
    "learning_rate": (["--learning-rate", "0.5"], 0.5),
    "batch_size": (["--batch-size", "7"], 7),
    "epochs": (["--epochs", "3"], 3),
    "shuffle": (["--no-shuffle"], False),
    "standardize": (["--no-standardize"], False),
    "augment": (["--augment", "flip"], HorizontalFlip()),
    "init": (["--init", "normal:0.01"], gs.Normal(0.01)),
    "evaluate_every": (["--evaluate-every", "13"], 13),
    "early_stopping": (["--early-stopping", "4"], gs.EarlyStopping(patience=4)),
    "precision": (["--precision", "float64"], "float64"),
    "backend": (["--backend", "numpy"], "numpy"),
    "n_threads": (["--n-threads", "3"], 3),
    "random_state": (["--random-state", "11"], 11),
}


def make_trainer(*words):
    arguments = cli._build_parser().parse_args(["train", "--data", "digits", *words])
    return options.make_trainer(arguments)


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name not in options.NOT_OPTIONS])
def test_every_parameter_of_trainer_is_an_option(name):
    words, value = EXAMPLES[name]
    parameters = make_trainer(*words).get_params(deep=False)
    assert parameters == DEFAULTS | {name: value}


def test_options_are_those_of_trainer_in_its_order():
    names = [option.name for option in options.TRAINER_OPTIONS]
    assert names == [name for name in DEFAULTS if name not in options.NOT_OPTIONS]


@pytest.mark.parametrize("option", options.TRAINER_OPTIONS, ids=lambda option: option.name)
def test_help_tells_the_default_of_trainer(option):
    if isinstance(option.default, bool):
        default = option.default
    elif option.several:
        default = option.value([option.read(word) for word in option.default.split()])
    else:
        default = option.read(option.default)
    assert default == DEFAULTS[option.name]


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--learning-rate", "cyclic:0:1:980"], "learning_rate", gs.schedules.CyclicTriangular(0, 1, 980)),
        (["--learning-rate", "step:0.05:0.5:3"], "learning_rate", gs.schedules.StepDecay(0.05, 0.5, 3)),
        (["--learning-rate", "step:0.05"], "learning_rate", gs.schedules.StepDecay(0.05)),
        (["--learning-rate", "linear:0.1:0"], "learning_rate", gs.schedules.Linear(0.1, 0)),
        (["--learning-rate", "linear:0.1:0:5"], "learning_rate", gs.schedules.Linear(0.1, 0, epochs=5)),
        (["--learning-rate", "geometric:1:0.01"], "learning_rate", gs.schedules.Geometric(1, 0.01)),
        (["--learning-rate", "cosine:0.1"], "learning_rate", gs.schedules.Cosine(0.1)),
        (["--learning-rate", "cosine:0.1:0:5:2"], "learning_rate", gs.schedules.Cosine(0.1, 0, 5, 2)),
        (["--learning-rate", "onecycle:0.4"], "learning_rate", gs.schedules.OneCycle(0.4)),
        (["--learning-rate", "onecycle:1:0.2:0:0.3:5"],
         "learning_rate", gs.schedules.OneCycle(1, 0.2, 0, 0.3, 5)),
        (["--learning-rate", "piecewise:1"], "learning_rate", gs.schedules.Piecewise((), (1,))),
        (["--learning-rate", "piecewise:1:9:0"], "learning_rate", gs.schedules.Piecewise((9,), (1, 0))),
        (["--learning-rate", "plateau:0.1:0.5:3:train_cost"],
         "learning_rate", gs.schedules.ReduceOnPlateau(0.1, 0.5, 3, "train_cost")),
        (["--batch-size", "auto"], "batch_size", "auto"),
        (["--augment", "none"], "augment", None),
        (["--augment", "flip:0.25"], "augment", HorizontalFlip(0.25)),
        (["--augment", "translate:4"], "augment", Translate(4)),
        (["--augment", "flip,translate:4:edge"],
         "augment", Compose([HorizontalFlip(), Translate(4, "edge")])),
        (["--init", "xavier"], "init", "xavier"),
        (["--evaluate-every", "running"], "evaluate_every", "running"),
        (["--evaluate-every", "never"], "evaluate_every", None),
        (["--early-stopping", "train_cost:2"], "early_stopping", gs.EarlyStopping("train_cost", 2)),
        (["--early-stopping", "never"], "early_stopping", None),
        (["--shuffle"], "shuffle", True),
        (["--hidden"], "hidden", ()),
    ],
)  # fmt: skip
def test_spellings(words, name, value):
    assert make_trainer(*words).get_params(deep=False)[name] == value
