"""What an experiment of a report consists of: the words that `experiments` is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gradstep.nn.initializers import InitializerName, Normal
from gradstep.nn.losses import LabelLossName
from gradstep.nn.schedules import CyclicTriangular, Schedule, StepDecay
from gradstep.plan.settings import EvaluateEvery
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.nn.augment import HorizontalFlip

#: Metrics are of one of these splits of the rows, as "test_accuracy".
SPLITS = ("train", "validation", "test")

INITIAL_WEIGHTS = Normal(0.01)

#: Trainings that `--quick` makes shorter by this.
QUICK = 4


@dataclass(frozen=True)
class Expected:
    """One number that a report gives, and what ours must be to count as the same.

    Attributes
    ----------
    metric : str
        Such as "test_accuracy"; of a `DerivedResult` what is measured, in words.
    says : float, (float, float) or None
        What the report says; a pair is a range.
    low, high : float or None
        Bounds of ours, None for an open end; without either it is shown and not judged.
    """

    metric: str
    says: float | tuple[float, float] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def judged(self) -> bool:
        """Whether there is a bound."""
        return self.low is not None or self.high is not None

    def holds(self, value: float) -> bool:
        """Return whether a value lies within the bounds."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def difference(self, value: float) -> float | None:
        """Return ours minus the report's; of a range the distance to its nearer end, 0 inside."""
        if self.says is None:
            return None
        low, high = self.says if isinstance(self.says, tuple) else (self.says, self.says)
        return value - min(max(value, low), high)


def within(metric: str, says: float, tolerance: float) -> Expected:
    """Return the expectation that ours differs by at most `tolerance`."""
    return Expected(metric, says, round(says - tolerance, 9), round(says + tolerance, 9))


def info(metric: str, says: float | tuple[float, float] | None = None) -> Expected:
    """Return a number that stands beside the report's, not judged."""
    return Expected(metric, says)


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
        Trainings with seeds 0, 1, ...; the metrics are their means.
    name : str
        What to call it, by default what tells it apart.
    expected : tuple of Expected
    note : str
        What a reader should know of the comparison.
    """

    data: str
    l2: float = 0.0
    learning_rate: float | Schedule = 0.001
    batch_size: int = 100
    epochs: int = 40
    hidden: tuple[int, ...] = ()
    loss: LabelLossName = "softmax"
    init: InitializerName | Normal = INITIAL_WEIGHTS
    augment: HorizontalFlip | None = None
    evaluate_every: EvaluateEvery = "epoch"
    updates: int | None = None
    seeds: int = 3
    name: str = field(default="", compare=False)
    expected: tuple[Expected, ...] = field(default=(), compare=False)
    note: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """The name, or the settings that reports tell apart."""
        if self.name:
            return self.name
        rate = text.number(self.learning_rate, 6) if isinstance(self.learning_rate, float) else "scheduled"
        parts = [f"l2 {text.number(self.l2, 6)}", f"rate {rate}"]
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
class DerivedResult:
    """A number that a report draws from more than one training, or from a gradient check.

    Attributes
    ----------
    expected : Expected
    measure : callable
        Of the outcomes of all experiments of a group, or of a `GradientCheck`.
    note : str
    """

    expected: Expected
    measure: Callable[[Any], float]
    note: str = ""


@dataclass(frozen=True)
class Check:
    """A gradient check in the style of a report: on some rows of batch 1, at the initial weights.

    Attributes
    ----------
    columns : tuple of str
        Columns of `GradientCheck` that the report shows.
    derived : tuple of DerivedResult
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
    derived: tuple[DerivedResult, ...]
    note: str
    differences: tuple[str, ...] = ("central",)
    hidden: tuple[int, ...] = ()
    l2: float = 0.1
    loss: LabelLossName = "softmax"
    init: InitializerName | Normal = INITIAL_WEIGHTS
    rows: int = 100
    entries: int = 500


@dataclass(frozen=True)
class ExperimentGroup:
    """Experiments of a report that belong together: rows of its table and pictures of its page.

    Attributes
    ----------
    title : str
    experiments : tuple of Experiment
    pictures : tuple of str
        Keys of `gradstep.reproduction.pictures.PICTURES`.
    derived : tuple of DerivedResult
    note : str
    """

    title: str
    experiments: tuple[Experiment, ...]
    pictures: tuple[str, ...]
    derived: tuple[DerivedResult, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A report: its number, its subject, its gradient check, and its groups of experiments."""

    number: str
    title: str
    check: Check
    groups: tuple[ExperimentGroup, ...]

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
