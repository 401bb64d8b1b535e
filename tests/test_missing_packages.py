"""Without a package that gradstep was installed with, training goes on, and errors name the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What nobody needs who trains with the core alone.
MISSING = ("matplotlib", "numba", "rich", "safetensors")

PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import gradstep as gs
import numpy as np

X, y = np.arange(40.0).reshape(20, 2), np.arange(20) // 10
trainer = gs.Trainer(epochs=2, backend="numpy", random_state=0)
try:
    {work}
except (ImportError, gs.errors.BackendUnavailableError) as error:
    print(f"{{type(error).__name__}}: {{error}}")
else:
    print("done")
"""


def outcome(work: str) -> str:
    program = PROGRAM.format(missing=set(MISSING), work=work)
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "work",
    [
        "trainer.fit(X, y, eval_set=(X, y)).predict_proba(X)",
        "gs.gradient_check(trainer, X, y)",
        "print(gs.build_info()['version'])",
    ],
)
def test_what_trains_needs_none_of_them(work: str) -> None:
    assert outcome(work) == "done"


@pytest.mark.parametrize(
    ("package", "work"),
    [
        ("matplotlib", "gs.plots.curves(trainer.fit(X, y).history_)"),
        ("matplotlib", "gs.report(trainer.fit(X, y), 'never-written.html')"),
        ("numba", "gs.Trainer(epochs=2, backend='numba').fit(X, y)"),
        ("rich", "gs.Sweep(trainer, {'l2': [0.0, 0.1]}).fit(X, y, eval_set=(X, y))"),
        ("rich", "gs.Trainer(epochs=2, backend='numpy', verbose=1).fit(X, y)"),
        ("safetensors", "trainer.fit(X, y).save('never-written.safetensors')"),
    ],
)
def test_what_needs_one_names_it(package: str, work: str) -> None:
    assert f"No module named '{package}" in outcome(work)
