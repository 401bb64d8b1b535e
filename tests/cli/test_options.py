"""Options of the command line are the parameters of the estimators."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import dataclass

import pytest

import gradstep as gs
from gradstep import cli
from gradstep.cli import options, spelling
from gradstep.nn.augment import Compose, HorizontalFlip, Translate
from gradstep.nn.initializers import Initializer
from gradstep.plan import settings
from gradstep.utils.constraints import NUMBER, at_least
from members import own_members

ESTIMATORS = {"classification": gs.Trainer, "regression": gs.Regressor}


def defaults(estimator):
    return {name: parameter.default for name, parameter in inspect.signature(estimator).parameters.items()}


PAIRS = [
    (task, name)
    for task, estimator in ESTIMATORS.items()
    for name in defaults(estimator)
    if name not in options.NOT_OPTIONS
]

# For every option: words on the command line, and the parameter that they mean.
EXAMPLES = {
    "hidden": (["--hidden", "50", "40"], (50, 40)),
    "activation": (["--activation", "tanh"], "tanh"),
    "loss": (["--loss", "poisson"], "poisson"),
    "class_weight": (["--class-weight", "balanced"], "balanced"),
    "l2": (["--l2", "1e-3"], 1e-3),
    "optimizer": (["--optimizer", "adam"], "adam"),
    "learning_rate": (["--learning-rate", "0.5"], 0.5),
    "dropout": (["--dropout", "0.2"], 0.2),
    "input_dropout": (["--input-dropout", "0.1"], 0.1),
    "clip_norm": (["--clip-norm", "0.5"], 0.5),
    "clip_value": (["--clip-value", "0.5"], 0.5),
    "average": (["--average", "ema:0.9"], gs.averaging.EMA(0.9)),
    "batch_size": (["--batch-size", "7"], 7),
    "epochs": (["--epochs", "3"], 3),
    "evaluate_untrained": (["--evaluate-untrained"], True),
    "shuffle": (["--no-shuffle"], False),
    "standardize": (["--no-standardize"], False),
    "standardize_targets": (["--no-standardize-targets"], False),
    "augment": (["--augment", "flip"], HorizontalFlip()),
    "init": (["--init", "normal:0.01"], gs.Normal(0.01)),
    "metrics": (["--metrics", "loss", "cost"], ("loss", "cost")),
    "evaluate_every": (["--evaluate-every", "13"], 13),
    "early_stopping": (["--early-stopping", "4"], gs.EarlyStopping(patience=4)),
    "precision": (["--precision", "float64"], "float64"),
    "backend": (["--backend", "numpy"], "numpy"),
    "n_threads": (["--n-threads", "3"], 3),
    "random_state": (["--random-state", "11"], 11),
}


def make_estimator(*words, task="classification"):
    arguments = cli._build_parser().parse_args(["train", "--data", "digits", "--task", task, *words])
    return options.make_estimator(arguments)


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_every_parameter_is_an_option(task, name):
    words, value = EXAMPLES[name]
    if (task, name) == ("classification", "loss"):
        words, value = ["--loss", "sigmoid"], "sigmoid"
    estimator = make_estimator(*words, task=task)
    assert type(estimator) is ESTIMATORS[task]
    assert estimator.get_params(deep=False) == defaults(ESTIMATORS[task]) | {name: value}


def test_options_are_the_parameters_in_their_order():
    names = [name for name in defaults(gs.Trainer) if name not in options.NOT_OPTIONS]
    assert list(options.estimator_options()) == [*names, "standardize_targets"]


@pytest.mark.parametrize("option", options.estimator_options().values(), ids=lambda option: option.name)
def test_help_tells_the_default(option):
    written = spelling.written(option.default)
    assert written in options._help(option)
    if isinstance(option.default, bool):
        assert spelling.flag(written) == option.default
    elif not option.several:
        assert option.read(written) == option.default


FAMILIES = (
    *(gs.activations.Activation, gs.losses.Loss, gs.optimizers.Optimizer, gs.schedules.Schedule),
    *(gs.augment.Augment, gs.averaging.Averaging, Initializer),
)
OBJECTS = [
    *(
        gs.activations.LeakyRelu(0.2),
        gs.losses.Softmax(0.1),
        gs.losses.Poisson(),
        gs.optimizers.SGD(0.9, True),
    ),
    *(
        gs.optimizers.Adam(0.8, 0.99, 1e-6),
        gs.optimizers.AdamW(weight_decay=0.1),
        gs.optimizers.RMSprop(0.95),
    ),
    *(gs.optimizers.Adagrad(1e-5), gs.Normal(0.1, seed=3), gs.He(), gs.schedules.Cosine(0.1, 0.0, 5, 2)),
    *(gs.schedules.Piecewise((10.0, 20.0), (0.1, 0.01, 0.001)), gs.schedules.Linear(0.1, 0.0)),
    *(gs.schedules.OneCycle(0.4, epochs=3), gs.schedules.ReduceOnPlateau(0.1, monitor="train_cost")),
    *(HorizontalFlip(0.25), Translate(2, "edge", (3, 32, 32))),
    *(gs.averaging.EMA(0.9), gs.averaging.LastEpochs(3)),
]


@pytest.mark.parametrize("value", OBJECTS, ids=repr)
def test_what_is_written_is_read_as_the_same(value):
    family = next(family for family in FAMILIES if isinstance(value, family))
    word = spelling.written(value)
    member = spelling.find(family, word)
    assert spelling.read(member, word) == value


@pytest.mark.parametrize("family", FAMILIES)
def test_every_member_that_can_be_written_has_a_spelling(family):
    assert {member.name for member in own_members(family) if spelling.find(family, member.name) is None} <= {
        "compose",
        "per_epoch",
    }


def test_a_new_schedule_is_an_option_at_once():
    @dataclass(frozen=True)
    class Halving(gs.schedules.Schedule):
        """Half as much after every epoch."""

        start: float
        epochs: int | None = None

        def __call__(self, update, updates_per_epoch, updates=None):
            return self.start * 0.5 ** (update // updates_per_epoch)

    try:
        option = options.estimator_options()["learning_rate"]
        assert option.read("halving:0.5") == Halving(0.5)
        assert option.read("halving:0.5:none") == Halving(0.5)
        assert "halving:START[:EPOCHS]" in options._help(option)
    finally:
        del gs.schedules.Schedule._members["Halving"]


def test_a_new_plain_parameter_is_an_option_at_once(monkeypatch):
    class Warm(gs.Trainer):
        """A Trainer.

        Parameters
        ----------
        warmth : float, default=0.5
            How warm it is, >= 0. Nobody knows why.
        """

        def __init__(self, *, warmth: float = 0.5) -> None:
            self.warmth = warmth

    monkeypatch.setattr(gs, "Trainer", Warm)
    monkeypatch.setitem(settings.TRAINER, "warmth", (NUMBER, at_least(0)))
    options.estimator_options.cache_clear()
    try:
        option = options.estimator_options()["warmth"]
        assert (option.flag, option.special.metavar) == ("--warmth", "NUMBER")
        assert options._help(option) == ("how warm it is, >= 0; with --task classification (default: 0.5)")
        assert option.read("2") == 2.0
        with pytest.raises(argparse.ArgumentTypeError, match="must be >= 0, got '-1'"):
            option.read("-1")
    finally:
        options.estimator_options.cache_clear()


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
        (["--learning-rate", "piecewise:9:1/0"], "learning_rate", gs.schedules.Piecewise((9,), (1, 0))),
        (["--learning-rate", "constant:2"], "learning_rate", gs.schedules.Constant(2.0)),
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
        (["--evaluate-every", "none"], "evaluate_every", None),
        (["--early-stopping", "train_cost:2"], "early_stopping", gs.EarlyStopping("train_cost", 2)),
        (["--early-stopping", "none"], "early_stopping", None),
        (["--optimizer", "sgd:0.9"], "optimizer", gs.optimizers.SGD(0.9)),
        (["--optimizer", "adam:0.9:0.99"], "optimizer", gs.optimizers.Adam(0.9, 0.99)),
        (["--optimizer", "rmsprop:0.95"], "optimizer", gs.optimizers.RMSprop(0.95)),
        (["--clip-norm", "none"], "clip_norm", None),
        (["--average", "last-epochs"], "average", "last_epochs"),
        (["--average", "last-epochs:4"], "average", gs.averaging.LastEpochs(4)),
        (["--average", "none"], "average", None),
        (["--loss", "softmax:0.1"], "loss", gs.losses.Softmax(0.1)),
        (["--loss", "softmax"], "loss", "softmax"),
        (["--activation", "leaky-relu:0.2"], "activation", gs.activations.LeakyRelu(0.2)),
        (["--hidden", "5", "4", "--activation", "relu,leaky_relu:0.2"],
         "activation", ("relu", gs.activations.LeakyRelu(0.2))),
        (["--metrics", "f1"], "metrics", ("f1",)),
        (["--n-threads", "none"], "n_threads", None),
        (["--shuffle"], "shuffle", True),
        (["--hidden"], "hidden", ()),
    ],
)  # fmt: skip
def test_spellings(words, name, value):
    assert make_estimator(*words).get_params(deep=False)[name] == value


def test_dropout_is_one_share_or_one_for_each_layer():
    def dropout(word):
        return make_estimator("--hidden", "9", "8", "--dropout", word).dropout

    assert dropout("0.5") == 0.5
    assert dropout("0.2/0.5") == (0.2, 0.5)


def test_what_is_given_by_name_alone_is_written_last() -> None:
    word = "adamw:0.9:0.999:1e-08:0.1:yes"
    optimizer = spelling.read(gs.optimizers.AdamW, word)
    assert optimizer == gs.optimizers.AdamW(0.9, 0.999, 1e-8, 0.1, epsilon_hat=True)
    assert spelling.written(optimizer) == word
