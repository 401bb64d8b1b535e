"""The line search of L-BFGS: a step along a direction that lowers a function enough.

It is that of Moré and Thuente [1]_ as MINPACK-2 and L-BFGS-B use it. Each try brings another step, until
one has both

    f(step) <= f(0) + SUFFICIENT * step * f'(0)     and     abs(f'(step)) <= CURVATURE * abs(f'(0)).

References
----------
.. [1] J. Moré, D. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM Transactions on
   Mathematical Software 20 (1994).
"""

from __future__ import annotations

import math
from typing import NamedTuple

# The constants of L-BFGS-B.
_SUFFICIENT, _CURVATURE = 1e-3, 0.9
_LONGEST = 1e10
# An interval that is this narrow, relative to its end, is not cut further.
_NARROW = 0.1
# While no minimum is enclosed: how far beyond the last step the next one is, as a share of the way so far.
_LEAST_GROWTH, _MOST_GROWTH = 1.1, 4.0
# An interval that has not shrunk by this in two tries is halved.
_SHRINKS = 0.66
# Where the function is no number, this share of the way is tried next.
_BACK = 0.1


class Point(NamedTuple):
    """A step along the direction, the function there, and its derivative along the direction."""

    step: float
    f: float
    slope: float

    def less(self, slope: float) -> Point:
        """Return the point of the function less a line of this slope through 0."""
        return Point(self.step, self.f - self.step * slope, self.slope - slope)


class LineSearch:
    """One search, which is told what comes of each step that it asks for.

    Parameters
    ----------
    f, slope : float
        At step 0; the slope is negative.
    first : float
        The first step to try.

    Attributes
    ----------
    step : float
        The step to try next; once the search is over, the one that was found.
    """

    step: float

    def __init__(self, f: float, slope: float, first: float) -> None:
        self.step = first
        self._start = self._best = self._end = Point(0.0, f, slope)
        self._wanted = _SUFFICIENT * slope
        self._is_enclosed, self._is_low = False, False
        self._least, self._most = 0.0, first + _MOST_GROWTH * first
        self._width, self._width_before = _LONGEST, 2 * _LONGEST

    def tell(self, f: float, slope: float) -> bool:
        """Take f and its slope at `step`. Returns True when the search is over.

        The step then has both properties, or no other one is worth a try.
        """
        tried = Point(self.step, f, slope)
        if not (math.isfinite(f) and math.isfinite(slope)):
            self.step = self._best.step + _BACK * (tried.step - self._best.step)
            return False
        bound = self._start.f + tried.step * self._wanted
        self._is_low = self._is_low or (f <= bound and slope >= 0)
        if self._is_spent(tried) or (f <= bound and abs(slope) <= -_CURVATURE * self._start.slope):
            return True
        if not self._is_low and bound < f <= self._best.f:
            # So far the function is searched less the line that it must come below.
            less = [point.less(self._wanted) for point in (self._best, self._end, tried)]
            best, end, step = self._narrowed(*less)
            self._best, self._end = best.less(-self._wanted), end.less(-self._wanted)
        else:
            self._best, self._end, step = self._narrowed(self._best, self._end, tried)
        self._take(step, tried.step)
        return False

    def _is_spent(self, tried: Point) -> bool:
        """Whether rounding or the limits leave no other step to try."""
        if self._is_enclosed:
            return not self._least < tried.step < self._most or self._is_narrow()
        bound = self._start.f + tried.step * self._wanted
        return tried.step == _LONGEST and tried.f <= bound and tried.slope <= self._wanted

    def _is_narrow(self) -> bool:
        return self._most - self._least <= _NARROW * self._most

    def _take(self, step: float, tried: float) -> None:
        """Set the next step, and within which bounds the one after it is."""
        best, end = self._best.step, self._end.step
        if not math.isfinite(step):
            step = best + 0.5 * (tried - best)
        if self._is_enclosed:
            if abs(end - best) >= _SHRINKS * self._width_before:
                step = best + 0.5 * (end - best)
            self._width_before, self._width = self._width, abs(end - best)
            self._least, self._most = min(best, end), max(best, end)
        else:
            self._least = step + _LEAST_GROWTH * (step - best)
            self._most = step + _MOST_GROWTH * (step - best)
        step = min(max(step, 0.0), _LONGEST)
        if self._is_enclosed and (not self._least < step < self._most or self._is_narrow()):
            step = best
        self.step = step

    def _narrowed(self, best: Point, end: Point, tried: Point) -> tuple[Point, Point, float]:
        """Return the best point, the other end of the interval, and the step to try next."""
        if tried.f > best.f:
            self._is_enclosed = True
            return best, tried, _between(best, tried)
        if (tried.slope < 0) != (best.slope < 0) and tried.slope != 0:
            self._is_enclosed = True
            steps = _secant(best, tried), _cubic(tried, best)
            return tried, best, max(steps, key=lambda step: abs(step - tried.step))
        if abs(tried.slope) < abs(best.slope):
            return tried, end, self._beyond(best, end, tried)
        if self._is_enclosed:
            return tried, end, _cubic(tried, end)
        return tried, end, self._most if tried.step > best.step else self._least

    def _beyond(self, best: Point, end: Point, tried: Point) -> float:
        """Return the step to try where the function falls on, but less steeply."""
        is_ahead = tried.step > best.step
        cubic, secant = _cubic(tried, best), _secant(best, tried)
        # The cubic may have its minimum on the other side, or none.
        if not (cubic > tried.step if is_ahead else cubic < tried.step):
            cubic = self._most if is_ahead else self._least
        if not self._is_enclosed:
            step = max((secant, cubic), key=lambda step: abs(step - tried.step))
            return max(self._least, min(self._most, step))
        step = min((secant, cubic), key=lambda step: abs(step - tried.step))
        farthest = tried.step + _SHRINKS * (end.step - tried.step)
        return min(farthest, step) if is_ahead else max(farthest, step)


def _between(best: Point, tried: Point) -> float:
    """Return a step between the best one and a higher one."""
    way = tried.step - best.step
    quadratic = best.step + _ratio(best.slope, _ratio(best.f - tried.f, way) + best.slope) / 2 * way
    cubic = _cubic(best, tried)
    if abs(cubic - best.step) < abs(quadratic - best.step):
        return cubic
    return cubic + (quadratic - cubic) / 2


def _cubic(a: Point, b: Point) -> float:
    """Return where the cubic through two points and their slopes is least, seen from a; NaN where nowhere."""
    theta = 3 * _ratio(a.f - b.f, b.step - a.step) + a.slope + b.slope
    size = max(abs(theta), abs(a.slope), abs(b.slope))
    square = _ratio(theta, size) ** 2 - _ratio(a.slope, size) * _ratio(b.slope, size)
    if not square > 0:
        return math.nan
    gamma = math.copysign(size * math.sqrt(square), b.step - a.step)
    return a.step + _ratio(gamma - a.slope + theta, 2 * gamma - a.slope + b.slope) * (b.step - a.step)


def _secant(best: Point, tried: Point) -> float:
    """Return where the slope would be 0 if it changed on as between the two."""
    return tried.step + _ratio(tried.slope, tried.slope - best.slope) * (best.step - tried.step)


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan
