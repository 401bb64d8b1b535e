"""scikit-learn's own checks of an estimator, on every backend that is here, and its tools."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from gradstep.errors import InvalidParameterError
from gradstep.estimators.regressor import Regressor
from gradstep.estimators.trainer import Trainer
from gradstep.nn import optimizers, schedules
from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.initializers import Normal
from gradstep.search.fused_search import FusedSearchCV
from makers import HERE

# Of what scikit-learn expects to fail of its own stochastic gradient descent, and why here.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row given twice makes other mini-batches than one of weight 2; in one batch of all rows it passes"
    ),
    "check_sample_weight_equivalence_on_sparse_data": "as that on dense data",
}

# What is expected to fail must; scikit-learn knows how to ask for that since 1.8.
STRICT = (
    {"xfail_strict": True} if "xfail_strict" in inspect.signature(parametrize_with_checks).parameters else {}
)

# More rows than any check has: every update is one of the whole set.
WHOLE = 1000
# As many updates as the checks of accuracy need: a check fits up to a dozen models.
EPOCHS = 20


def _estimators(kind: type[Trainer] | type[Regressor], **parameters: object) -> list[Trainer | Regressor]:
    # Each backend in batches of all rows, exact, and in small ones. Matrix products of NumPy's BLAS sum in
    # another order for other numbers of rows, which in float32 exceeds the 1e-7 of
    # check_methods_subset_invariance: that backend runs in float64 only.
    precisions = {name: "float64" if name == "numpy" else "float32" for name in HERE}
    whole = [kind(backend=name, precision="float64", batch_size=WHOLE, **parameters) for name in HERE]
    small = [kind(backend=name, epochs=EPOCHS, precision=precisions[name], **parameters) for name in HERE]
    return whole + small


def _expected_failures(estimator: Trainer | Regressor) -> dict[str, str]:
    return {} if estimator.batch_size == WHOLE else EXPECTED_FAILURES


@parametrize_with_checks(_estimators(Trainer), expected_failed_checks=_expected_failures, **STRICT)
def test_estimator_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        *_estimators(Regressor, learning_rate=0.05),
        Regressor(
            hidden=(5,),
            activation="tanh",
            optimizer="adam",
            backend=HERE[0],
            precision="float64",
            batch_size=WHOLE,
        ),
    ],
    expected_failed_checks=_expected_failures,
    **STRICT,
)
def test_regressor_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        Trainer(
            hidden=(5,),
            activation="selu",
            optimizer="adam",
            backend=HERE[-1],
            precision="float64",
            batch_size=WHOLE,
        )
    ]
)
def test_checks_with_another_optimizer_and_activation(estimator, check):
    check(estimator)


SEARCH_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "held-out rows stay in the batches and weigh nothing",
    "check_sample_weight_equivalence_on_sparse_data": "held-out rows stay in the batches and weigh nothing",
}


def _search_failures(search: FusedSearchCV) -> dict[str, str]:
    return SEARCH_FAILURES


# What a search does with its rows and scores is the same for every backend.
@parametrize_with_checks(
    [FusedSearchCV(Trainer(backend=HERE[0], epochs=EPOCHS, random_state=0), {"l2": [0.0, 1e-3]}, cv=2)],
    expected_failed_checks=_search_failures,
)
def test_search_checks(estimator, check):
    check(estimator)


def test_expected_failures_are_those_of_scikit_learns_own_sgd():
    assert set(EXPECTED_FAILURES) <= set(PER_ESTIMATOR_XFAIL_CHECKS[SGDClassifier])


def test_works_in_a_pipeline_and_a_search():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), Trainer(backend=HERE[0], random_state=0, learning_rate=0.1))
    grid = {"trainer__hidden": [(), (8,)], "trainer__l2": [0.0, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.8
    assert search.best_params_["trainer__l2"] == 0.0
    assert search.best_estimator_.predict(X[:3]).tolist() == [0, 0, 0]


def test_sample_weights_are_routed_through_a_pipeline():
    X, y = load_iris(return_X_y=True)
    weight = np.where(y == 1, 1e-3, 1.0)
    pipeline = make_pipeline(MinMaxScaler(), Trainer(backend=HERE[0], random_state=0, learning_rate=0.1))
    rare = pipeline.fit(X, y, trainer__sample_weight=weight).predict(X)
    plain = pipeline.fit(X, y).predict(X)
    assert (rare == 1).sum() < 0.2 * (plain == 1).sum()


def test_clone_keeps_every_parameter_and_nothing_learned():
    parameters = {
        "hidden": (4, 3),
        "l2": 1e-3,
        "learning_rate": schedules.CyclicTriangular(1e-4, 1e-1, step_size=9),
        "init": Normal(0.02),
        "early_stopping": EarlyStopping(patience=2),
        "callbacks": (print,),
        "random_state": 3,
        "backend": "numpy",
    }
    X, y = load_iris(return_X_y=True)
    trainer = Trainer(**parameters)
    copy = clone(trainer.fit(X, y, eval_set=(X, y)))
    assert {name: copy.get_params()[name] for name in parameters} == parameters
    assert not [name for name in vars(copy) if name.endswith("_")]


class Counting(schedules.Schedule):
    """A rate that is no frozen value: it counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, update, updates_per_epoch, updates):
        self.asked += 1
        return 0.1


class Doubling(Trainer):
    """Its constructor changes what it is given, which scikit-learn's clone refuses."""

    def __init__(self, l2=0.5):
        super().__init__()
        self.l2 = 2 * l2


def test_clone_refuses_a_constructor_that_changes_values():
    with pytest.raises(RuntimeError, match="the constructor either does not set or modifies parameter l2"):
        clone(Doubling())


def test_clone_shares_only_what_nothing_can_change():
    rates, state, rule = [0.5, 0.25], np.random.RandomState(3), schedules.StepDecay(0.1)
    by_hand = schedules.PerEpoch(rates.__getitem__)
    trainer = Trainer(hidden=[4], learning_rate=by_hand, callbacks=[print], random_state=state)
    copy = clone(trainer)
    assert copy.hidden == [4]
    assert copy.callbacks == [print]
    for name in ("hidden", "learning_rate", "callbacks", "random_state"):
        assert getattr(copy, name) is not getattr(trainer, name), name
    assert clone(Trainer(learning_rate=rule)).learning_rate is rule
    counting = Trainer(learning_rate=Counting())
    clone(counting).learning_rate.asked += 1
    assert counting.learning_rate.asked == 0
    with config_context(enable_metadata_routing=True):
        asked = Trainer(l2=0.5).set_fit_request(sample_weight=True)
        assert clone(asked).get_metadata_routing().fit.requests["sample_weight"] is True


def test_pickle_keeps_predictions_to_the_bit():
    X, y = load_iris(return_X_y=True)
    trainer = Trainer(hidden=(5,), backend="numpy", random_state=0).fit(X, y, eval_set=(X, y))
    copy = pickle.loads(pickle.dumps(trainer))
    np.testing.assert_array_equal(copy.decision_function(X), trainer.decision_function(X))
    assert list(copy.history_) == list(trainer.history_)


def test_parts_of_a_schedule_are_parameters():
    trainer = Trainer(learning_rate=schedules.CyclicTriangular(0.1, 0.5, step_size=5))
    first = trainer.learning_rate
    assert trainer.get_params()["learning_rate__high"] == 0.5
    assert "learning_rate__high" not in trainer.get_params(deep=False)
    copy = clone(trainer).set_params(learning_rate__high=0.75, learning_rate__step_size=7, l2=0.5)
    assert copy.learning_rate == schedules.CyclicTriangular(0.1, 0.75, step_size=7)
    assert copy.l2 == 0.5
    assert trainer.learning_rate is first
    assert first == schedules.CyclicTriangular(0.1, 0.5, step_size=5)
    trainer.set_params(learning_rate__start=0.5, learning_rate=schedules.StepDecay(0.1))
    assert trainer.learning_rate == schedules.StepDecay(0.5)
    trainer.set_params(early_stopping=EarlyStopping(), early_stopping__patience=2)
    assert trainer.early_stopping == EarlyStopping(patience=2)


def test_parts_of_what_a_short_name_stands_for_are_parameters():
    trainer = Trainer(optimizer="adam", activation="leaky_relu").set_params(
        optimizer__beta1=0.5, activation__negative_slope=0.25, loss__label_smoothing=0.125
    )
    assert trainer.optimizer == optimizers.Adam(beta1=0.5)
    assert trainer.activation.negative_slope == 0.25
    assert trainer.loss.label_smoothing == 0.125
    assert clone(trainer).get_params()["optimizer__beta1"] == 0.5


def test_a_search_over_parts_of_a_schedule():
    X, y = load_iris(return_X_y=True)
    trainer = Trainer(backend=HERE[0], random_state=0, learning_rate=schedules.Linear(1e-6, 0.0))
    grid = {"learning_rate__start": [1e-6, 0.3]}
    search = GridSearchCV(make_pipeline(trainer), {f"trainer__{name}": grid[name] for name in grid}, cv=3)
    search.fit(X, y)
    assert search.best_params_ == {"trainer__learning_rate__start": 0.3}
    assert search.best_estimator_[-1].learning_rate == schedules.Linear(0.3, 0.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"l3": 1}, "Trainer has no parameter 'l3'; did you mean l2?"),
        ({"lr": 1}, "Trainer has no parameter 'lr'; did you mean learning_rate?"),
        ({"hidden_layer_sizes": (5,)}, "Trainer has no parameter 'hidden_layer_sizes'; did you mean hidden?"),
        ({"lerning_rate__high": 1}, "no parameter 'lerning_rate__high'; did you mean learning_rate"),
        ({"learning_rate__hgh": 1}, "CyclicTriangular.* has no parameter 'hgh'; did you mean high?"),
        ({"init__sed": 1}, "`init` of Trainer, which is He.*, has no parameter 'sed'; did you mean seed?"),
        ({"optimizer__beta1": 1}, "`optimizer` of Trainer, which is SGD.*, has no parameter 'beta1'"),
        ({"solver": "adam"}, "Trainer has no parameter 'solver'; did you mean optimizer?"),
        ({"learning_rate__high": 0.01}, "`high` of CyclicTriangular must be >= low"),
    ],
)
def test_parameters_that_there_are_not(params, message):
    trainer = Trainer(learning_rate=schedules.CyclicTriangular(0.1, 0.5, step_size=5))
    with pytest.raises(InvalidParameterError, match=message):
        trainer.set_params(**params)


@pytest.mark.parametrize(
    ("load", "least"),
    [(load_iris, 0.89), (load_wine, 0.965), (load_breast_cancer, 0.97), (load_digits, 0.935)],
)
def test_defaults_do_well_on_small_tables(load, least):
    X, y = load(return_X_y=True)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    assert cross_val_score(Trainer(backend=HERE[0], random_state=0), X, y, cv=cv).mean() > least
