"""What an experiment of a report consists of: the words that `experiments` is written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gradstep.nn.initializers import Normal
from gradstep.nn.schedules import CyclicTriangular, Schedule, StepDecay

if TYPE_CHECKING:
    from gradstep.diagnostics.gradcheck import GradientCheck
    from gradstep.nn.augment import HorizontalFlip
    from gradstep.reproduction.runner import Outcome

    Measure = Callable[[Sequence[Outcome]], float]

#: A figure is one of `Metrics` of one of these parts, as "test_accuracy".
PARTS = ("train", "validation", "test")

FIRST_WEIGHTS = Normal(0.01)

#: Trainings that `--quick` makes shorter by this.
QUICK = 4


@dataclass(frozen=True)
class Claim:
    """One number that a report gives, and what ours must be to count as the same.

    Attributes
    ----------
    figure : str
        Such as "test_accuracy"; of a `Finding` what is measured, in words.
    says : float, (float, float) or None
        What the report says; a pair is a range.
    low, high : float or None
        Bounds of ours, None for an open end; without either it is told and not judged.
    """

    figure: str
    says: float | tuple[float, float] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def judged(self) -> bool:
        """Whether there is a bound."""
        return self.low is not None or self.high is not None

    def holds(self, value: float) -> bool:
        """Tell whether a value lies within the bounds."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def difference(self, value: float) -> float | None:
        """Return ours minus the report's; of a range the distance to its nearer end, 0 inside."""
        if self.says is None:
            return None
        low, high = self.says if isinstance(self.says, tuple) else (self.says, self.says)
        return value - min(max(value, low), high)


def near(figure: str, says: float, tolerance: float) -> Claim:
    """Return the claim that ours differs by at most `tolerance`."""
    return Claim(figure, says, round(says - tolerance, 9), round(says + tolerance, 9))


def told(figure: str, says: float | tuple[float, float] | None = None) -> Claim:
    """Return a number that stands beside the report's, not judged."""
    return Claim(figure, says)


@dataclass(frozen=True)
class Experiment:
    """One setting of a report; the defaults are those of a softmax layer there.

    Attributes
    ----------
    data : str
        A key of `gradstep.reproduction.data.SPLITS`.
    l2, learning_rate, batch_size, epochs, hidden, loss, init, augment, evaluate_every
        As `Trainer` takes them; `evaluate_every` is that of the first seed, whose curves are drawn.
    updates : int or None
        Where training ends inside an epoch: the number of updates, a multiple of `evaluate_every`.
    seeds : int
        Trainings with seeds 0, 1, ...; the figures are their means.
    name : str
        What to call it, by default what tells it apart.
    claims : tuple of Claim
    note : str
        What a reader should know of the comparison.
    """

    data: str
    l2: float = 0.0
    learning_rate: float | Schedule = 0.001
    batch_size: int = 100
    epochs: int = 40
    hidden: tuple[int, ...] = ()
    loss: str = "softmax"
    init: str | Normal = FIRST_WEIGHTS
    augment: HorizontalFlip | None = None
    evaluate_every: str | int | None = "epoch"
    updates: int | None = None
    seeds: int = 3
    name: str = field(default="", compare=False)
    claims: tuple[Claim, ...] = field(default=(), compare=False)
    note: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """The name, or the settings that reports tell apart."""
        if self.name:
            return self.name
        rate = f"{self.learning_rate:g}" if isinstance(self.learning_rate, float) else "scheduled"
        parts = [f"l2 {self.l2:g}", f"rate {rate}"]
        return ", ".join(parts if self.batch_size == 100 else [f"b {self.batch_size}", *parts])

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the Trainer, without the seed and what goes with it."""
        names = ("l2", "learning_rate", "batch_size", "epochs", "hidden", "loss", "init", "augment")
        return {name: getattr(self, name) for name in names}

    def quick(self) -> Experiment:
        """Return it with one seed and a quarter of the epochs, its schedule squeezed alike."""
        every, updates, rate = self.evaluate_every, self.updates, self.learning_rate
        if isinstance(rate, CyclicTriangular):
            rate = replace(rate, step_size=max(1, rate.step_size // QUICK))
        elif isinstance(rate, StepDecay):
            rate = replace(rate, every=max(1, rate.every // QUICK))
        return replace(
            self,
            seeds=1,
            epochs=-(-self.epochs // QUICK),
            learning_rate=rate,
            evaluate_every=max(1, every // QUICK) if isinstance(every, int) else every,
            updates=None if updates is None else updates // QUICK,
        )


@dataclass(frozen=True)
class Finding:
    """A number that a report draws from more than one training, or from a gradient check.

    Attributes
    ----------
    claim : Claim
    measure : callable
        Of the outcomes of all experiments of a group, or of a `GradientCheck`.
    note : str
    """

    claim: Claim
    measure: Callable[[Any], float]
    note: str = ""


def best(figure: str) -> Measure:
    """Return the measure: the largest mean figure."""
    return lambda outcomes: max(outcome.mean(figure) for outcome in outcomes)


def spread(figure: str, below: float) -> Measure:
    """Return the measure: largest less smallest mean figure where l2 is below `below`."""

    def measure(outcomes: Sequence[Outcome]) -> float:
        values = [outcome.mean(figure) for outcome in outcomes if outcome.experiment.l2 < below]
        return max(values) - min(values)

    return measure


def gain(figure: str, of: str, over: str) -> Measure:
    """Return the measure: the mean figure of one experiment, by label, less that of another."""

    def measure(outcomes: Sequence[Outcome]) -> float:
        means = {outcome.experiment.label: outcome.mean(figure) for outcome in outcomes}
        return means[of] - means[over]

    return measure


def largest(column: str, difference: str = "central") -> Callable[[GradientCheck], float]:
    """Return the measure: the largest entry of a gradient check's column, by one kind of difference."""
    return lambda check: float(check.by(difference)[column].max())


@dataclass(frozen=True)
class Check:
    """A gradient check in the style of a report: on some rows of batch 1, at the first weights.

    Attributes
    ----------
    columns : tuple of str
        Columns of `GradientCheck` that the report shows.
    findings : tuple of Finding
        Of the `GradientCheck`.
    note : str
    differences : tuple of {"forward", "central"}
    hidden, l2, loss, init
        As `Trainer` takes them.
    rows : int
        Rows that the cost is taken over.
    entries : int
        Entries drawn from every parameter array.
    """

    columns: tuple[str, ...]
    findings: tuple[Finding, ...]
    note: str
    differences: tuple[str, ...] = ("central",)
    hidden: tuple[int, ...] = ()
    l2: float = 0.1
    loss: str = "softmax"
    init: str | Normal = FIRST_WEIGHTS
    rows: int = 100
    entries: int = 500


@dataclass(frozen=True)
class Group:
    """Experiments of a report that belong together: rows of its table and pictures of its page.

    Attributes
    ----------
    title : str
    experiments : tuple of Experiment
    pictures : tuple of str
        Keys of `gradstep.reproduction.pictures.PICTURES`.
    findings : tuple of Finding
    note : str
    """

    title: str
    experiments: tuple[Experiment, ...]
    pictures: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A report: its number, its subject, its gradient check, and its groups of experiments."""

    number: str
    title: str
    check: Check
    groups: tuple[Group, ...]

    @property
    def trainings(self) -> int:
        """Number of trainings."""
        return sum(experiment.seeds for group in self.groups for experiment in group.experiments)

    def quick(self) -> Report:
        """Return it with every experiment made quick."""
        return self._each(Experiment.quick)

    def with_seeds(self, seeds: int) -> Report:
        """Return it with so many seeds for every experiment that has several."""
        return self._each(lambda e: e if e.seeds == 1 else replace(e, seeds=seeds))

    def _each(self, change: Callable[[Experiment], Experiment]) -> Report:
        groups = [replace(group, experiments=tuple(map(change, group.experiments))) for group in self.groups]
        return replace(self, groups=tuple(groups))
