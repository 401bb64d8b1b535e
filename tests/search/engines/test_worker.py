"""What workers agree on before they train: one version, one instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from gradstep import backends
from gradstep._version import __version__
from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.search.engines.worker import Agreement, Greeting, greet, work
from sweep_cases import HERE, X, Y, trainer

WIDE = Greeting("a:1", __version__, ("avx512", "avx2", "baseline"))
NARROW = Greeting("b:2", __version__, ("avx2", "baseline"))
NONE = Greeting("c:3", __version__, ())
OLD = Greeting("d:4", "0.0.1", ("avx2", "baseline"))


def test_the_best_that_all_have() -> None:
    assert Agreement.among([WIDE, WIDE]) == Agreement(__version__, "avx512")
    with pytest.warns(RuntimeWarning, match=r"unlike instruction sets \(avx2, avx512\): all use avx2"):
        assert Agreement.among([WIDE, NARROW]) == Agreement(__version__, "avx2")
    assert Agreement.among([NONE, NONE]) == Agreement(__version__, None)
    with pytest.raises(ExecutorError, match="must have an instruction set of the core in common, got a:1"):
        Agreement.among([WIDE, NONE])


def test_another_version_is_refused() -> None:
    with pytest.raises(ExecutorError, match=rf"worker d:4 must have gradstep {__version__} .*, got 0.0.1"):
        Agreement.among([WIDE, OLD])
    agreed = Agreement(__version__, "avx2")
    assert agreed.refuses(WIDE) == agreed.refuses(NARROW) == ""
    assert "has gradstep 0.0.1" in agreed.refuses(OLD)
    assert "has no compiled core, and the search needs avx2" in agreed.refuses(NONE)
    with pytest.raises(ExecutorError, match="and the search needs avx1024"):
        work(Agreement(__version__, "avx1024"), None, print)


def _bits() -> np.ndarray:
    return np.asarray(trainer(backend="cpp", hidden=(5,)).fit(X, Y).coefs_[0])


def bits(value: object, should_stop: object) -> np.ndarray:
    return _bits()


@pytest.mark.skipif("cpp" not in HERE, reason="no compiled core")
def test_a_task_has_the_bits_of_the_set_agreed_on() -> None:
    """As where the environment names it, and only inside the task."""
    before, own = _bits(), greet().isas
    for isa in own:
        with backends.pinned(isa):
            expected = _bits()
            assert backends.instruction_sets()[0] == isa
        found = work(Agreement(__version__, isa), None, bits)
        np.testing.assert_array_equal(found.value, expected)
    np.testing.assert_array_equal(_bits(), before)
    assert greet().isas == own
    with (
        backends.pinned("mmx"),
        pytest.raises(InvalidParameterError, match="must be an instruction set"),
    ):
        _bits()
