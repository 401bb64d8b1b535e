"""What a gradient check measures: a row per parameter array and kind of difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.utils import text
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Tabular

Array = npt.NDArray[np.float64]


class GradientCheckRow(NamedTuple):
    """One parameter array by one kind of difference; a is the analytic gradient, n the numeric.

    Both are vectors here, of the entries checked. All numbers are NaN where there are none.

    Attributes
    ----------
    array : str
        "W1", "b1", "W2", ...
    difference : str
        "forward" or "central".
    mean, std, maximum : float
        Of ``|a - n|`` over the entries.
    relative : float
        Largest ``|a - n| / max(eps * size, |a| + |n|)``; see `size`.
    checked : int
        Number of entries compared.
    skipped : int
        Number of entries left out because a unit whose activation has a kink at 0, as a ReLU, changes
        sides between the costs compared.
    size : float
        For weights the root mean square of the inputs that they multiply, if above 1, else 1: the
        slope grows with it, and so does its rounding. Steps are divided by it.
    error_norm : float
        ``||a - n||``, Euclidean.
    sum_of_norms : float
        ``||a|| + ||n||``.
    low, high : float
        Smallest and largest entry of a, with its sign.
    """

    array: str
    difference: str
    mean: float
    std: float
    maximum: float
    relative: float
    checked: int
    skipped: int
    size: float
    error_norm: float
    sum_of_norms: float
    low: float
    high: float

    @classmethod
    def of(
        cls, array: str, difference: str, a: Array, n: Array, *, skipped: int, eps: float, size: float
    ) -> Self:
        """Return what the entries a and n (checked,) of one array come to."""
        checked = a.size
        if not checked:
            a = n = np.array([np.nan])
        error = np.abs(a - n)
        return cls(
            array=array,
            difference=difference,
            mean=float(error.mean()),
            std=float(error.std()),
            maximum=float(error.max()),
            relative=float((error / np.maximum(eps * size, np.abs(a) + np.abs(n))).max()),
            checked=checked,
            skipped=skipped,
            size=size,
            error_norm=float(np.linalg.norm(error)),
            sum_of_norms=float(np.linalg.norm(a) + np.linalg.norm(n)),
            low=float(a.min()),
            high=float(a.max()),
        )

    @property
    def norm_ratio(self) -> float:
        """``||a - n|| / (||a|| + ||n||)``; 0 where both gradients are 0."""
        return self.error_norm / self.sum_of_norms if self.sum_of_norms else self.error_norm

    def almost_equal(self, decimal: int = 6) -> bool:
        """Tell whether every ``|a - n| < 1.5 * 10**-decimal``."""
        return self.maximum < 1.5 * 10.0**-decimal


# Columns of a table when none are named, and what stands above them.
_PRINTED = ("array", "difference", "mean", "std", "maximum", "relative", "norm_ratio", "checked", "skipped")
_HEADS = {"difference": "kind", "maximum": "max", "norm_ratio": "norms"}


@dataclass(frozen=True, repr=False)
class GradientCheck(Mapping[str, npt.NDArray[Any]], Tabular):
    """What `gradient_check` found; ``check["relative"]`` is a column of its rows, prints as a table.

    The columns are the attributes of `GradientCheckRow`, `norm_ratio` included.

    Attributes
    ----------
    rows : list of GradientCheckRow
    backend : str
        The backend that was checked.
    eps : float
        Floor of the denominator of relative errors.
    steps : dict of str to float
        Step by kind of difference.
    cost_error : float
        ``|c - r| / |r|`` of the cost c that the backend reports and the cost r whose differences
        were taken.
    sizes : tuple of int
        Of the network that was checked, ``(d, h, ..., k)``: inputs, hidden units, outputs.
    """

    rows: list[GradientCheckRow]
    backend: str
    eps: float
    steps: dict[str, float]
    cost_error: float
    sizes: tuple[int, ...] = ()

    def by(self, difference: str) -> GradientCheck:
        """Return the rows of one kind of difference alone."""
        if difference not in self.steps:
            raise InvalidParameterError(
                f"`difference` must be one of {', '.join(self.steps)}, got {difference!r}"
            )
        rows = [row for row in self.rows if row.difference == difference]
        return replace(self, rows=rows, steps={difference: self.steps[difference]})

    def max_relative_error(self, difference: str = "central") -> float:
        """Return the largest relative error by one kind of difference; NaN if every entry was skipped."""
        errors = [row.relative for row in self.by(difference).rows if row.checked]
        return float(np.max(errors, initial=0.0)) if errors else float("nan")

    def almost_equal(self, decimal: int = 6, difference: str = "central") -> bool:
        """Tell whether every ``|a - n| < 1.5 * 10**-decimal``, by one kind of difference.

        So judges `numpy.testing.assert_array_almost_equal`. False when every entry was skipped.
        """
        judged = [row.almost_equal(decimal) for row in self.by(difference).rows if row.checked]
        return bool(judged) and all(judged)

    def passed(self, tolerance: float = 1e-7) -> bool:
        """Tell whether neither `cost_error` nor the largest relative error is above `tolerance`.

        Judged by central differences where they were taken, else by forward ones, which reach
        about 1e-5. False when every entry was skipped.
        """
        kind = "central" if "central" in self.steps else "forward"
        return self.max_relative_error(kind) <= tolerance and self.cost_error <= tolerance

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in _COLUMNS:
            raise InvalidParameterError(
                f"a GradientCheck has no column {name!r}; it has {', '.join(_COLUMNS)}"
            )
        return np.array([getattr(row, name) for row in self.rows])

    def __contains__(self, name: object) -> bool:
        return name in _COLUMNS

    def __iter__(self) -> Iterator[str]:
        return iter(_COLUMNS)

    def __len__(self) -> int:
        return len(_COLUMNS)

    def table(self, *columns: str) -> str:
        """Return some columns of all rows as text, such as those of ``table("array", "low", "high")``."""
        return replace(self.shown(columns), notes=()).plain()

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns of all rows as text, and what they mean."""
        names = _PRINTED if columns is None else tuple(columns)
        cells = [map(_cell, self.column(name)) for name in names]
        heads = [_HEADS.get(name, name.replace("_", " ")) for name in names]
        left = [name in ("array", "difference") for name in names]
        return PrintedTable(heads, list(map(list, zip(*cells, strict=True))), left, self._notes())

    def _notes(self) -> tuple[str, ...]:
        steps = ", ".join(f"{kind} {step:g}" for kind, step in self.steps.items())
        return (
            "a analytic, n numeric; mean, std and max of |a-n|;",
            f"relative: largest |a-n| / max({self.eps:g}, |a|+|n|); norms: ||a-n|| / (||a||+||n||)",
            *([f"network {'-'.join(map(str, self.sizes))}: {self.sizes[-1]} outputs"] if self.sizes else ()),
            f"backend {self.backend}, float64; steps: {steps}; cost off by {self.cost_error:.1e}",
        )

    def __repr__(self) -> str:
        kind = "central" if "central" in self.steps else "forward"
        arrays = len({row.array for row in self.rows})
        return (
            f"GradientCheck({'passed' if self.passed() else 'not passed'}; {arrays} arrays, largest relative "
            f"error {self.max_relative_error(kind):.1e} by {kind} differences; backend {self.backend})"
        )


_COLUMNS = (*GradientCheckRow._fields, "norm_ratio")


def _cell(value: str | float) -> str:
    return text.scientific(value) if isinstance(value, float) else str(value)
