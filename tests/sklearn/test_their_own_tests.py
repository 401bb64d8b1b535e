"""scikit-learn's own tests of its multi-layer perceptrons, with ours in their place.

The file is read from the installed package and its one import of the classes replaced, in memory. Every test
runs twice: as it is, and while all of scikit-learn's own methods that compute raise.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sklearn
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron

_IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
_PATH = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_mlp.py"
_SOURCE = _PATH.read_text(encoding="utf-8")

# What trains or predicts in scikit-learn's classes.
_COMPUTE = (
    "_backprop",
    "_compute_loss_grad",
    "_fit_lbfgs",
    "_fit_stochastic",
    "_forward_pass",
    "_forward_pass_fast",
    "_init_coef",
    "_initialize",
    "_update_no_improvement_count",
)


@pytest.fixture(autouse=True, params=["as_it_is", "while_theirs_raise"])
def theirs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("scikit-learn's own was called")

    if request.param == "while_theirs_raise":
        for name in _COMPUTE:
            monkeypatch.setattr(BaseMultilayerPerceptron, name, fails)


@pytest.fixture
def global_random_seed() -> int:
    """What scikit-learn runs some of its tests with."""
    return 42


def test_the_import_is_replaced() -> None:
    assert _SOURCE.count(_IMPORT) == 1
    assert MLPClassifier.__module__.startswith("gradstep")  # type: ignore[name-defined]  # noqa: F821


exec(
    compile(
        _SOURCE.replace(_IMPORT, "from gradstep.sklearn import MLPClassifier, MLPRegressor\n"), _PATH, "exec"
    )
)
