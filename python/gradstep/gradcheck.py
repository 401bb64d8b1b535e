"""Is the analytic gradient the slope of the cost? Differences of the cost tell.

Every chosen entry p of every parameter array is moved by a step h, and the slope of the cost

    forward   (cost(p + h) - cost(p)) / h               error about h * f'' / 2     + u / h
    central   (cost(p + h) - cost(p - h)) / (2 * h)     error about h**2 * f''' / 6 + u / h

is held against the analytic gradient; u is the rounding of a cost. The moved copies of the model
are scored as a group, many in one call of the backend. Costs are subtracted row by row and weight
by weight before they are summed, so that what did not move cancels exactly: u is 1e-16 then and
not ten times that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from gradstep import backends, constraints, planning, threads, validation
from gradstep.backends import Backend
from gradstep.errors import InvalidParameterError
from gradstep.plan import Layers, Objective
from gradstep.problem import Problem, prepare

if TYPE_CHECKING:
    from gradstep.trainer import Trainer

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Step of each kind of difference: where truncation and rounding are about equal.
STEPS = {"forward": 1e-8, "central": 1e-5}

# Bytes of moved parameters and of hidden units that are held at a time.
_CHUNK_BYTES = 1 << 25


class GradientCheckRow(NamedTuple):
    """One parameter array by one kind of difference; a is the analytic gradient, n the numeric.

    Attributes
    ----------
    array : str
        "W1", "b1", "W2", ...
    difference : str
        "forward" or "central".
    mean, std, maximum : float
        Of ``|a - n|`` over the entries checked.
    relative : float
        Largest ``|a - n| / max(eps * size, |a| + |n|)``; see `size`.
    checked : int
        Number of entries compared.
    skipped : int
        Number of entries left out because a ReLU changes sides between the costs compared.
    size : float
        For weights the root mean square of the inputs that they multiply, if above 1, else 1: the
        slope grows with it, and so does its rounding. Steps are divided by it.
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


@dataclass(frozen=True)
class GradientCheck:
    """What `gradient_check` found; prints as a table.

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
    """

    rows: list[GradientCheckRow]
    backend: str
    eps: float
    steps: dict[str, float]
    cost_error: float

    def max_relative_error(self, difference: str = "central") -> float:
        """Return the largest relative error by one kind of difference; NaN if every entry was skipped."""
        if difference not in self.steps:
            raise InvalidParameterError(
                f"`difference` must be one of {', '.join(self.steps)}, got {difference!r}"
            )
        errors = [row.relative for row in self.rows if row.difference == difference and row.checked]
        return float(np.max(errors, initial=0.0)) if errors else float("nan")

    def passed(self, tolerance: float = 1e-7) -> bool:
        """Tell whether neither `cost_error` nor the largest relative error is above `tolerance`.

        Judged by central differences where they were taken, else by forward ones, which reach
        about 1e-5. False when every entry was skipped.
        """
        kind = "central" if "central" in self.steps else "forward"
        return self.max_relative_error(kind) <= tolerance and self.cost_error <= tolerance

    def __str__(self) -> str:
        errors = ("mean |a-n|", "std |a-n|", "max |a-n|", "relative")
        head = ("array", "difference", *errors, "checked", "skipped")
        figures = [(*row[:2], *(f"{x:.1e}" for x in row[2:6]), *map(str, row[6:8])) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *figures, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if place < 2 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in (head, *figures)
        ]
        steps = ", ".join(f"{kind} {step:g}" for kind, step in self.steps.items())
        lines.append(f"a analytic, n numeric; relative: largest |a-n| / max({self.eps:g}, |a|+|n|)")
        lines.append(f"backend {self.backend}, float64; steps: {steps}; cost off by {self.cost_error:.1e}")
        return "\n".join(lines)


def gradient_check(
    trainer: Trainer,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    backend: str | None = None,
    differences: Sequence[str] = ("forward", "central"),
    step: float | None = None,
    entries: int | None = None,
    eps: float = 1e-3,
    random_state: int = 0,
) -> GradientCheck:
    """Compare the analytic gradient of a Trainer's cost with differences of the cost, in float64.

    Parameters
    ----------
    trainer : Trainer
        Fitted: the check is made at what it has learned, with its standardization. Not fitted: at
        the first parameters that `fit` would draw, with mean and scale of these rows. The trainer
        itself is not changed.
    X : array-like of shape (n, d)
        The cost is that of all these rows as one batch; a few dozen rows will do.
    y : array-like of shape (n,)
        Labels.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows; only their ratios count.
    backend : str, optional
        Another backend than the trainer's.
    differences : sequence of {"forward", "central"}
        Kinds of difference.
    step : float, optional
        How far a parameter is moved; 1e-8 for forward and 1e-5 for central differences by default.
        Weights of large inputs are moved less; see `GradientCheckRow.size`.
    entries : int, optional
        Number of entries to draw from every parameter array; all of them by default, which takes two
        to three forward passes each.
    eps : float, default=1e-3
        Floor of the denominator in ``|a - n| / max(eps, |a| + |n|)``: smaller entries are judged by
        their absolute error, at ``tolerance * eps``. A central difference cannot tell a slope better
        than to about 1e-11, since a cost near 1 is rounded to 1e-16 and divided by the step: against
        a tolerance of 1e-7, entries below 1e-4 would be judged by that rounding and not by the
        gradient. The default leaves a factor of 10 for costs of other sizes.
    random_state : int, default=0
        Draws the entries.

    Returns
    -------
    GradientCheck
        Prints as a table; ``passed()`` judges it.

    Raises
    ------
    InvalidParameterError
        A parameter of this function or of the trainer breaks its constraint.
    InvalidDataError
        X, y or `sample_weight` cannot be used; scikit-learn's own checks raise its ValueError.
    """
    _check_parameters(differences=differences, step=step, entries=entries, eps=eps, random_state=random_state)
    validation.check_parameters(trainer.get_params(deep=False))
    objective, problem, parameters = _model(trainer, X, y, sample_weight)
    return compare(
        objective,
        problem,
        parameters,
        backends.get(trainer.backend if backend is None else backend),
        steps={kind: STEPS[kind] if step is None else float(step) for kind in differences},
        entries=entries,
        eps=float(eps),
        random=np.random.default_rng(random_state),
        n_threads=threads.choose(trainer.n_threads, problem.n * parameters.size),
    )


def _check_parameters(**given: object) -> None:
    wanted = {
        "differences": (constraints.sequence_of(constraints.one_of(*STEPS)),),
        "step": (constraints.either(constraints.NUMBER, constraints.NONE), constraints.above(0)),
        "entries": (constraints.either(constraints.WHOLE, constraints.NONE), constraints.at_least(1)),
        "eps": (constraints.NUMBER, constraints.above(0)),
        "random_state": (constraints.WHOLE, constraints.at_least(0)),
    }
    for name, value in given.items():
        constraints.check("gradient_check", name, value, wanted[name])
    if not given["differences"]:
        raise InvalidParameterError("`differences` of gradient_check must not be empty, got ()")


def _model(
    trainer: Trainer, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
) -> tuple[Objective, Problem, Array]:
    """Return objective, rows and parameters (P,) of a fitted trainer, or of one about to be fitted."""
    if hasattr(trainer, "coefs_"):
        rows, given = validate_data(trainer, X, y, reset=False)
        labels = validation.encode_as(trainer.classes_, given, "y of gradient_check")
        weight = validation.check_weight(sample_weight, labels)
        problem = prepare(rows, labels, weight, trainer.standardization_)
        objective, parameters = trainer._model()
    else:
        trainer = clone(trainer).set_params(precision="float64", learning_rate=1.0, epochs=1)
        problem = trainer._train_problem(X, y, sample_weight)
        plan, parameters = planning.make([trainer], problem, len(trainer.classes_))
        objective = plan.objective
    return objective, problem, parameters[0].astype(np.float64)


def compare(
    objective: Objective,
    problem: Problem,
    parameters: Array,
    backend: Backend,
    *,
    steps: dict[str, float],
    entries: int | None,
    eps: float,
    random: np.random.Generator,
    n_threads: int = 1,
) -> GradientCheck:
    """Compare the gradient of one model, at parameters (P,), with slopes; see `gradient_check`."""
    around = _Neighbourhood(objective, problem, parameters, backend, n_threads)
    figures, gradient = backend.loss_and_gradient(objective, problem, parameters[None], n_threads=n_threads)
    cost = around.cost()
    rows = []
    for layer, name, first, count in _arrays(objective.layers):
        places = first + np.arange(count)
        if entries is not None and entries < count:
            places = first + np.sort(random.choice(count, entries, replace=False))
        size = around.input_size(layer) if name.startswith("W") else 1.0
        for kind, step in steps.items():
            slopes, smooth = around.slopes(layer, places, kind, step / size)
            rows.append(_row(name, kind, gradient[0, places], slopes, smooth, eps, size))
    cost_error = abs(float(figures.cost[0]) - cost) / max(abs(cost), np.finfo(np.float64).tiny)
    return GradientCheck(rows, backend.name, eps, dict(steps), cost_error)


def _arrays(layers: Layers) -> Iterator[tuple[int, str, int, int]]:
    """Yield layer, name, place in a block and size of every parameter array."""
    for layer, (W, b) in enumerate(layers.offsets.tolist()):
        yield layer, f"W{layer + 1}", W, b - W
        yield layer, f"b{layer + 1}", b, layers.sizes[layer + 1]


def _row(
    name: str, kind: str, a: Array, n: Array, smooth: Flags, eps: float, size: float
) -> GradientCheckRow:
    """Return the figures of the smooth entries of one array."""
    error = np.abs(a - n)[smooth]
    relative = error / np.maximum(eps * size, np.abs(a) + np.abs(n))[smooth]
    if error.size == 0:
        error = relative = np.array([np.nan])
    mean, std, maximum = (float(figure) for figure in (error.mean(), error.std(), error.max()))
    checked = int(smooth.sum())
    skipped = smooth.size - checked
    return GradientCheckRow(name, kind, mean, std, maximum, float(relative.max()), checked, skipped, size)


def _row_losses(loss: str, scores: Array, labels: npt.NDArray[np.int32]) -> Array:
    """Return the loss of every row (m, n) from scores (m, n, k)."""
    losses: Array
    if loss == "sigmoid":
        is_label = np.arange(scores.shape[2]) == labels[:, None]
        losses = np.logaddexp(0, np.where(is_label, -scores, scores)).mean(axis=2)
    else:
        shifted = scores - scores.max(axis=2, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=2)) - shifted[:, np.arange(len(labels)), labels]
    return losses


@dataclass
class _Neighbourhood:
    """Costs and sides of the ReLUs around the parameters (P,) of one model."""

    objective: Objective
    problem: Problem
    parameters: Array
    backend: Backend
    n_threads: int

    def cost(self) -> float:
        """Return the cost at the parameters themselves."""
        layers = self.objective.layers
        squares = sum(float(np.square(layers.weights(self.parameters, i)).sum()) for i in range(layers.count))
        losses = self._losses(self.parameters[None])
        return float(self._mean(losses)[0] + self.objective.l2[0] * squares)

    def input_size(self, layer: int) -> float:
        """Return the root mean square of a layer's inputs, if above 1, else 1."""
        if layer == 0:
            standardization = self.problem.standardization
            inputs = (self.problem.X - standardization.mean) / standardization.scale
        else:
            head = Layers(self.objective.layers.sizes[: layer + 1])
            inputs = np.maximum(self._scores(head, self.parameters[None]), 0)
        return max(1.0, float(np.sqrt(np.square(inputs).mean())))

    def slopes(
        self, layer: int, places: npt.NDArray[np.int64], kind: str, step: float
    ) -> tuple[Array, Flags]:
        """Return the slope at every place of one layer, and whether no ReLU changes sides on the way."""
        units = self.problem.n * max(self.objective.layers.sizes[1:])
        chunk = max(1, _CHUNK_BYTES // (16 * (self.parameters.size + units)))
        chunks = (places[start : start + chunk] for start in range(0, places.size, chunk))
        slopes, smooth = zip(*(self._slopes(layer, some, kind, step) for some in chunks), strict=True)
        return np.concatenate(slopes), np.concatenate(smooth)

    def _slopes(
        self, layer: int, places: npt.NDArray[np.int64], kind: str, step: float
    ) -> tuple[Array, Flags]:
        layers, each = self.objective.layers, np.arange(places.size)
        ahead = self._moved(places, step)
        behind = self._moved(places, -step) if kind == "central" else self.parameters[None]
        before = behind[each, places] if kind == "central" else self.parameters[places]
        after = ahead[each, places]
        # The way is not exactly the step: p + h is rounded.
        way = after - before
        rise = self._mean(self._losses(ahead) - self._losses(behind))
        is_weight = places < layers.offsets[layer, 1]
        rise += np.where(is_weight, self.objective.l2[0] * way * (after + before), 0.0)
        return rise / way, self._same_sides(layer, ahead) & self._same_sides(layer, behind)

    def _moved(self, places: npt.NDArray[np.int64], step: float) -> Array:
        moved = np.tile(self.parameters, (places.size, 1))
        moved[np.arange(places.size), places] += step
        return moved

    def _losses(self, blocks: Array) -> Array:
        """Return the loss of every row (m, n) of models (m, P)."""
        objective = self.objective
        return _row_losses(objective.loss, self._scores(objective.layers, blocks), self.problem.y)

    def _mean(self, losses: Array) -> Array:
        weight = self.problem.weight
        means: Array = (losses if weight is None else losses * weight).mean(axis=1)
        return means

    def _same_sides(self, layer: int, blocks: Array) -> Flags:
        """Tell which models have every ReLU from `layer` on, in every row, where the unmoved model has it."""
        sizes = self.objective.layers.sizes
        same = np.ones(len(blocks), dtype=np.bool_)
        for last in range(layer, self.objective.layers.count - 1):
            # What enters a ReLU is the scores of the network that ends there.
            head = Layers(sizes[: last + 2])
            active, unmoved = (self._scores(head, models) > 0 for models in (blocks, self.parameters[None]))
            same &= (active == unmoved).all(axis=(1, 2))
        return same

    def _scores(self, layers: Layers, blocks: Array) -> Array:
        """Return the scores (m, n, out) of the first layers of models (m, P)."""
        objective = Objective(layers, self.objective.loss, np.zeros(len(blocks)))
        unlabelled = replace(self.problem, y=np.zeros_like(self.problem.y))
        heads = np.ascontiguousarray(blocks[:, : layers.parameters])
        scores: Array = self.backend.scores(objective, unlabelled, heads, n_threads=self.n_threads)
        return scores
