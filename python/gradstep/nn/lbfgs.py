"""L-BFGS: the minimum of a smooth function, by its values and gradients at points that are asked for.

The method is that of L-BFGS-B [1]_ for a function without bounds, with its line search, its constants and its
rules for an end, so that it goes the way of ``scipy.optimize.minimize(method="L-BFGS-B")`` to rounding. The
direction is the two-loop recursion [2]_. It is written as what is told the function, not as what
calls it: many minimisations can wait for one evaluation of them all, and what is remembered are arrays.
Sums are NumPy's own and not those of a BLAS, whose bits depend on how many threads it has.

References
----------
.. [1] R. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained optimization",
   SIAM Journal on Scientific Computing 16 (1995).
.. [2] J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35
   (1980).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from gradstep.nn.line_search import LineSearch

Array = npt.NDArray[np.float64]

_LONGEST = 1e10
# Evaluations of one line search.
_MOST_TRIES = 20
_EPSILON = float(np.finfo(np.float64).eps)


class Ending(StrEnum):
    """Why a minimisation ended; each is its own text."""

    GRADIENT = "the gradient is small"
    FUNCTION = "the function falls no more"
    ITERATIONS = "all iterations are done"
    EVALUATIONS = "all evaluations are done"
    STUCK = "no step along the gradient lowers the function"
    NOT_FINITE = "the function is not finite"

    @property
    def is_converged(self) -> bool:
        """Whether a minimum was found, as the tolerances say."""
        return self in (Ending.GRADIENT, Ending.FUNCTION)

    @property
    def is_limit(self) -> bool:
        """Whether there would be more to do."""
        return self in (Ending.ITERATIONS, Ending.EVALUATIONS)


@dataclass(frozen=True)
class MinimizerLimits:
    """When a minimisation ends.

    Attributes
    ----------
    gradient : float, default=1e-5
        Largest size of a derivative at a minimum.
    fall : float, default=2.2204460492503131e-09
        Least fall of an iteration, relative to the larger of the function's size and 1.
    iterations : int, optional
    evaluations : int, optional
        An iteration that is begun is finished.
    """

    gradient: float = 1e-5
    fall: float = 2.2204460492503131e-09
    iterations: int | None = None
    evaluations: int | None = None


@dataclass(frozen=True, eq=False)
class MinimizerState:
    """What a minimisation has come to at the end of an iteration: all that it needs to go on.

    Attributes
    ----------
    x, g : ndarray of shape (P,), float64
        The point, and the gradient there.
    pairs : ndarray of shape (p, 2, P), float64
        Steps and changes of the gradient that are remembered, oldest first.
    products : ndarray of shape (p,), float64
        Of the two of every pair.
    scale : float
        Of the inverse Hessian before the pairs.
    f : float
        The function at `x`, NaN before it is known.
    n_iter, n_fun : int
    ending : Ending, or None
    """

    x: Array
    g: Array
    pairs: Array
    products: Array
    scale: float
    f: float
    n_iter: int
    n_fun: int
    ending: Ending | None


class Minimizer:
    """One minimisation: it says where the function is wanted, and is told what it is there.

    Parameters
    ----------
    x : ndarray of shape (P,), float64
        Where to begin; the minimiser's own from now on.
    memory : int
        Pairs of steps and changes of the gradient that are remembered.
    limits : MinimizerLimits

    Attributes
    ----------
    x : ndarray of shape (P,)
        The best point so far.
    f : float
        The function there, NaN before it is known.
    point : ndarray of shape (P,)
        Where the function is wanted next.
    n_iter, n_fun : int
        Iterations done and evaluations told.
    ending : Ending or None
        Why it has ended, None as long as it has not.
    """

    x: Array
    point: Array
    f: float
    n_iter: int
    n_fun: int

    def __init__(self, x: Array, memory: int, limits: MinimizerLimits) -> None:
        self.x = self.point = x
        self.f = float("nan")
        self.n_iter = self.n_fun = 0
        self.ending: Ending | None = None
        self.limits = limits
        self._g = self._direction = x
        self._memory = _Memory(memory)
        self._search: LineSearch | None = None
        self._slope, self._tries = 0.0, 0

    @classmethod
    def of(cls, state: MinimizerState, memory: int, limits: MinimizerLimits) -> Self:
        """Go on from a state; a line search that was begun behind it is begun anew."""
        own = cls(state.x, memory, limits)
        own.f, own._g, own.n_iter, own.n_fun = state.f, state.g, state.n_iter, state.n_fun
        own._memory.restore(state.pairs, state.products, state.scale)
        own.ending = state.ending
        if own.n_fun and own.ending is None:
            own._set_out()
        return own

    def state(self) -> MinimizerState:
        """Return what it has come to, as a value."""
        pairs, products, scale = self._memory.state(self.x.size)
        return MinimizerState(
            self.x, self._g, pairs, products, scale, self.f, self.n_iter, self.n_fun, self.ending
        )

    def tell(self, f: float, g: Array) -> bool:
        """Take the function and its gradient at `point`. Returns True where that ends an iteration.

        Parameters
        ----------
        f : float
        g : ndarray of shape (P,), float64
            The minimiser's own from now on.
        """
        self.n_fun += 1
        if self._search is None:
            self._begin(f, g)
            return False
        if self._search.tell(f, _dot(self._direction, g)):
            self._accept(f, g)
            return True
        self._try_on()
        return False

    def _begin(self, f: float, g: Array) -> None:
        self.f, self._g = f, g
        if not (np.isfinite(f) and np.isfinite(g).all()):
            self.ending = Ending.NOT_FINITE
        elif np.abs(g).max() <= self.limits.gradient:
            self.ending = Ending.GRADIENT
        else:
            self._set_out()

    def _set_out(self) -> None:
        """Choose a direction, and the first step along it."""
        self._direction = self._memory.direction(self._g)
        slope = _dot(self._direction, self._g)
        if not slope < 0:
            self._start_over()
            return
        # Nothing is known of the curvature yet: the first step has length 1 at most.
        first = 1.0 if self.n_iter else min(1 / (-slope) ** 0.5, _LONGEST)
        self._search, self._slope, self._tries = LineSearch(self.f, slope, first), slope, 0
        self._try_on()

    def _try_on(self) -> None:
        if self._search is None or self._tries == _MOST_TRIES:
            self._start_over()
            return
        self._tries += 1
        self.point = self.x + self._search.step * self._direction

    def _start_over(self) -> None:
        """Forget what led nowhere; along the gradient itself there is nothing to forget."""
        if self._memory.is_empty:
            self.point, self.ending = self.x, Ending.STUCK
            return
        self._memory.forget()
        self._set_out()

    def _accept(self, f: float, g: Array) -> None:
        """Go to the point that was found."""
        before, self.f = self.f, f
        self._memory.take(self.point - self.x, g - self._g, -self._slope * self._step)
        self.x, self._g = self.point, g
        self.n_iter += 1
        self.ending = self._ending(before)
        if self.ending is None:
            self._set_out()

    @property
    def _step(self) -> float:
        return self._search.step if self._search else 0.0

    def _ending(self, before: float) -> Ending | None:
        """Return why nothing more is to be done behind an iteration, None where there is."""
        limits = self.limits
        if limits.iterations is not None and self.n_iter >= limits.iterations:
            return Ending.ITERATIONS
        if limits.evaluations is not None and self.n_fun > limits.evaluations:
            return Ending.EVALUATIONS
        if np.abs(self._g).max() <= limits.gradient:
            return Ending.GRADIENT
        if before - self.f <= limits.fall * max(abs(before), abs(self.f), 1.0):
            return Ending.FUNCTION
        return None


class _Memory:
    """The last steps s and changes y of the gradient, and what they say of the inverse Hessian."""

    def __init__(self, most: int) -> None:
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=most)
        self._scale = 1.0  # of the inverse Hessian before the pairs

    @property
    def is_empty(self) -> bool:
        """Whether the direction is that of the gradient."""
        return not self._pairs

    def forget(self) -> None:
        """Forget everything."""
        self._pairs.clear()
        self._scale = 1.0

    def take(self, s: Array, y: Array, fall: float) -> None:
        """Remember a pair if the function curves upwards along it, by more than rounding of `fall`."""
        sy = _dot(s, y)
        if sy > _EPSILON * fall:
            self._pairs.append((s, y, sy))
            self._scale = sy / _dot(y, y)

    def state(self, size: int) -> tuple[Array, Array, float]:
        """Return the pairs (p, 2, P), their products (p,) and the scale."""
        pairs = np.array([(s, y) for s, y, _ in self._pairs]).reshape(-1, 2, size)
        return pairs, np.array([sy for *_, sy in self._pairs], dtype=np.float64), self._scale

    def restore(self, pairs: Array, products: Array, scale: float) -> None:
        """Take what `state` returned."""
        self._pairs.extend((s, y, sy) for (s, y), sy in zip(pairs, products.tolist(), strict=True))
        self._scale = scale

    def direction(self, g: Array) -> Array:
        """Return minus the inverse Hessian times g, by the two-loop recursion."""
        d, room, shares = -g, np.empty_like(g), []
        for s, y, sy in reversed(self._pairs):
            shares.append(_dot(s, d) / sy)
            d -= np.multiply(y, shares[-1], out=room)
        d *= self._scale
        for s, y, sy in self._pairs:
            share = shares.pop() - _dot(y, d) / sy
            d += np.multiply(s, share, out=room)
        return d


def _dot(a: Array, b: Array) -> float:
    return float(np.einsum("i,i->", a, b))
