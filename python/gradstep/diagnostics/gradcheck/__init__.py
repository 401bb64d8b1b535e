"""Is the analytic gradient the slope of the cost? Differences of the cost tell.

Every chosen entry p of every parameter array is moved by a step h, and the slope of the cost

    forward   (cost(p + h) - cost(p)) / h               error about h * f'' / 2     + u / h
    central   (cost(p + h) - cost(p - h)) / (2 * h)     error about h**2 * f''' / 6 + u / h

is held against the analytic gradient; u is the rounding of a cost. The moved copies of the model
are scored as a group, many in one call of the backend. Costs are subtracted row by row and weight
by weight before they are summed, so that what did not move cancels exactly: u is 1e-16 then and
not ten times that.
"""

from gradstep.diagnostics.gradcheck.check import STEPS, compare, gradient_check
from gradstep.diagnostics.gradcheck.result import GradientCheck, GradientCheckRow

__all__ = ["STEPS", "GradientCheck", "GradientCheckRow", "compare", "gradient_check"]
