"""Fits beside other fits: in threads, in forked children and in worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest

import gradstep as gs
from gradstep.utils import threads
from makers import HERE

FOLDER = str(Path(__file__).parent)
TESTS = str(Path(__file__).parent.parent)
RANDOM = np.random.default_rng(0)
X = RANDOM.integers(256, size=(600, 500), dtype=np.uint8)
Y = RANDOM.integers(4, size=600)


def weights(name: str, seed: int) -> bytes:
    trainer = gs.Trainer(
        hidden=(20,), backend=name, n_threads=2, epochs=4, batch_size=50, learning_rate=0.1, random_state=seed
    )
    trainer.fit(X, Y, eval_set=(X[:100], Y[:100]))
    return trainer.coefs_[0].tobytes() + trainer.history_["validation_loss"].tobytes()


@pytest.mark.parametrize("name", HERE)
def test_fits_in_several_threads_do_not_touch_each_other(name):
    alone = [weights(name, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(weights, [name] * 4, range(4)))
    assert together == alone
    assert len(set(alone)) == 4


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")  # newer Pythons warn of any fork beside threads
sys.path[:0] = [{folder!r}, {tests!r}]
import test_side_by_side as side
name = {name!r}
before = side.weights(name, 0)
child = os.fork()
if child == 0:
    os._exit(0 if side.weights(name, 0) == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert side.weights(name, 0) == before
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("name", HERE)
def test_a_forked_child_of_a_process_that_has_trained_trains_too(name):
    program = FORK.format(folder=FOLDER, tests=TESTS, name=name)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert result.stdout == "both\n", result.stderr


def weights_and_threads(name: str, seed: int) -> tuple[bytes, int]:
    return weights(name, seed), threads.available()


def test_workers_of_joblib_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([FOLDER, TESTS, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    )
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with joblib.parallel_config("loky", n_jobs=2, temp_folder=tmp_path):
        results = joblib.Parallel()(joblib.delayed(weights_and_threads)(HERE[0], seed) for seed in range(4))
    assert [result[0] for result in results] == [weights(HERE[0], seed) for seed in range(4)]
    assert max(result[1] for result in results) <= max(1, (os.cpu_count() or 1) // 2)
