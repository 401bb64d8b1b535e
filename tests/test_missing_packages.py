"""Without a package that gradstep was installed with, training goes on, and errors name the package."""

from __future__ import annotations

import subprocess
import sys

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
for work in {works}:
    trainer = gs.Trainer(epochs=2, backend="numpy", random_state=0)
    try:
        eval(work)
    except (ImportError, gs.errors.BackendUnavailableError) as error:
        print(f"{{type(error).__name__}}: {{error}}")
    else:
        print("done")
"""


def outcomes(*works: str) -> list[str]:
    """Return what each of some expressions comes to, in a process that lacks the packages."""
    program = PROGRAM.format(missing=set(MISSING), works=works)
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_trains_needs_none_of_them() -> None:
    found = outcomes(
        "trainer.fit(X, y, eval_set=(X, y)).predict_proba(X)",
        "gs.gradient_check(trainer, X, y)",
        "gs.build_info()['version']",
    )
    assert found == ["done"] * 3


def test_what_needs_one_names_it() -> None:
    works = {
        "gs.plots.curves(trainer.fit(X, y).history_)": "matplotlib",
        "gs.report(trainer.fit(X, y), 'never-written.html')": "matplotlib",
        "gs.Trainer(epochs=2, backend='numba').fit(X, y)": "numba",
        "gs.Sweep(trainer, {'l2': [0.0, 0.1]}).fit(X, y, eval_set=(X, y))": "rich",
        "gs.Trainer(epochs=2, backend='numpy', verbose=1).fit(X, y)": "rich",
        "trainer.fit(X, y).save('never-written.safetensors')": "safetensors",
    }
    for found, (work, package) in zip(outcomes(*works), works.items(), strict=True):
        assert f"No module named '{package}" in found, work
