"""Benchmarks of many models without a clock: searches and cross-validations, their work and their answers."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmarks import answers, reach, solvers, tables, worker
from benchmarks.answers import WrongAnswer
from benchmarks.compare import Worker
from benchmarks.jobs import JOBS, Job, work
from benchmarks.results import Outcome, Result
from benchmarks.task import make_task
from benchmarks.worker import Order
from gradstep.errors import BackendUnavailableError

# Two searches; one of their models has no L2; the rate goes up and down; the last batch is short.
TINY = replace(
    JOBS["sweep24-small"],
    name="tiny-searches",
    hidden=(24, 16),
    epochs=6,
    step_size=141,
    evaluation=True,
    loss_tolerance=0.1,
    accuracy_tolerance=0.04,
    searches=((1e-3, 5e-3), (0.0, 2e-3, 0.01)),
)
TINY_SOFTMAX = replace(TINY, name="tiny-softmax-searches", hidden=(), evaluation=False)
TINY_GRID = replace(
    JOBS["gridsearch"],
    name="tiny-grid",
    epochs=6,
    grid=(("l2", (1e-4, 1e-2)), ("learning_rate", (0.1, 0.2))),
    folds=3,
    accuracy_tolerance=0.05,
)
# They bring threads and handlers for forks into a process: it has to be another one than that of the tests.
LONERS = ("torch-by-hand", "torch-alone", "jax", "jax-alone")
OURS = ("gradstep-cpp", "gradstep-numba", "gradstep-numpy", "gradstep-cpp-alone")


def answer_of(name, task):
    try:
        solver = solvers.make(solvers.REFERENCE if name == "reference" else solvers.SOLVERS[name], task)
    except (BackendUnavailableError, ImportError) as error:
        pytest.skip(str(error))
    solver.run()
    return solver.answer()


@pytest.fixture(scope="module", params=[TINY, TINY_SOFTMAX], ids=lambda job: job.name)
def task(request):
    return make_task(request.param)


@pytest.fixture(scope="module")
def reference(task):
    return worker._reference(task, answer_of("reference", task))


@pytest.fixture(scope="module")
def grid():
    return make_task(TINY_GRID)


@pytest.fixture(scope="module")
def grid_reference(grid):
    return worker._reference(grid, answer_of("reference", grid))


def test_searches_are_those_of_the_table():
    assert [len(JOBS[name].searches[0]) for name in ("sweep24-softmax", "sweep24-mlp50")] == [24, 24]
    assert [len(search) for search in JOBS["searches003"].searches] == [10, 6, 9]
    lambdas = np.log10(JOBS["sweep24-softmax"].searches[0])
    assert lambdas.min() >= -5
    assert lambdas.max() <= -1
    assert JOBS["gridsearch"].models == 12 * 5 + 1


def test_kinds_of_jobs():
    assert {name: JOBS[name].kind for name in ("mlp50", "predict-one", "searches003", "gridsearch")} == {
        "mlp50": "Train",
        "predict-one": "Predict",
        "searches003": "TrainMany",
        "gridsearch": "CrossValidate",
    }


def test_work_of_a_search_is_that_of_its_models_but_the_rows_are_read_together():
    alone = work(TINY.singles()[0])
    assert [job.l2 for job in TINY.singles()] == [1e-3, 5e-3, 0.0, 2e-3, 0.01]
    assert work(TINY).flop == 5 * alone.flop
    assert work(TINY).bytes == 2 * alone.bytes


def test_work_of_a_cross_validation_counted_by_hand():
    forward = 2 * (64 * 50 + 50 * 10)
    update = 2 * forward + 2 * 50 * 10
    trained = 4 * 3 * 1_000 + 1_500
    assert work(TINY_GRID).flop == 6 * trained * update + 4 * 3 * 500 * forward


def test_rates_are_those_of_the_schedule():
    rates = make_task(TINY).rates()
    assert rates.shape == (6, 47)
    assert rates.flat[0] == 1e-5
    assert rates.argmax() == 141
    assert rates.max() == TINY.learning_rate
    assert (make_task(replace(TINY, step_size=0)).rates() == TINY.learning_rate).all()


@pytest.mark.parametrize("name", OURS)
def test_ours_do_the_same_work(name, task, reference):
    answer = answer_of(name, task)
    assert [len(model.curves) for model in answer] == [TINY.epochs if task.job.evaluation else 0] * 5
    found = answers.check_many(task, answer, reference)
    mean = np.mean([reference[f"train_loss of {i}"] for i in range(5)])
    assert found["train_loss"] == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("name", LONERS)
def test_others_do_the_same_work_in_a_process_of_their_own(name, task, reference):
    for package in solvers.SOLVERS[name].packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}")
    process = Worker(Order(asdict(task.job), name, 1, reference))
    process.close()
    assert "problem" not in process.prepared, process.prepared
    mean = np.mean([reference[f"train_loss of {i}"] for i in range(5)])
    assert process.prepared["metrics"]["train_loss"] == pytest.approx(mean, rel=task.job.loss_tolerance)


def test_a_model_too_few_and_models_exchanged_are_found_out(task, reference):
    good = answer_of("gradstep-numpy", task)
    with pytest.raises(WrongAnswer, match="4 models, not 5"):
        answers.check_many(task, good[1:], reference)
    with pytest.raises(WrongAnswer, match=r"model 2 with l2 0: train_loss is"):
        answers.check_many(task, [*good[:2], good[4], good[3], good[2]], reference)


@pytest.mark.parametrize("name", [*OURS[:3], "scikit-learn"])
def test_cross_validations_find_the_same(name, grid, grid_reference):
    found = answers.check_cross_validation(grid, answer_of(name, grid), grid_reference)
    assert found["best_accuracy"] > 0.9


def test_wrong_cross_validations_are_found_out(grid, grid_reference):
    good = answer_of("gradstep-numpy", grid)
    nothing = [(np.zeros_like(W), b) for W, b in good.layers]
    for answer, message in (
        (good._replace(accuracies=good.accuracies[1:]), "3 settings, not 4"),
        (good._replace(accuracies=[*good.accuracies[:3], 0.5]), "accuracy of 3 is 0.5000"),
        (good._replace(layers=nothing), "validation_accuracy is"),
    ):
        with pytest.raises(WrongAnswer, match=message):
            answers.check_cross_validation(grid, answer, grid_reference)


def test_what_a_solver_cannot_do_is_left_out(task):
    with pytest.raises(solvers.CannotSolve, match="it has no TrainMany"):
        solvers.make(solvers.SOLVERS["numpy-course"], task)


def test_results_of_before_searches_can_still_be_read():
    fields = asdict(JOBS["mlp50"])
    for name in ("searches", "grid", "folds", "step_size"):
        del fields[name]
    assert Job.of(fields) == JOBS["mlp50"]


def test_tables_tell_models_and_folds():
    machine = {"cpu": "a processor", "cores": 2, "system": "a system", "load_before": 0.0}
    for name, text in (("searches003", "25 x 3072-50-10"), ("gridsearch", "60 models in 5 folds")):
        outcomes = {solvers.OURS: Outcome("ours", [1.0]), "jax-alone": Outcome("one by one", [4.0])}
        result = Result(JOBS[name], "somewhere", "2026-01-02", 2, machine, None, {}, outcomes)
        assert text in tables.describe(result)
        assert "jax-alone 4.00 s, 4.00 x" in tables.summary([result])


def test_reaches_are_of_jobs_and_solvers_that_are_there():
    assert {aim.job for aim in reach.REACHES} <= JOBS.keys()
    assert {name for aim in reach.REACHES for name in aim.rivals} <= solvers.SOLVERS.keys()


def test_a_reach_is_judged_by_the_fastest_rival():
    machine = {"cpu": "a processor", "cores": 2, "system": "a system", "load_before": 0.0}
    seconds = {solvers.OURS: [3.0], "torch-by-hand": [4.5], "jax": [6.0], "gradstep-cpp-alone": [3.3]}
    outcomes = {name: Outcome(solvers.SOLVERS[name].group, runs) for name, runs in seconds.items()}
    job = JOBS["sweep24-softmax"]
    result = Result(job, "somewhere", "2026-01-02", 2, machine, None, {}, outcomes)
    lines = reach.table([result]).splitlines()[2:]
    assert [line.split(" | ")[3:] for line in lines] == [
        ["torch-by-hand 1.50 s", "1.50 x", "1.5 x", "reached |"],
        ["gradstep-cpp-alone 1.10 s", "1.10 x", "1.4 x", "not reached |"],
    ]
