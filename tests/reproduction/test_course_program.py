"""The yardstick of the time measurements computes the same as gradstep does."""

from __future__ import annotations

import numpy as np

import gradstep as gs
from benchmarks.solvers import numpy_course


def test_course_program_walks_the_same_trajectory():
    random = np.random.default_rng(0)
    X, X_validation = random.integers(0, 256, size=(2, 55, 30), dtype=np.uint8)
    y, y_validation = (np.concatenate([np.arange(4), random.integers(0, 4, size=51)]) for _ in range(2))
    columns, mean, std = numpy_course.prepare(X)
    columns_validation, _, _ = numpy_course.prepare(X_validation, mean, std)
    settings = {"l2": 0.01, "learning_rate": 0.1, "batch_size": 10, "epochs": 4}
    W, b, curves = numpy_course.run(
        columns, y, columns_validation, y_validation, **settings, std=0.0, seed=0, shuffle=False
    )
    trainer = gs.Trainer(
        **settings, init=gs.Normal(0.0), shuffle=False, precision="float64", backend="numpy"
    ).fit(X, y, eval_set=(X_validation, y_validation))
    np.testing.assert_allclose(W.T, trainer.coefs_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b[:, 0], trainer.intercepts_[0], rtol=1e-9, atol=1e-12)
    for name, curve in curves.items():
        np.testing.assert_allclose(curve, trainer.history_[name], rtol=1e-9)


def test_course_program_shuffles_by_seed():
    random = np.random.default_rng(1)
    columns, _, _ = numpy_course.prepare(random.integers(0, 256, size=(40, 6), dtype=np.uint8))
    y = np.arange(40) % 3
    settings = {"l2": 0.0, "learning_rate": 0.1, "batch_size": 8, "epochs": 2, "std": 0.01}
    runs = [numpy_course.run(columns, y, columns, y, **settings, seed=seed)[0] for seed in (0, 0, 1)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
