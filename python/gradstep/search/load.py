"""Models of a search that the workers of an engine train together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from gradstep.search.engines.protocol import Call
from gradstep.search.kept_models import take_down
from gradstep.search.payload import SliceAnswer, SliceOrder
from gradstep.search.trials import Trial
from gradstep.storage.saved import SavedGroup
from gradstep.training.group_state import GroupState
from gradstep.training.record import ModelNews, ModelRecord
from gradstep.training.status import Status

#: Trial and fold.
Model = tuple[int, int]


@dataclass(frozen=True, eq=False)
class LoadContext:
    """What all loads of a search have in common.

    Attributes
    ----------
    trials : sequence of Trial
        Take what becomes of their models.
    call : callable
        Makes a task of a SliceOrder.
    is_dropped : callable
        Whether a model of a trial and a fold needs no more training.
    on_score : callable, or None
        Takes trial, fold and judgements of a model that came to its end; None where there are none.
    failed : list of pairs of Model and Exception
        Models that cannot be trained, and why.
    """

    trials: Sequence[Trial]
    call: Callable[[SliceOrder], Call]
    is_dropped: Callable[[Model], bool]
    on_score: Callable[[int, int, Any], None] | None = None
    failed: list[tuple[Model, Exception]] = field(default_factory=list)


@dataclass(eq=False)
class GroupLoad:
    """Models of one fold that share a pass over its rows, and how far they are.

    Attributes
    ----------
    context : LoadContext
    models : list of pairs of int
        Trial and fold of those that are left.
    kind : hashable
        What may be one load.
    kept : GroupState, or None
        All that the models need to go on; None before the first slice.
    done : float
        Epochs that they have done.
    deaths : int
    """

    context: LoadContext
    models: list[Model]
    kind: Hashable
    kept: GroupState | None = None
    done: float = 0.0
    deaths: int = field(default=0, repr=False)

    @property
    def size(self) -> int:
        """Number of models."""
        return len(self.models)

    @property
    def last(self) -> float:
        """Epochs after which their training is over anyway."""
        return float(self.context.trials[self.models[0][0]].settings.epochs) if self.models else 0.0

    @classmethod
    def going_on(
        cls, context: LoadContext, models: Sequence[Model], kind: Hashable, kept: GroupState
    ) -> GroupLoad:
        """Return models that are begun, as the records of their trials know."""
        load = cls(context, list(models), kind, kept)
        load.done = kept.done / load.records[0].outset.updates_per_epoch
        return load

    @property
    def records(self) -> list[ModelRecord]:
        """What is known of the models, once a slice is done."""
        return [self.context.trials[trial].recorders[fold] for trial, fold in self.models]

    def call(self, goal: float, n_threads: int) -> Call:
        """Return the task that trains them up to an epoch."""
        own = [self.context.trials[trial] for trial, _ in self.models]
        is_scored = self.context.on_score is not None
        order = SliceOrder(
            own[0].source,
            self.models[0][1],
            tuple(trial.settings for trial in own),
            self.kept,
            goal,
            n_threads,
            tuple(trial.estimator for trial in own) if is_scored else (),
        )
        return self.context.call(order)

    def take(self, value: SliceAnswer) -> bool:
        """Take in what became of the models in a slice. Returns True while some are left."""
        if value.failure is not None:
            for trial, fold in self.models:
                self.context.trials[trial].failures[fold] = value.failure
            self.models = []
            return False
        news = value.news
        assert news is not None
        if news.outsets is not None:
            for (trial, fold), outset in zip(self.models, news.outsets, strict=True):
                owner = self.context.trials[trial]
                owner.begin(fold, ModelRecord(owner.settings, outset))
        left = []
        for model, record, own in zip(self.models, self.records, news.models, strict=True):
            record.take(own)
            if own.score is not None and self.context.on_score is not None:
                self.context.on_score(*model, own.score)
            if not own.status.is_over:
                left.append(model)
        per_epoch = self.records[0].outset.updates_per_epoch
        self.models, self.kept, self.done = left, value.kept, news.done / per_epoch
        return bool(left)

    def trim(self) -> bool:
        """Let models go that need no more training. Returns True while some are left."""
        self.keep([place for place, model in enumerate(self.models) if not self.context.is_dropped(model)])
        return bool(self.models)

    def keep(self, places: Sequence[int]) -> None:
        """Let all models go but those at some places."""
        if len(places) < self.size:
            rest = self.part(places)
            self.models, self.kept = rest.models, rest.kept

    def halves(self) -> tuple[GroupLoad, GroupLoad]:
        """Return the models in two loads."""
        middle = self.size // 2
        return self.part(range(middle)), self.part(range(middle, self.size))

    def part(self, places: Sequence[int]) -> GroupLoad:
        """Return some of the models as a load of its own."""
        models = [self.models[place] for place in places]
        kept = None if self.kept is None else self.kept.select(places)
        return GroupLoad(self.context, models, self.kind, kept, self.done, self.deaths)

    def fail(self, error: BaseException) -> None:
        """Note that there is no model: to train it kills workers, or memory does not hold it."""
        reason = error if isinstance(error, Exception) else RuntimeError(repr(error))
        for trial, fold in self.models:
            owner = self.context.trials[trial]
            owner.failures[fold] = reason
            self.context.failed.append(((trial, fold), reason))
            if fold in owner.recorders:
                owner.recorders[fold].end(Status.FAILED)
        self.models, self.kept = [], None


@dataclass(frozen=True, eq=False)
class RungStart:
    """Where models of a load were when a rung began.

    Attributes
    ----------
    models : tuple of pairs of int
    kind : hashable
    kept : GroupState
    n_rows : tuple of int
        Rows of their histories then.
    """

    models: tuple[Model, ...]
    kind: Hashable
    kept: GroupState
    n_rows: tuple[int, ...]

    @classmethod
    def of(cls, load: GroupLoad) -> Self:
        """Return where the models of a load are, which has begun."""
        assert load.kept is not None
        n_rows = tuple(len(record.history) for record in load.records)
        return cls(tuple(load.models), load.kind, load.kept, n_rows)

    def put_back(self, context: LoadContext, model: Model) -> GroupLoad:
        """Return a load of one of the models, whose record is again what it was."""
        place, owner = self.models.index(model), context.trials[model[0]]
        record = owner.recorders[model[1]]
        again = ModelRecord(record.settings, record.outset)
        again.take(ModelNews(record.history.rows[: self.n_rows[place]], Status.RUNNING))
        owner.recorders[model[1]] = again
        return GroupLoad.going_on(context, [model], self.kind, self.kept.select([place]))

    def take_down(self, trials: Sequence[Trial]) -> SavedGroup | None:
        """Return this as a folder has it; models that are not known any more need not go back."""
        found = take_down(self.models, trials, self.models, self.kept)
        if found is None:
            return None
        n_rows = dict(zip(self.models, self.n_rows, strict=True))
        then = [ModelNews(own.news.rows[: n_rows[own.key]], Status.RUNNING) for own in found.models]
        models = tuple(replace(own, news=news) for own, news in zip(found.models, then, strict=True))
        return replace(found, models=models)

    @classmethod
    def bring_back(cls, saved: SavedGroup, kind: Hashable) -> Self:
        """Return what `take_down` was made of."""
        assert saved.state is not None
        n_rows = {own.key: len(own.news.rows) for own in saved.models}
        return cls(saved.left, kind, saved.state, tuple(n_rows[key] for key in saved.left))


def regroup(loads: Sequence[GroupLoad], most: Callable[[GroupLoad, int], int]) -> list[GroupLoad]:
    """Return loads that have come to the same epoch anew: joined where they are alike, and cut evenly.

    Parameters
    ----------
    loads : sequence of GroupLoad
    most : callable
        Of a load and the models in all, how many models a load like it may have.
    """
    alike: dict[Hashable, list[GroupLoad]] = {}
    for load in loads:
        if load.trim():
            alike.setdefault((load.kind, load.models[0][1], load.done), []).append(load)
    total = sum(load.size for found in alike.values() for load in found)
    made = []
    for found in alike.values():
        models = sorted((model, load, place) for load in found for place, model in enumerate(load.models))
        count = -(-len(models) // most(found[0], total))
        for part in range(count):
            chosen = models[part * len(models) // count : (part + 1) * len(models) // count]
            made.append(_joined(chosen))
    return sorted(made, key=lambda load: load.models[0])


def _joined(chosen: Sequence[tuple[Model, GroupLoad, int]]) -> GroupLoad:
    """Return one load of models at places of others, which are in the order of their models."""
    parts: list[tuple[GroupLoad, list[int]]] = []
    for _, load, place in chosen:
        if not parts or parts[-1][0] is not load:
            parts.append((load, []))
        parts[-1][1].append(place)
    states = [load.kept.select(places) for load, places in parts if load.kept is not None]
    first = parts[0][0]
    models = [model for model, _, _ in chosen]
    kept = GroupState.join(states) if states else None
    deaths = max(load.deaths for load, _ in parts)
    return GroupLoad(first.context, models, first.kind, kept, first.done, deaths)
