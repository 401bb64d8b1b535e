"""The benchmark suite without a clock: what a job is, whether answers are checked, what is written down."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import answers, environment, instructions, picture, results, solvers, tables
from benchmarks import compare as comparing
from benchmarks.answers import WrongAnswer
from benchmarks.compare import Worker
from benchmarks.jobs import JOBS, SHAPES, Job, Work, work
from benchmarks.results import Outcome, Result
from benchmarks.task import make_task
from benchmarks.worker import Order
from gradstep.errors import BackendUnavailableError

TINY = replace(
    JOBS["small"],
    name="tiny",
    hidden=(12, 9),
    epochs=4,
    l2=0.01,
    evaluation=True,
    loss_tolerance=0.05,
    accuracy_tolerance=0.04,
)

TINY_SOFTMAX = replace(TINY, name="tiny-softmax", hidden=())
# The rates are those of `small-momentum` and `small-adam`.
TINY_MOMENTUM = replace(TINY, name="tiny-momentum", optimizer="momentum", learning_rate=1e-2)
TINY_ADAM = replace(TINY, name="tiny-adam", optimizer="adam", learning_rate=1e-3)
TINY_PREDICT = replace(TINY, name="tiny-predict", predict_rows=50)

# They bring threads and handlers for forks into a process: it has to be another one than that of the tests.
LONERS = ("torch", "torch-by-hand", "torch-by-hand-fused", "jax")
COMPILED = ("torch-compile",)


@pytest.fixture(scope="module")
def task():
    return make_task(TINY)


@pytest.fixture(scope="module")
def reference(task):
    return answers.metrics(task, trained(solvers.REFERENCE, task).layers)


def trained(entry, task):
    solver = solvers.make(entry, task)
    solver.run()
    return solver.answer()


# --- Jobs ------------------------------------------------------------------------------------------


def test_jobs_are_named_by_their_keys_and_quick_ones_do_less():
    assert all(name == job.name for name, job in JOBS.items())
    for job in JOBS.values():
        quick = job.quick()
        assert quick.epochs <= job.epochs
        assert quick.calls <= job.calls
        assert work(quick).flop <= work(job).flop
        assert replace(quick, epochs=job.epochs, calls=job.calls) == job


def test_jobs_by_other_optimizers_are_those_of_the_table_but_for_the_rate():
    for name in ("softmax", "mlp50", "small"):
        for optimizer in ("momentum", "adam"):
            job, plain = JOBS[f"{name}-{optimizer}"], JOBS[name]
            assert job.optimizer == optimizer
            assert (job.data, job.sizes, job.batch_size) == (plain.data, plain.sizes, plain.batch_size)
            assert job.plain().optimizer == plain.optimizer == "sgd"
            assert work(job) == work(job.plain())


def test_the_cost_of_an_optimizer_is_told_relative_to_plain_descent():
    seconds = {solvers.OURS: [1.2], solvers.OURS_PLAIN: [1.0], "torch-by-hand-fused": [3.0]}
    line = tables.optimizers([result_of(seconds, "small-adam"), result_of(SECONDS)]).splitlines()[2:]
    epochs = JOBS["small-adam"].epochs
    assert line == [
        f"| small-adam | {tables.seconds(1.2 / epochs)} | {tables.seconds(1 / epochs)} | 1.20 x | "
        "torch-by-hand-fused 3.00 s, 2.50 x | - |"
    ]
    assert tables.optimizers([result_of(SECONDS)]) == ""


def test_ours_by_plain_descent_is_held_against_plain_descent(monkeypatch):
    orders = []

    class Spy:
        def __init__(self, order):
            orders.append((order.job["optimizer"], order.solver, order.reference))
            is_reference = order.solver == "reference"
            looked_at = {"problem": "left out: only looked at"}
            self.prepared = {"metrics": {"train_loss": len(orders)}} if is_reference else looked_at

        def close(self):
            pass

    monkeypatch.setattr(comparing, "Worker", Spy)
    found = comparing.compare(TINY_ADAM, [solvers.OURS, solvers.OURS_PLAIN], rounds=1, threads=1, peak=None)
    assert orders == [
        ("adam", "reference", None),
        ("adam", solvers.OURS, {"train_loss": 1}),
        ("sgd", "reference", None),
        ("sgd", solvers.OURS_PLAIN, {"train_loss": 3}),
    ]
    assert set(found.solvers) == {solvers.OURS, solvers.OURS_PLAIN}
    found = comparing.compare(TINY, [solvers.OURS_PLAIN], rounds=1, threads=1, peak=None)
    assert found.solvers[solvers.OURS_PLAIN].problem == "left out: the job is by plain descent"


def test_the_readme_names_every_job_and_solver():
    text = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text(encoding="utf-8")
    names = [*JOBS, *(name for name in solvers.SOLVERS if not name.startswith("gradstep-"))]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_work_of_softmax_counted_by_hand():
    # 40 epochs: 10,000 rows forward and backward, 20,000 rows evaluated; 3,072 x 10 multiply-adds each.
    assert work(JOBS["softmax"]).flop == 40 * (2 * 10_000 + 20_000) * 3072 * 10 * 2
    assert work(JOBS["softmax-no-evaluation"]).flop == 40 * 2 * 10_000 * 3072 * 10 * 2
    # Once for mean and scale; then the rows, and all of them again for the evaluation.
    assert work(JOBS["softmax"]).bytes == 3072 * (10_000 + 40 * (10_000 + 20_000))
    assert work(JOBS["predict-one"]) == Work(2 * (64 * 100 + 100 * 10), 64)


@given(
    hidden=st.lists(st.integers(1, 50), max_size=4),
    epochs=st.integers(1, 5),
    evaluation=st.booleans(),
    data=st.sampled_from(sorted(SHAPES)),
)
def test_work_is_that_of_the_products_one_by_one(hidden, epochs, evaluation, data):
    d, n, n_validation = SHAPES[data]
    sizes = [d, *hidden, 10]
    flop = 0
    for layer in range(len(sizes) - 1):
        product = 2 * sizes[layer] * sizes[layer + 1]
        flop += n * product  # forward
        flop += n * product  # gradient of the weights
        flop += n * product if layer > 0 else 0  # gradient of the inputs
        flop += (n + n_validation) * product if evaluation else 0
    job = Job("any", data=data, hidden=tuple(hidden), epochs=epochs, evaluation=evaluation)
    assert work(job).flop == epochs * flop


def test_roofline_is_the_longer_of_arithmetic_and_traffic():
    assert Work(flop=8 * 10**9, bytes=10**9).least_seconds(gflops=4, gbytes_per_second=1) == 2
    assert Work(flop=8 * 10**9, bytes=10**9).least_seconds(gflops=16, gbytes_per_second=1) == 1


def test_a_job_survives_json():
    for job in JOBS.values():
        assert Job.of(json.loads(json.dumps(asdict(job)))) == job


def test_made_up_images_stand_in_for_missing_files(monkeypatch):
    monkeypatch.delenv("GRADSTEP_CIFAR10", raising=False)
    task = make_task(JOBS["softmax"])
    assert task.train.X.shape == task.validation.X.shape == (10_000, 3072)
    assert task.train.X.dtype == np.uint8
    assert "made-up" in task.source


def test_peers_get_standardised_floats(task):
    rows = task.standardised(task.train.X)
    varies = task.train.X.std(axis=0) > 0
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.std(axis=0)[varies], 1, rtol=1e-4)


# --- Solvers and their answers ---------------------------------------------------------------------


@pytest.mark.parametrize("job", [TINY, TINY_SOFTMAX, TINY_MOMENTUM, TINY_ADAM], ids=lambda job: job.name)
@pytest.mark.parametrize("name", [name for name in solvers.SOLVERS if name not in (*LONERS, *COMPILED)])
def test_solvers_do_the_same_work(name, job):
    task = make_task(job)
    wanted = answers.metrics(task, trained(solvers.REFERENCE, task).layers)
    try:
        answer = trained(solvers.SOLVERS[name], task)
    except (solvers.CannotSolve, BackendUnavailableError, ImportError) as error:
        pytest.skip(str(error))
    found = answers.check_training(task, answer, wanted)
    assert found["train_loss"] == pytest.approx(wanted["train_loss"], rel=job.loss_tolerance)


@pytest.mark.parametrize("job", [TINY, TINY_MOMENTUM, TINY_ADAM], ids=lambda job: job.name)
@pytest.mark.parametrize(
    "name", [*LONERS, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED)]
)
def test_solvers_do_the_same_work_in_a_process_of_their_own(name, job):
    for package in solvers.SOLVERS[name].packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}")
    task = make_task(job)
    wanted = answers.metrics(task, trained(solvers.REFERENCE, task).layers)
    worker = Worker(Order(asdict(job), name, 1, wanted))
    worker.close()
    if name == "torch-by-hand-fused" and job is TINY:
        assert worker.prepared["problem"] == "left out: plain descent is part of the product"
        return
    found = worker.prepared["metrics"]
    assert found["train_loss"] == pytest.approx(wanted["train_loss"], rel=job.loss_tolerance)


def test_a_second_run_is_like_the_first():
    """What an optimizer keeps of the run before is forgotten."""
    for name in ("numpy-float32", "scikit-learn", "gradstep-numpy"):
        for job in (TINY_MOMENTUM, TINY_ADAM, replace(TINY_ADAM, evaluation=False)):
            solver = solvers.make(solvers.SOLVERS[name], make_task(job))
            solver.run()
            first = solver.answer().layers[0][0].copy()
            solver.run()
            np.testing.assert_allclose(solver.answer().layers[0][0], first, rtol=0.3, atol=0.02, err_msg=name)


@pytest.mark.parametrize("name", [name for name in solvers.SOLVERS if name not in (*LONERS, *COMPILED)])
def test_solvers_predict_the_same_classes(name):
    task = make_task(TINY_PREDICT)
    try:
        answer = trained(solvers.SOLVERS[name], task)
    except (solvers.CannotSolve, BackendUnavailableError, ImportError) as error:
        pytest.skip(str(error))
    assert answers.check_prediction(task, answer) == {"same_classes": 1.0}


def test_a_worker_times_a_round(reference):
    worker = Worker(Order(asdict(TINY), "gradstep-numpy", 1, reference))
    try:
        assert worker.round() > 0
    finally:
        worker.close()


def test_a_worker_says_what_is_wrong(reference):
    far = {**reference, "train_loss": 2 * reference["train_loss"]}
    worker = Worker(Order(asdict(TINY), "numpy-float32", 1, far))
    worker.close()
    assert worker.prepared["problem"].startswith("wrong: train_loss is ")


def test_an_answer_of_half_the_epochs_is_found_out(task, reference):
    half = trained(solvers.REFERENCE, make_task(replace(TINY, epochs=TINY.epochs // 2)))
    with pytest.raises(WrongAnswer, match="train_loss is"):
        answers.check_training(task, half, reference)


def test_wrong_weights_and_wrong_evaluations_are_found_out(task, reference):
    good = trained(solvers.REFERENCE, task)
    answers.check_training(task, good, reference)
    nothing = [(np.full_like(W, np.nan), b) for W, b in good.layers]
    wrong_last = [*good.curves[:-1], (*good.curves[-1][:-1], good.curves[-1][-1] + 0.01)]
    for answer, message in (
        (good._replace(layers=nothing), "train_loss is nan"),
        (good._replace(curves=good.curves[1:]), "3 evaluations, not 4"),
        (good._replace(curves=wrong_last), "own evaluation"),
    ):
        with pytest.raises(WrongAnswer, match=message):
            answers.check_training(task, answer, reference)


def test_wrong_classes_are_found_out():
    task = make_task(TINY_PREDICT)
    right = answers.scores(task.trained_layers(), task.standardised(task.rows_to_predict())).argmax(axis=1)
    with pytest.raises(WrongAnswer, match=r"98\.00% of the classes"):
        answers.check_prediction(task, np.where(np.arange(50) == 7, right + 1, right))
    with pytest.raises(WrongAnswer, match="classes, not"):
        answers.check_prediction(task, right[:-1])


def test_metrics_are_those_of_the_trainer(task):
    solver = solvers.make(solvers.SOLVERS["gradstep-numpy"], task)
    solver.run()
    found = answers.metrics(task, solver.answer().layers)
    for name in answers.COLUMNS:
        assert found[name] == pytest.approx(solver.trainer.history_[name][-1], rel=1e-5)


@pytest.mark.parametrize("evaluation", [True, False])
def test_curves_of_ours_have_a_row_for_every_evaluation(evaluation):
    task = make_task(replace(TINY, evaluation=evaluation))
    answer = trained(solvers.SOLVERS["gradstep-numpy"], task)
    assert np.shape(answer.curves) == ((TINY.epochs, len(answers.COLUMNS)) if evaluation else (0,))
    assert answers.check_training(task, answer, answers.metrics(task, answer.layers))


# --- What is written down --------------------------------------------------------------------------


def result_of(seconds, job="softmax", peak=None):
    groups = {name: solvers.SOLVERS[name].group for name in seconds}
    outcomes = {name: Outcome(groups[name], list(runs)) for name, runs in seconds.items()}
    machine = {"cpu": "a processor", "cores": 2, "system": "a system", "load_before": 0.0}
    return Result(JOBS[job], "somewhere", "2026-01-02", 2, machine, peak, {}, outcomes)


SECONDS = {"jax": [3.0, 2.0, 4.0], solvers.OURS: [0.5, 0.4, 0.6], "torch": [5.0], "torch-by-hand": [2.0]}


def test_medians_ratios_and_the_fastest():
    result = result_of(SECONDS, peak={"gflops": 400.0, "gbytes_per_second": 1.0})
    assert [name for name, _ in result.timed()] == [solvers.OURS, "torch-by-hand", "jax", "torch"]
    assert result.fastest("peer") == "jax"
    assert result.times_ours("jax") == 6
    assert result.gflops(solvers.OURS) == pytest.approx(98.304 / 0.5)
    assert result.share_of_peak(solvers.OURS) == pytest.approx(98.304 / 0.5 / 400)
    # 3,072 x 1,210,000 bytes at 1 GB/s take longer than the arithmetic.
    assert result.share_of_roofline(solvers.OURS) == pytest.approx(3.71712 / 0.5)


def test_nothing_is_relative_to_what_was_not_timed():
    result = result_of({"jax": [1.0]})
    assert result.times_ours("jax") is None
    assert result.share_of_peak("jax") is None
    assert result.fastest("by hand") is None
    assert tables.summary([result]).count("\n") == 1


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=5))
def test_results_survive_their_file(tmp_path_factory, runs):
    result = result_of({solvers.OURS: runs})
    result.solvers["numpy-course"] = Outcome("yardstick", problem="left out: because")
    folder = tmp_path_factory.mktemp("results")
    assert results.read(results.write(result, folder)) == result
    assert results.read_all(folder, JOBS) == [result]


def test_tables_say_what_was_found():
    result = result_of(SECONDS)
    result.solvers["numpy-course"] = Outcome("yardstick", problem="left out: a | b")
    lines = tables.detail(result).splitlines()
    assert lines[0] == "### softmax"
    assert "3072-10, b = 100, 40 epochs, all rows evaluated after each; 98.3 GFLOP" in lines[2]
    assert (
        "| jax (fastest peer) | 3.00 s | 2.00 s to 4.00 s | 6.00 x | 32.8 | not measured | not measured |"
        in lines
    )
    assert lines[-1].startswith("| numpy-course | left out: a \\| b |")
    summary = tables.summary([result]).splitlines()[-1]
    assert summary.startswith(
        "| softmax | 500 ms | jax 3.00 s, 6.00 x | torch-by-hand 2.00 s, 4.00 x | - | - |"
    )
    assert "a processor, 2 cores" in tables.conditions([result])


@given(st.floats(1e-6, 900))
def test_times_are_written_to_three_digits(value):
    number, unit = tables.seconds(value).split()
    assert float(number) * {"s": 1, "ms": 1e-3, "us": 1e-6}[unit] == pytest.approx(value, rel=0.006)


def test_the_picture_is_drawn(tmp_path):
    picture.draw([result_of(SECONDS), result_of(SECONDS, "mlp50")], tmp_path / "ratios.svg")
    assert "softmax" in (tmp_path / "ratios.svg").read_text()


def test_the_peak_is_what_gradstep_measures_or_nothing(monkeypatch):
    machine = SimpleNamespace(
        measure=lambda n_threads: SimpleNamespace(gflops=100.0 * n_threads, gbytes_per_second=20.0)
    )
    monkeypatch.setitem(sys.modules, "gradstep.diagnostics.machine", machine)
    assert environment.peak(3) == {"gflops": 300.0, "gbytes_per_second": 20.0}
    monkeypatch.setitem(sys.modules, "gradstep.diagnostics.machine", None)
    assert environment.peak(3) is None


def test_there_is_no_peak_without_the_compiled_core(monkeypatch):
    def measure(n_threads):
        raise BackendUnavailableError("no core")

    monkeypatch.setitem(sys.modules, "gradstep.diagnostics.machine", SimpleNamespace(measure=measure))
    assert environment.peak(3) is None


def test_workers_choose_their_own_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("GRADSTEP_ISA", "avx2")
    found = environment.variables(3)
    assert "OPENBLAS_CORETYPE" not in found
    assert found["GRADSTEP_ISA"] == "avx2"
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "3"


def test_a_count_of_no_instructions_is_none():
    assert instructions.collected("==1== \n==1== Collected : 1006072\n") == 1006072
    for log in ("==1== Collected : 0\n", "valgrind: no such tool"):
        with pytest.raises(RuntimeError, match="collected nothing"):
            instructions.collected(log)
