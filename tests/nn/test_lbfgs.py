"""L-BFGS against scipy's, and its line search against what it promises."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from gradstep.nn.lbfgs import Ending, Minimizer, MinimizerLimits
from gradstep.nn.line_search import LineSearch

Array = npt.NDArray[np.float64]
Function = Callable[[Array], tuple[float, Array]]

A = np.random.default_rng(0).normal(size=(60, 40))


def rosenbrock(x: Array) -> tuple[float, Array]:
    return float(optimize.rosen(x)), optimize.rosen_der(x)


def least_squares(x: Array) -> tuple[float, Array]:
    rest = A @ x - 1
    return float(rest @ rest / 2), A.T @ rest


def logistic(x: Array) -> tuple[float, Array]:
    z = A @ x
    f = np.logaddexp(0, z).sum() - z[:30].sum() + 0.1 * x @ x
    return float(f), A.T @ (1 / (1 + np.exp(-z))) - A[:30].sum(axis=0) + 0.2 * x


def wavy(x: Array) -> tuple[float, Array]:
    return float(np.sum(1e-3 * x**4 - np.cos(x))), np.sin(x) + 4e-3 * x**3


def kinked(x: Array) -> tuple[float, Array]:
    return float(np.abs(x).sum()), np.sign(x)


CASES: dict[str, tuple[Function, Array]] = {
    "rosenbrock2": (rosenbrock, np.array([-1.2, 1.0])),
    "rosenbrock30": (rosenbrock, np.linspace(-1, 2, 30)),
    "least-squares": (least_squares, np.zeros(40)),
    "logistic": (logistic, np.zeros(40)),
    "logistic-far": (logistic, 30 * np.sin(np.arange(40.0))),
    "wavy": (wavy, 8 * np.cos(np.arange(9.0))),
}
cases = pytest.mark.parametrize("name", CASES)


def minimized(function: Function, x: Array, memory: int = 10, **limits: Any) -> tuple[Minimizer, list[Array]]:
    minimizer, path = Minimizer(x.copy(), memory, MinimizerLimits(**limits)), []
    while minimizer.ending is None:
        if minimizer.tell(*function(minimizer.point)):
            path.append(minimizer.x.copy())
    return minimizer, path


def by_scipy(function: Function, x: Array, **options: Any) -> tuple[Any, list[Array]]:
    path: list[Array] = []
    found = optimize.minimize(
        function,
        x,
        jac=True,
        method="L-BFGS-B",
        options=options,
        callback=lambda point: path.append(point.copy()),
    )
    return found, path


@cases
@pytest.mark.parametrize("memory", [1, 3, 10])
def test_it_goes_the_way_of_scipys(name: str, memory: int) -> None:
    function, start = CASES[name]
    ours, path = minimized(function, start, memory)
    theirs, wanted = by_scipy(function, start, maxcor=memory)
    for point, expected in list(zip(path, wanted, strict=False))[:20]:
        np.testing.assert_allclose(point, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
    assert ours.ending is not None
    assert ours.ending.is_converged
    assert theirs.success
    assert ours.f == pytest.approx(theirs.fun, rel=1e-6, abs=1e-6)
    assert abs(ours.n_iter - theirs.nit) <= 0.2 * theirs.nit + 1


@pytest.mark.parametrize("name", ["least-squares", "logistic", "wavy", "rosenbrock2"])
def test_it_ends_where_scipys_does(name: str) -> None:
    function, start = CASES[name]
    ours, _ = minimized(function, start)
    theirs, _ = by_scipy(function, start)
    assert (ours.n_iter, ours.n_fun) == (theirs.nit, theirs.nfev)
    ending = {"NORM": Ending.GRADIENT, "RELA": Ending.FUNCTION}[theirs.message.partition(": ")[2][:4]]
    assert ours.ending is ending


@cases
@pytest.mark.parametrize(("iterations", "evaluations"), [(1, 99), (7, 99), (99, 1), (99, 9)])
def test_limits_are_scipys(name: str, iterations: int, evaluations: int) -> None:
    function, start = CASES[name]
    ours, _ = minimized(function, start, iterations=iterations, evaluations=evaluations)
    theirs, _ = by_scipy(function, start, maxiter=iterations, maxfun=evaluations)
    assert (ours.n_iter, ours.n_fun) == (theirs.nit, theirs.nfev)
    assert ours.ending is (Ending.ITERATIONS if theirs.nit == iterations else Ending.EVALUATIONS)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-9, atol=1e-11)


@given(
    eigenvalues=st.lists(st.floats(1e-2, 1e2), min_size=1, max_size=8),
    size=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_minimum_of_a_bowl_is_found(eigenvalues: list[float], size: float, seed: int) -> None:
    rng, d = np.random.default_rng(seed), np.array(eigenvalues)
    Q, _ = np.linalg.qr(rng.normal(size=(len(d), len(d))))
    H = (Q * d) @ Q.T

    def bowl(x: Array) -> tuple[float, Array]:
        return float(x @ H @ x / 2), H @ x

    ours, path = minimized(bowl, size * rng.normal(size=len(d)), gradient=1e-6, fall=0.0, iterations=500)
    assert ours.ending is Ending.GRADIENT
    assert np.abs(H @ ours.x).max() <= 1e-6
    values = [bowl(x)[0] for x in path]
    assert all(after <= before for before, after in pairwise(values))


def test_a_small_gradient_is_an_end_at_once() -> None:
    ours, path = minimized(wavy, np.zeros(3))
    assert (ours.ending, ours.n_iter, ours.n_fun, path) == (Ending.GRADIENT, 0, 1, [])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_start_that_is_not_finite_is_told(bad: float) -> None:
    ours, _ = minimized(lambda x: (bad, x), np.ones(2))
    assert ours.ending is Ending.NOT_FINITE
    ours, _ = minimized(lambda x: (1.0, np.full(2, bad)), np.ones(2))
    assert ours.ending is Ending.NOT_FINITE


def test_steps_out_of_the_domain_are_taken_back() -> None:
    def barrier(x: Array) -> tuple[float, Array]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.sum(1e3 * x - np.log(x))), 1e3 - 1 / x

    ours, _ = minimized(barrier, np.array([1.0, 2.0]), gradient=1e-4)
    assert ours.ending is not None
    assert ours.ending.is_converged
    np.testing.assert_allclose(ours.x, 1e-3, rtol=1e-4)


def test_a_gradient_that_lies_is_given_up_and_the_start_kept() -> None:
    start = np.array([1.0, -2.0])
    # Sums and products of these numbers are exact, so that no processor rounds the last tries otherwise.
    ours, _ = minimized(lambda x: (float(np.abs(x).sum()), -np.sign(x)), start)
    assert ours.ending is Ending.STUCK
    assert not ours.ending.is_converged
    assert not ours.ending.is_limit
    np.testing.assert_array_equal(ours.x, start)
    np.testing.assert_array_equal(ours.point, start)


def test_a_kink_is_an_end_as_near_as_can_be() -> None:
    ours, _ = minimized(kinked, np.random.default_rng(1).normal(size=5))
    assert ours.ending in (Ending.FUNCTION, Ending.STUCK)
    assert ours.f < 1e-3


def test_what_it_was_given_and_told_is_left_as_it_was() -> None:
    minimizer, told = Minimizer(np.ones(4), 3, MinimizerLimits(iterations=9)), []
    while minimizer.ending is None:
        point = minimizer.point
        f, g = rosenbrock(point)
        told.append((point, point.copy(), g, g.copy()))
        minimizer.tell(f, g)
        minimizer.x[...] = minimizer.x
    for point, same_point, g, same_g in told:
        np.testing.assert_array_equal(point, same_point)
        np.testing.assert_array_equal(g, same_g)


@given(
    a=st.floats(0.1, 10),
    shift=st.floats(0.01, 100),
    ripple=st.floats(0, 0.9),
    first=st.floats(1e-4, 1e3),
)
def test_a_step_that_is_found_falls_enough_and_is_flat_enough(
    a: float, shift: float, ripple: float, first: float
) -> None:
    def f(t: float) -> tuple[float, float]:
        x = t - shift
        value = a * (np.sqrt(1 + x * x) + ripple * np.sin(x) / 2)
        return float(value), float(a * (x / np.sqrt(1 + x * x) + ripple * np.cos(x) / 2))

    f0, slope0 = f(0.0)
    if slope0 >= 0:
        return
    search, tries = LineSearch(f0, slope0, first), 1
    while not search.tell(*f(search.step)):
        tries += 1
        assert tries < 40
    value, slope = f(search.step)
    assert search.step > 0
    assert value <= f0 + 1e-3 * search.step * slope0 + 1e-9 * abs(f0)
    # Where rounding or the length of the interval ends it, it is low at least.
    assert abs(slope) <= 0.9 * abs(slope0) + 1e-9 or value < f0
