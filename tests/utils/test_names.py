"""What was meant by a name: typos, and the words of other libraries."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import clone

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.utils import names
from gradstep.utils.concepts import Concept
from members import own_members

TRAINER = list(inspect.signature(gs.Trainer).parameters)


@pytest.mark.parametrize(
    "given, meant",
    [
        ("lr", "learning_rate"),
        ("eta0", "learning_rate"),
        ("learning_rate_init", "learning_rate"),
        ("scheduler", "learning_rate"),
        ("Learning-Rate", "learning_rate"),
        ("leaning_rate", "learning_rate"),
        ("alpha", "l2"),
        ("weight_decay", "l2"),
        ("C", "l2"),
        ("hidden_layer_sizes", "hidden"),
        ("units", "hidden"),
        ("max_iter", "epochs"),
        ("n_epochs", "epochs"),
        ("epoch", "epochs"),
        ("solver", "optimizer"),
        ("n_jobs", "n_threads"),
        ("num_workers", "n_threads"),
        ("seed", "random_state"),
        ("activation_", "activation"),
        ("batchsize", "batch_size"),
        ("normalize", "standardize"),
        ("criterion", "loss"),
        ("dtype", "precision"),
        ("device", "backend"),
        ("momentum", "optimizer=SGD(momentum=...)"),
        ("beta_1", "optimizer=Adam(beta1=...)"),
        ("n_iter_no_change", "early_stopping=EarlyStopping(patience=...)"),
    ],
)
def test_names_that_a_trainer_is_given(given: str, meant: str) -> None:
    message = f"Trainer has no parameter {given!r}; did you mean {meant}?"
    for make in (lambda: gs.Trainer(**{given: 1}), lambda: gs.Trainer().set_params(**{given: 1})):
        with pytest.raises(InvalidParameterError) as caught:
            make()
        assert str(caught.value) == message
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: gs.schedules.CyclicTriangular(0, 1, step=2),
            "CyclicTriangular has no parameter 'step'; did you mean step_size?",
        ),
        (lambda: gs.schedules.CyclicTriangular(base_lr=0), "'base_lr'; did you mean low?"),
        (lambda: gs.schedules.CyclicTriangular(max_lr=0), "'max_lr'; did you mean high?"),
        (
            lambda: gs.schedules.StepDecay(0.1, gamma=0.5),
            "'gamma'; did you mean factor?",
        ),
        (lambda: gs.schedules.Cosine(0.1, T_0=5), "Cosine has no parameter 'T_0'; did you mean period?"),
        (lambda: gs.optimizers.Adam(eps=1e-8), "Adam has no parameter 'eps'; did you mean epsilon?"),
        (lambda: gs.optimizers.Adam(betas=(0.9, 0.99)), "'betas'; did you mean beta1 or beta2?"),
        (lambda: gs.optimizers.SGD(nesterovs_momentum=True), "'nesterovs_momentum'; did you mean nesterov?"),
        (lambda: gs.activations.LeakyRelu(alpha=0.1), "'alpha'; did you mean negative_slope?"),
        (lambda: gs.losses.Softmax(smoothing=0.1), "'smoothing'; did you mean label_smoothing?"),
        (lambda: gs.EarlyStopping(restore_best_weights=True), "did you mean restore_best?"),
        (lambda: gs.EarlyStopping(metric="validation_loss"), "'metric'; did you mean monitor?"),
        (lambda: gs.He(random_state=3), "He has no parameter 'random_state'; did you mean seed?"),
        (lambda: gs.LogUniform(min=1, max=2), "LogUniform has no parameter 'min'; did you mean low?"),
        (lambda: gs.SuccessiveHalving(figure="validation_loss"), "'figure'; did you mean metric?"),
        (lambda: gs.Sweep(estimator=gs.Trainer(), space={}), "'estimator'; did you mean trainer?"),
        (lambda: gs.Sweep(gs.Trainer(), param_grid={}), "'param_grid'; did you mean space?"),
        (lambda: gs.Sweep(gs.Trainer(), {}, cv=5), "Sweep has no parameter 'cv'; did you mean folds?"),
        (lambda: gs.Sweep(gs.Trainer(), {}, n_iter=5), "'n_iter'; did you mean n_trials?"),
        (lambda: gs.FusedSearchCV(gs.Trainer(), {}, folds=5), "'folds'; did you mean cv?"),
        (lambda: gs.VotingEnsemble(estimators=[]), "'estimators'; did you mean trainers?"),
        (lambda: gs.Regressor(alpha=1), "Regressor has no parameter 'alpha'; did you mean l2?"),
        (lambda: gs.Snapshots(every=3), "Snapshots has no parameter 'every'; it has none"),
        (
            lambda: gs.Trainer((50,)),
            "Trainer takes its parameters by name, as Trainer(hidden=...), got 1",
        ),
        (
            lambda: gs.schedules.Linear(1, 0, 3, 4),
            "Linear takes at most 3 values without names, got 4; it has start, end, epochs",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_names_that_constructors_are_given(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        make()
    assert message in str(caught.value)


def test_what_is_missing_is_told_by_python() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'step_size'"):
        gs.schedules.CyclicTriangular(0, 1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: gs.load_digits,
            "no attribute 'load_digits'; did you mean datasets.load_digits?",
        ),
        (lambda: gs.Adam, "did you mean optimizers.Adam?"),
        (lambda: gs.CyclicTriangular, "did you mean schedules.CyclicTriangular?"),
        (lambda: gs.curves, "did you mean plots.curves?"),
        (lambda: gs.load, "did you mean load_model?"),
        (lambda: gs.MLPClassifier, "did you mean Trainer?"),
        (lambda: gs.GridSearchCV, "did you mean FusedSearchCV?"),
        (lambda: gs.trainer, "did you mean Trainer?"),
        (lambda: gs.schedule, "did you mean schedules.Schedule?"),
        (lambda: gs.Randint, "did you mean IntUniform?"),
        (lambda: gs.gradcheck, "did you mean gradient_check?"),
        (lambda: gs.lr_find, "did you mean learning_rate_range_test?"),
        (
            lambda: gs.schedules.Cyclic,
            "module 'gradstep.schedules' has no attribute 'Cyclic'; did you mean CyclicTriangular?",
        ),
        (lambda: gs.schedules.StepLR, "did you mean StepDecay?"),
        (
            lambda: gs.optimizers.ADAM,
            "module 'gradstep.optimizers' has no attribute 'ADAM'; did you mean Adam?",
        ),
        (lambda: gs.optimizers.RMSProp, "did you mean RMSprop?"),
        (
            lambda: gs.activations.ReLU,
            "module 'gradstep.activations' has no attribute 'ReLU'; did you mean Relu?",
        ),
        (lambda: gs.losses.CrossEntropyLoss, "did you mean Softmax?"),
        (lambda: gs.metrics.accuracy, "did you mean Accuracy?"),
        (lambda: gs.augment.Flip, "did you mean HorizontalFlip?"),
        (lambda: gs.datasets.load_cifar, "did you mean load_cifar10?"),
        (lambda: gs.plots.curve, "module 'gradstep.plots' has no attribute 'curve'; did you mean curves?"),
        (
            lambda: gs.machine.measures,
            "module 'gradstep.machine' has no attribute 'measures'; did you mean measure?",
        ),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_names_that_modules_are_asked_for(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(AttributeError) as caught:
        make()
    assert message in str(caught.value)


def test_tools_that_ask_a_module_for_private_names_load_nothing() -> None:
    assert not hasattr(gs, "__wrapped__")
    with pytest.raises(AttributeError, match=r"module 'gradstep' has no attribute '_adam'$"):
        gs._adam  # noqa: B018


def test_signatures_stay_those_of_the_constructors() -> None:
    assert [*inspect.signature(gs.Trainer).parameters][:2] == ["hidden", "activation"]
    assert [*inspect.signature(gs.schedules.CyclicTriangular).parameters] == ["low", "high", "step_size"]
    assert [*inspect.signature(gs.Sweep).parameters][:2] == ["trainer", "space"]
    assert sorted(clone(gs.Trainer(l2=0.5)).get_params()) == sorted(gs.Trainer().get_params())


def test_values_are_copied_and_pickled_as_before() -> None:
    for value in (gs.schedules.Cosine(0.1), gs.LogUniform(1, 2), gs.optimizers.Adam(), gs.losses.Squared()):
        assert copy.deepcopy(value) == copy.copy(value) == pickle.loads(pickle.dumps(value)) == value


def test_a_derived_class_has_parameters_of_its_own() -> None:
    class Wider(gs.Trainer):
        def __init__(self, width: int = 3) -> None:
            super().__init__(hidden=(width,))
            self.width = width

    assert Wider(width=5).hidden == (5,)
    with pytest.raises(InvalidParameterError, match="Wider has no parameter 'hiden'; it has width"):
        Wider(hiden=(5,))  # type: ignore[call-arg]


def test_every_row_of_the_table_begins_with_a_name_of_this_package() -> None:
    own = set(gs.__all__)
    modules = [gs.schedules, gs.optimizers, gs.losses, gs.activations, gs.augment, gs.averaging, gs.plots]
    for module in (*modules, gs.datasets):
        own |= set(module.__all__)
    makers = [*map(gs.__dict__.get, gs.__all__), gs.gradient_check, gs.repeat, gs.Trainer, gs.Sweep]
    makers += [gs.FusedSearchCV, gs.Sweep.fit, gs.Trainer.fit, gs.SuccessiveHalving, gs.VotingEnsemble]
    makers += [gs.LogUniform, gs.EarlyStopping, gs.plots.curves, gs.datasets.load_csv]
    for family in Concept._families.values():
        makers += own_members(family)
        own |= set(family.short_names())
    for maker in makers:
        if callable(maker):
            own |= set(inspect.signature(maker).parameters)
    own |= {"loguniform", "uniform", "int"}  # the words of the command line
    assert {row[0] for row in names._SAME} - own - {"tolerance", "validation_fraction"} == set()
