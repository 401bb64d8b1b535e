"""Numbers too small to be normal are zero to the compiled core, and to nobody else."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from sklearn.datasets import load_digits

import gradstep as gs
from gradstep.sklearn import MLPClassifier

LEAST = np.finfo(np.float32).tiny

pytestmark = [
    pytest.mark.skipif(not gs.build_info()["core"]["present"], reason="there is no compiled core"),
    pytest.mark.skipif(
        platform.machine().lower() not in ("x86_64", "amd64", "arm64", "aarch64"),
        reason="other machines keep such numbers",
    ),
]


def keeps_subnormals() -> bool:
    return bool((np.full(4, LEAST) / 2 > 0).all())


def test_python_code_has_its_own_mode() -> None:
    digits = gs.datasets.load_digits()
    seen = []
    trainer = gs.Trainer(
        hidden=(8,),
        epochs=3,
        backend="cpp",
        n_threads=2,
        random_state=0,
        callbacks=[lambda *_: seen.append(keeps_subnormals())],
    )
    trainer.fit(*digits.train, eval_set=digits.validation)
    assert seen == [True] * 3
    trainer.predict(digits.test.X)
    assert keeps_subnormals()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_weights_of_black_pixels_become_zero(n_threads: int) -> None:
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    black = ~X.any(axis=0)
    assert black.any()
    model = MLPClassifier(batch_size=32, max_iter=100, n_iter_no_change=100, random_state=0)
    W = np.abs(model.set_params(n_threads=n_threads).fit(X, y).coefs_[0])
    # The penalty makes them smaller and smaller: none may stay where arithmetic takes far longer.
    assert W[black].max() < 1e-6
    assert not ((W > 0) & (W < LEAST)).any()
