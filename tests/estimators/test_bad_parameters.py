"""Every bad parameter has an error that says what, whose, which constraint and what was given."""

import contextlib
import inspect
import math
import re
import signal
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
import makers
from gradstep import backends
from gradstep.errors import DivergedError, InvalidParameterError
from gradstep.nn.early_stopping import EarlyStopping
from gradstep.plan.settings import MOST_UPDATES, REGRESSOR, TRAINER
from gradstep.utils.constraints import NUMBER, at_least

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


def trainer(**parameters):
    return makers.trainer(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def regressor(**parameters):
    return makers.regressor(**{"epochs": 2, "learning_rate": 0.01, "batch_size": "auto"} | parameters)


def wrong_values(table):
    """Give (name, constraint, value) of a table for every value that a constraint says breaks it."""
    return [
        pytest.param(name, constraint, value, id=f"{name}={value!r}"[:60])
        for name, constraints in table.items()
        for constraint in constraints
        for value in constraint.wrong
    ]


def expected(owner, name, constraints, value):
    """Return the message that names the first constraint broken."""
    text = next(constraint.text for constraint in constraints if not constraint.holds(value))
    return re.escape(f"`{name}` of {owner} must be {text}, got ")


def test_the_table_has_exactly_the_parameters():
    assert list(TRAINER) == list(inspect.signature(gs.Trainer).parameters)
    assert list(REGRESSOR) == list(inspect.signature(gs.Regressor).parameters)


@pytest.mark.parametrize("name, constraint, value", wrong_values(TRAINER))
def test_bad_parameters(name, constraint, value):
    assert not constraint.holds(value)
    with pytest.raises(InvalidParameterError, match=expected("Trainer", name, TRAINER[name], value)):
        trainer(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("name, constraint, value", wrong_values(REGRESSOR))
def test_bad_parameters_of_a_regressor(name, constraint, value):
    with pytest.raises(InvalidParameterError, match=expected("Regressor", name, REGRESSOR[name], value)):
        regressor(**{name: value}).fit(X, X[:, 0])


@pytest.mark.parametrize("name, constraint, value", wrong_values(EarlyStopping.constraints))
def test_bad_early_stopping(name, constraint, value):
    with pytest.raises(
        InvalidParameterError, match=expected("EarlyStopping", name, EarlyStopping.constraints[name], value)
    ):
        gs.EarlyStopping(**{name: value})


@pytest.mark.parametrize("value", [*NUMBER.wrong, *at_least(0).wrong])
def test_bad_normal(value):
    with pytest.raises(InvalidParameterError, match="`std` of Normal must be "):
        gs.Normal(value)


@pytest.mark.parametrize("kind", [gs.He, gs.Xavier, partial(gs.Normal, 0.1)])
@pytest.mark.parametrize("value", [-1, 0.5, "1", True])
def test_bad_seeds_of_weights(kind, value):
    with pytest.raises(InvalidParameterError, match=r"`seed` of (He|Xavier|Normal) must be "):
        kind(seed=value)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"l2": -0.1}, "`l2` of Trainer must be >= 0, got -0.1"),
        ({"l2": math.nan}, "`l2` of Trainer must be a finite number, got nan"),
        ({"learning_rate": 0}, "`learning_rate` of Trainer must be > 0, got 0"),
        ({"batch_size": 0}, "`batch_size` of Trainer must be >= 1, got 0"),
        ({"epochs": 1.5}, "`epochs` of Trainer must be an int, got 1.5"),
        ({"n_threads": 0}, "`n_threads` of Trainer must be >= 1, got 0"),
        (
            {"loss": "hinge"},
            "`loss` of Trainer must be one of 'softmax', 'sigmoid', 'multilabel', 'squared', 'poisson' "
            "or a loss of gradstep.losses, got 'hinge'",
        ),
        (
            {"optimizer": "adamv"},
            "`optimizer` of Trainer must be one of 'sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lbfgs' "
            "or an optimizer of gradstep.optimizers, got 'adamv'; did you mean 'adam' or 'adamw'?",
        ),
        (
            {"optimizer": gs.optimizers.Adam},
            "`optimizer` of Trainer must be one of 'sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lbfgs' "
            "or an optimizer of gradstep.optimizers, got <class 'grads...imizers.Adam'>; "
            "make an object of it: Adam(...)",
        ),
        (
            {"activation": ("relu", "tanh"), "hidden": (3,)},
            "`activation` of Trainer must be one, or one for each of the 1 hidden layers, "
            "got 2: ('relu', 'tanh')",
        ),
        (
            {"loss": "poisson"},
            "`loss` of Trainer must take labels or indicators, got 'poisson', which takes values: "
            "it is for Regressor",
        ),
        (
            {"metrics": ["r2"]},
            "`metrics` of Trainer must be for labels, which softmax takes, got 'r2', which is for values",
        ),
        ({"precision": "half"}, "`precision` of Trainer must be one of 'float32', 'float64', got 'half'"),
        (
            {"backend": "cuda"},
            "`backend` of Trainer must be one of 'auto', 'cpp', 'numba', 'numpy', got 'cuda'",
        ),
        (
            {"hidden": (5, 0)},
            "`hidden` of Trainer must be a tuple or list, each element an int >= 1, got (5, 0)",
        ),
        (
            {"init": "zeros"},
            "`init` of Trainer must be one of 'he', 'xavier' or an init of gradstep, got 'zeros'",
        ),
        (
            {"random_state": 2**32},
            "`random_state` of Trainer must be <= 4294967295, got 4294967296",
        ),
    ],
)
def test_messages_in_full(parameters, message):
    with pytest.raises(InvalidParameterError) as caught:
        trainer(**parameters).fit(X, Y)
    assert str(caught.value) == message


def test_an_optimizer_of_another_library_is_told_from_ours():
    class Foreign:
        """As one of another package."""

    Foreign.__module__ = "torch.optim.adam"
    with pytest.raises(InvalidParameterError, match=r"`optimizer` of Trainer must be .*; it is of torch$"):
        trainer(optimizer=Foreign()).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`activation` of Trainer must be .*; it is of torch$"):
        trainer(activation=Foreign(), hidden=(3,)).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`optimizer` of Trainer must be .*; it is of torch$"):
        trainer(optimizer=Foreign).fit(X, Y)


@pytest.mark.parametrize(
    "name, value, near",
    [
        ("loss", "softmx", "'softmax'"),
        ("loss", "Squared", "'squared'"),
        ("activation", "leaky-relu", "'leaky_relu'"),
        ("activation", "rele", "'relu'"),
        ("optimizer", "RMSProp", "'rmsprop'"),
        ("init", "xaver", "'xavier'"),
    ],
)
def test_names_that_are_near(name, value, near):
    with pytest.raises(InvalidParameterError, match=re.escape(f"did you mean {near}")):
        trainer(**{name: value, "hidden": (3,)}).fit(X, Y)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_activation_for_each_layer_or_one_for_all(count):
    activations = ["relu"] * count
    with pytest.raises(InvalidParameterError, match=f"one for each of the 2 hidden layers, got {count}"):
        trainer(hidden=(3, 2), activation=activations).fit(X, Y)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: gs.optimizers.SGD(momentum=1.0), "`momentum` of SGD must be < 1, got 1.0"),
        (lambda: gs.optimizers.SGD(nesterov=1), "`nesterov` of SGD must be True or False, got 1"),
        (lambda: gs.optimizers.Adam(beta1=-0.1), "`beta1` of Adam must be >= 0, got -0.1"),
        (lambda: gs.optimizers.Adam(beta2="0.9"), "`beta2` of Adam must be a finite number, got '0.9'"),
        (lambda: gs.optimizers.Adam(epsilon=0), "`epsilon` of Adam must be >= 1e-30, got 0"),
        (lambda: gs.optimizers.AdamW(weight_decay=-1), "`weight_decay` of AdamW must be >= 0, got -1"),
        (
            lambda: gs.optimizers.RMSprop(decay=math.nan),
            "`decay` of RMSprop must be a finite number, got nan",
        ),
        (lambda: gs.optimizers.Adagrad(epsilon=-1.0), "`epsilon` of Adagrad must be >= 1e-30, got -1.0"),
        (lambda: gs.activations.LeakyRelu(1), "`negative_slope` of LeakyRelu must be < 1, got 1"),
        (lambda: gs.activations.LeakyRelu(-0.1), "`negative_slope` of LeakyRelu must be >= 0, got -0.1"),
    ],
)
def test_bad_numbers_of_concepts(make, message):
    with pytest.raises(InvalidParameterError) as caught:
        make()
    assert str(caught.value) == message


def test_a_bad_parameter_is_found_at_prediction_too():
    model = trainer().fit(X, Y).set_params(n_threads=-3)
    for method in (model.predict, lambda X: model.evaluate(X, Y)):
        with pytest.raises(InvalidParameterError, match="`n_threads` of Trainer must be >= 1, got -3"):
            method(X)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numbers_of_numpy_are_numbers(kind):
    model = trainer(batch_size=kind(5), epochs=kind(3), hidden=(kind(4),), l2=np.float32(0.1), verbose=True)
    assert len(model.fit(X, Y, eval_set=(X, Y)).history_) == 3


def test_more_updates_than_memory_holds():
    with pytest.raises(InvalidParameterError, match=f"at most {MOST_UPDATES} updates, got 12000000000000"):
        trainer(epochs=10**12, batch_size=1).fit(X, Y)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda: 0.1, "must be a function of one number, the update, or the epoch where it is called"),
        (lambda t: math.nan, "must give finite rates >= 0, got nan at update 0"),
        (lambda t: 0.1 - t, "must give finite rates >= 0, got -0.9 at update 1"),
        (lambda t: "fast", "must give one number per update"),
        (lambda t: [0.1, 0.2], "must give one number per update"),
        (gs.schedules.Recorded((0.1,)), "Recorded holds 1 updates, got 1"),
        (lambda t: math.inf, "must give finite rates >= 0, got inf at update 0"),
    ],
)
def test_bad_learning_rate_functions(function, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        trainer(learning_rate=function).fit(X, Y)


def test_what_a_learning_rate_raises_is_not_blamed_on_it():
    """A handler of a signal, as a limit of time, may fall into any line of Python."""

    class TooLateError(Exception):
        pass

    def handle(number, frame):
        raise TooLateError

    def rate(update):
        signal.raise_signal(signal.SIGALRM)
        return 0.1

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with pytest.raises(TooLateError) as caught:
            trainer(learning_rate=rate).fit(X, Y)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert caught.value.__notes__ == ["Raised while `learning_rate` of Trainer was asked for its rates."]


def test_a_rate_that_fades_is_told_once_at_the_line_of_fit():
    model = trainer(learning_rate=lambda update: 0.1 * 0.1**update, epochs=40)
    with pytest.warns(
        RuntimeWarning, match=r"1e-10 .* after update 11 of 480, in epoch 1: .*`epoch`"
    ) as caught:
        model.fit(X, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    by_epoch = trainer(learning_rate=lambda epoch: 0.1 / (1 + epoch), batch_size=4, epochs=3).fit(X, Y)
    np.testing.assert_allclose(by_epoch.history_["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-15)


NUMBERS = st.one_of(
    st.integers(-3, 3), st.floats(allow_subnormal=True), st.none(), st.booleans(), st.text(max_size=2)
)


@given(
    name=st.sampled_from(["l2", "learning_rate", "batch_size", "epochs", "n_threads", "verbose"]),
    value=NUMBERS,
)
def test_any_value_is_either_taken_or_refused_by_name(name, value):
    model = trainer(**{"epochs": 1, name: value})
    if all(constraint.holds(value) for constraint in TRAINER[name]):
        with contextlib.suppress(DivergedError):
            model.fit(X, Y)
    else:
        with pytest.raises(InvalidParameterError, match=f"`{name}` of Trainer must be "):
            model.fit(X, Y)


def test_more_threads_than_anybody_has_are_refused():
    with pytest.raises(InvalidParameterError, match=re.escape("`n_threads` of Trainer must be <= 1024, got")):
        trainer(n_threads=10**12).fit(X, Y)


@pytest.mark.skipif("cpp" not in makers.HERE, reason="no compiled core here")
def test_an_instruction_set_that_is_not_there_is_refused_and_not_passed_over(monkeypatch):
    monkeypatch.setenv("GRADSTEP_ISA", "nonsense")
    monkeypatch.setattr(backends, "_loaded", {})
    with pytest.raises(
        InvalidParameterError, match=r"GRADSTEP_ISA must be an instruction set .* got 'nonsense'"
    ):
        backends.get("auto")
    assert "nonsense" in backends.availability()["cpp"]
