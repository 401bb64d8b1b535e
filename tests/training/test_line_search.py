"""Trainings by L-BFGS: against scipy over the oracle, in groups, and in everything that a training has."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize

import gradstep as gs
import oracle
from cases import Case
from gradstep.backends import Backend
from gradstep.errors import DivergedError, InvalidParameterError
from gradstep.nn.activations import Activation
from gradstep.nn.lbfgs import Ending, MinimizerLimits
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import LBFGS
from gradstep.plan.batch_cost import BatchCost
from gradstep.plan.plan import Plan
from gradstep.plan.settings import USUAL_RATES
from gradstep.training.line_search import LineSearchSession, Minimum, begin, minimize
from members import ACTIVATIONS, LOSSES, concept_id
from oracle_forms import block_of, data_of, network_of, objective_of

Array = npt.NDArray[Any]

X = np.random.default_rng(0).normal(size=(120, 5))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 1)
ITERATIONS = 6


def case_of(**parameters: Any) -> Case:
    return Case("lbfgs", **{"n": 23, "d": 4, "hidden": (4,), "l2": (0.0, 0.01, 0.3)} | parameters)


def minima(backend: Backend, case: Case, n_threads: int = 1, **limits: Any) -> list[Minimum]:
    batch = backend.full_batch(case.objective, case.data(), n_threads=n_threads)
    return minimize(batch, case.parameters("float64"), MinimizerLimits(**{"iterations": ITERATIONS} | limits))


def assert_as_by_scipy(found: Minimum, case: Case, model: int) -> None:
    """Hold a minimum against scipy's over the oracle's plain loops."""
    data, objective = data_of(case.data(), model), objective_of(case.objective, model)

    def cost(block: Array) -> tuple[float, Array]:
        network = network_of(case.layers, block)
        squares = sum(np.square(W).sum() for W, _ in network)
        value = oracle.loss(network, data, objective) + objective.l2 * squares
        return float(value), block_of(oracle.gradient(network, data, objective))

    start = case.parameters("float64")[model]
    wanted = optimize.minimize(
        cost, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "gtol": 1e-5}
    )
    assert (found.n_iter, found.n_fun) == (wanted.nit, wanted.nfev)
    assert found.value == pytest.approx(wanted.fun, rel=1e-9)
    np.testing.assert_allclose(found.parameters, wanted.x, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
def test_every_loss_goes_the_way_of_scipys(backend: Backend, loss: Loss) -> None:
    case = case_of(loss=loss, activation="tanh")
    for model, found in enumerate(minima(backend, case)):
        assert_as_by_scipy(found, case, model)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=concept_id)
def test_every_activation_goes_the_way_of_scipys(backend: Backend, activation: Activation) -> None:
    case = case_of(activation=activation, l2=(0.01,), hidden=(3, 3), weighted=True)
    (found,) = minima(backend, case)
    assert_as_by_scipy(found, case, 0)


@pytest.mark.parametrize("hidden", [(), (2,), (3, 2, 2)], ids=str)
def test_every_depth_and_kind_of_weight_goes_the_way_of_scipys(
    backend: Backend, hidden: tuple[int, ...]
) -> None:
    case = case_of(hidden=hidden, weighted_apart=True, apart=True, activation="tanh")
    for model, found in enumerate(minima(backend, case)):
        assert_as_by_scipy(found, case, model)


def test_models_have_the_bits_that_they_have_alone(backend: Backend, precision: str, n_threads: int) -> None:
    case = case_of(n=450, hidden=(5,), weighted_apart=True, apart=True, l2=(0.0, 1.0, 0.01, 0.1))
    data, block = case.data(precision=precision), case.parameters(precision)
    limits = MinimizerLimits(iterations=40, gradient=1e-3)
    together = minimize(backend.full_batch(case.objective, data, n_threads=n_threads), block, limits)
    assert len({found.n_iter for found in together}) > 1
    for model, found in enumerate(together):
        objective, own = case.objective.select([model]), data.select([model])
        (alone,) = minimize(backend.full_batch(objective, own), block[[model]], limits)
        np.testing.assert_array_equal(found.parameters, alone.parameters)
        assert found[1:] == alone[1:]


def test_a_factor_multiplies_what_is_minimised(backend: Backend) -> None:
    case = case_of(l2=(0.02,))
    twice = replace(case, l2=(0.01,))
    limits, block = MinimizerLimits(iterations=5), case.parameters("float64")
    (plain,) = minimize(backend.full_batch(case.objective, case.data()), block, limits)
    (found,) = minimize(backend.full_batch(twice.objective, case.data()), block, limits, factor=2.0)
    # Twice the loss and the same penalty.
    value = lambda at: backend.evaluate(twice.objective, case.data(), at[None]).cost[0]  # noqa: E731
    assert found.value == pytest.approx(2 * value(found.parameters), rel=1e-12)
    assert found.value != pytest.approx(plain.value, rel=1e-3)


def test_what_an_iteration_calls_is_called_after_each(backend: Backend) -> None:
    case, seen = case_of(l2=(0.0, 0.1)), []
    batch = backend.full_batch(case.objective, case.data())
    found = minimize(
        batch,
        case.parameters("float64"),
        MinimizerLimits(iterations=4),
        on_iteration=lambda model, minimizer: seen.append((model, minimizer.n_iter, minimizer.f)),
    )
    assert sorted((model, n) for model, n, _ in seen) == [(m, n) for m in range(2) for n in range(1, 5)]
    assert {model: f for model, n, f in seen if n == 4} == {m: own.value for m, own in enumerate(found)}
    assert [own.ending for own in found] == [Ending.ITERATIONS] * 2


# In trainings.


def trainer(**parameters: Any) -> gs.Trainer:
    given = {"hidden": (6,), "activation": "tanh", "optimizer": "lbfgs", "epochs": 12, "random_state": 0}
    return gs.Trainer(**given | {"backend": "numpy"} | parameters)


def test_an_epoch_is_an_iteration_and_has_a_row() -> None:
    model = trainer().fit(X, Y, eval_set=(X[:30], Y[:30]))
    history = model.history_
    assert history["update"].tolist() == history["epoch"].tolist() == list(range(1, 13))
    assert (model.n_iter_, model.batch_size_, model.updates_per_epoch_) == (12, 120, 1)
    assert all(after <= before for before, after in itertools.pairwise(history["train_cost"]))
    # What iterations begin at is what the one before ended at.
    np.testing.assert_array_equal(history["running_loss"][1:], history["train_loss"][:-1])
    assert np.isfinite(history["validation_accuracy"]).all()
    assert (history["learning_rate"] == 1).all()
    assert history["train_cost"][-1] == pytest.approx(model.evaluate(X, Y)["cost"], rel=1e-6)


@pytest.mark.parametrize("every", [None, 5, "running"])
def test_other_evaluations_change_nothing(every: Any) -> None:
    model, plain = trainer(evaluate_every=every).fit(X, Y), trainer().fit(X, Y)
    for W, expected in zip(model.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(W, expected)
    rows = {None: [12], 5: [5, 10, 12], "running": list(range(1, 13))}[every]
    assert model.history_["update"].tolist() == rows


def test_metrics_by_scores_are_there() -> None:
    model = trainer(metrics=["f1"], evaluate_untrained=True).fit(X, Y)
    assert len(model.history_["train_f1"]) == 13
    assert np.isfinite(model.history_["train_f1"]).all()
    plain = trainer().fit(X, Y)
    np.testing.assert_allclose(model.history_["train_cost"][1:], plain.history_["train_cost"], rtol=1e-6)


@pytest.mark.parametrize("name", ["cpp", "numba", "numpy"])
def test_it_converges_long_before_the_last_epoch(name: str) -> None:
    model = trainer(hidden=(), l2=0.05, epochs=500, precision="float64", backend=name).fit(X, Y)
    assert model.status_ == "converged"
    assert model.n_iter_ == len(model.history_["update"]) < 100
    gradient = np.concatenate([np.ravel(part) for layer in gs.gradient(model, X, Y) for part in layer])
    assert np.abs(gradient).max() < 1e-4


def test_what_is_at_its_minimum_already_has_one_row() -> None:
    model = trainer(optimizer=LBFGS(gtol=1e9)).fit(X, Y)
    assert model.status_ == "converged"
    assert model.history_["update"].tolist() == [1]
    first = trainer(epochs=1, evaluate_untrained=True).fit(X, Y).history_["train_cost"][0]
    assert model.history_["train_cost"][0] == pytest.approx(first, rel=1e-6)


def test_evaluations_may_be_limited() -> None:
    model = trainer(optimizer=LBFGS(max_fun=4), epochs=50).fit(X, Y)
    assert model.status_ == "early_stopped"
    assert model.n_iter_ < 5


def test_early_stopping_keeps_the_best() -> None:
    noise = np.random.default_rng(1).permutation(Y)
    rule = gs.EarlyStopping(patience=3)
    model = trainer(l2=0.0, epochs=300, hidden=(30,), early_stopping=rule).fit(
        X[:60], noise[:60], eval_set=(X[60:], noise[60:])
    )
    losses = model.history_["validation_loss"]
    assert model.status_ == "early_stopped"
    assert len(losses) == losses.argmin() + 4
    assert model.evaluate(X[60:], noise[60:])["loss"] == pytest.approx(losses.min(), rel=1e-5)


def test_a_callback_ends_it() -> None:
    model = trainer(callbacks=[lambda _, row: row["epoch"] == 3]).fit(X, Y)
    assert (model.status_, model.n_iter_) == ("early_stopped", 3)


def test_a_start_that_is_not_finite_is_divergence() -> None:
    huge = gs.Normal(1e200)
    with pytest.raises(DivergedError):
        gs.Regressor(optimizer="lbfgs", init=huge, precision="float64", backend="numpy").fit(X, X[:, 0])


def test_regressors_have_it() -> None:
    y = np.sin(X[:, 0]) + X[:, 1]
    model = gs.Regressor(
        hidden=(8,),
        activation="tanh",
        optimizer="lbfgs",
        epochs=200,
        l2=1e-5,
        backend="numpy",
        random_state=0,
    ).fit(X, y)
    assert model.score(X, y) > 0.99


def test_a_model_file_has_it(tmp_path: Any) -> None:
    model = trainer(optimizer=LBFGS(history=4, gtol=1e-3), hidden=(), epochs=200).fit(X, Y)
    model.save(tmp_path / "model")
    again = gs.Trainer.load(tmp_path / "model")
    assert again.optimizer == model.optimizer
    assert again.status_ == model.status_ == "converged"
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.1),
        ("learning_rate", gs.schedules.Cosine(0.1)),
        ("batch_size", 32),
        ("augment", gs.augment.HorizontalFlip(image_shape=(1, 1, 5))),
        ("dropout", 0.5),
        ("input_dropout", 0.1),
    ],
)
def test_what_it_has_no_use_for_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}` of Trainer must be .* for LBFGS, "):
        trainer(**{name: value}).fit(X, Y)


def test_what_is_not_given_is_no_parameter() -> None:
    """A Regressor has a rate of its own by default."""
    for owner in (gs.Trainer, gs.Regressor):
        assert USUAL_RATES[owner.__name__] == owner().learning_rate


def test_its_own_parameters_are_checked() -> None:
    for name, value in {"history": 0, "gtol": -1.0, "ftol": -1.0, "max_fun": 0}.items():
        with pytest.raises(InvalidParameterError, match=f"`{name}` of LBFGS must be"):
            LBFGS(**{name: value})
    with pytest.raises(InvalidParameterError, match="did you mean history"):
        LBFGS(maxcor=5)  # type: ignore[call-arg]


# In sessions and searches.


def session_of(backend: Backend, case: Case, n_threads: int = 1) -> tuple[LineSearchSession, Any]:
    plan = replace(case.plan(), optimizers=(LBFGS(),) * case.m, batch_size=case.n)
    data = case.data()
    session = LineSearchSession(backend, plan, data, [data], n_threads)
    return session, begin(plan, case.parameters("float64"))


def test_a_stop_leaves_whole_iterations_and_goes_on_with_the_same_bits(backend: Backend) -> None:
    case = case_of(l2=(0.0, 0.1))
    session, state = session_of(backend, case)
    session.train(state, 0, 8)
    asked, (other, stopped) = itertools.count(), session_of(backend, case)
    for _ in range(40):
        # Some evaluations at a time: line searches are left in their middle, too.
        before = next(asked)
        other.train(stopped, 0, 8, should_stop=lambda before=before: next(asked) > before + 2)
        evaluation = backend.evaluate(case.objective, case.data(), stopped.parameters)
        for model, at in enumerate(stopped.at):
            assert at is None or at.cost == pytest.approx(evaluation.cost[model], rel=1e-12)
    np.testing.assert_array_equal(stopped.parameters, state.parameters)
    assert stopped.updates.tolist() == state.updates.tolist() == [8, 8]


def test_a_cost_of_batches_is_that_of_all_rows(backend: Backend) -> None:
    """As scikit-learn has it: the sum over outputs, and the penalty divided by the rows."""
    case = case_of(loss="multilabel", l2=(0.5,), k=3)
    plain = replace(case, l2=(0.5 / case.n / 3,))
    limits, block = MinimizerLimits(iterations=5), case.parameters("float64")
    (wanted,) = minimize(
        backend.full_batch(plain.objective, case.data()), block, replace(limits, gradient=1e-9), factor=3.0
    )
    plan: Plan = replace(
        case.plan(),
        optimizers=(LBFGS(gtol=1e-9),),
        batch_size=case.n,
        batch_cost=BatchCost(factor=3.0, shares_l2=True),
    )
    state = begin(plan, block)
    LineSearchSession(backend, plan, case.data(), [], 1).train(state, 0, 5)
    np.testing.assert_allclose(state.parameters[0], wanted.parameters, rtol=1e-9, atol=1e-12)


def test_a_sweep_trains_what_single_fits_do() -> None:
    base = trainer(epochs=60, precision="float64")
    sweep = gs.Sweep(base, {"l2": [0.0, 0.01, 1.0]}, keep_trainers=True).fit(X, Y, eval_set=(X[:30], Y[:30]))
    assert len(sweep.groups_) == 1
    for trial, l2 in enumerate([0.0, 0.01, 1.0]):
        alone = trainer(epochs=60, precision="float64", l2=l2).fit(X, Y, eval_set=(X[:30], Y[:30]))
        found = sweep.trainers_[trial]
        assert (found.status_, found.n_iter_) == (alone.status_, alone.n_iter_)
        for W, expected in zip(found.coefs_, alone.coefs_, strict=True):
            np.testing.assert_array_equal(W, expected)


def test_a_search_over_folds_has_it() -> None:
    search = gs.FusedSearchCV(
        trainer(epochs=30), {"l2": [0.0, 0.1], "optimizer__gtol": [1e-5, 1e-2]}, cv=3
    ).fit(X, Y)
    assert search.best_score_ > 0.6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_part_of_the_rows_is_none_of_its_batches() -> None:
    with pytest.raises(InvalidParameterError, match=r"`optimizer` of Trainer.partial_fit .* all rows"):
        trainer().partial_fit(X, Y, classes=[0, 1, 2])
