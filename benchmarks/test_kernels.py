"""What a backend is asked for outside a training, layer by layer: ``pytest benchmarks/test_kernels.py``."""

from __future__ import annotations

import numpy as np
import pytest

from gradstep import backends
from gradstep.nn.losses import Softmax
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from gradstep.utils import threads

pytest.importorskip("pytest_benchmark")

ROWS = 1000


def one_layer(inputs: int, outputs: int) -> tuple[Objective, TrainingData, np.ndarray]:
    """Return softmax regression of `outputs` classes on random uint8 rows, with small weights."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(ROWS, inputs), dtype=np.uint8)
    y = np.arange(ROWS) % outputs
    layers = Layers((inputs, outputs))
    parameters = rng.normal(0, 0.01, size=(1, layers.parameters)).astype(np.float32)
    objective = Objective.alike(layers, Softmax(), (), np.zeros(1))
    return objective, prepare(X, y, None, Standardization.of(X)), parameters


@pytest.mark.parametrize("inputs, outputs", [(3072, 10), (3072, 50), (3072, 512), (512, 512)])
@pytest.mark.parametrize("method", ["scores", "evaluate", "loss_and_gradient"])
def test_layer(benchmark, backend_name: str, method: str, inputs: int, outputs: int) -> None:
    function = getattr(backends.get(backend_name), method)
    arguments = one_layer(inputs, outputs)
    benchmark.group = f"{method}, {ROWS} rows, {inputs} x {outputs}"
    work = {"n_threads": threads.available()}
    benchmark.pedantic(function, arguments, work, rounds=5, iterations=1, warmup_rounds=1)
