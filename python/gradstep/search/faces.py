"""Searches over the faces of scikit-learn's networks: settings that train in one pass, fold after fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from gradstep.errors import InvalidParameterError
from gradstep.search import steps
from gradstep.search.fold_scores import FoldScores, Scores
from gradstep.search.group import Group
from gradstep.sklearn.base import BaseFace
from gradstep.sklearn.keeping import check_not_kept
from gradstep.sklearn.together import fit_together, groups_of
from gradstep.utils.text import given

Pairs = Sequence[tuple[Any, Any]]


def is_face(estimator: Any) -> bool:
    """Return True for a face, and for a pipeline that ends in one."""
    return isinstance(steps.trainer_of(estimator), BaseFace)


def seeded(estimator: Any, seed: int) -> Any:
    """Return a copy with an int as `random_state`: its own, or else this one; a generator is left."""
    copy = clone(estimator)
    face = steps.trainer_of(copy)
    return steps.with_trainer(copy, face.set_params(random_state=seed) if face.random_state is None else face)


def configured(estimator: Any, candidates: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return a copy of the estimator for every setting, each with parameters that hold.

    Raises
    ------
    InvalidParameterError
        A setting breaks a constraint; the message has the setting.
    """
    made = []
    for params in candidates:
        own = clone(estimator)
        try:
            own.set_params(**{name: clone(value, safe=False) for name, value in params.items()})
            face = steps.trainer_of(own)
            if not isinstance(face, BaseFace):
                raise InvalidParameterError(f"the last step must stay a network, got {given(face)}")
            face.check()
            check_not_kept(face.checkpoint, type(face).__name__, "FusedSearchCV")
        except ValueError as error:
            raise InvalidParameterError(f"a setting of FusedSearchCV, {dict(params)}: {error}") from error
        made.append(own)
    return made


@dataclass(eq=False)
class FaceSearch:
    """The trainings and scores of settings over folds.

    Parameters
    ----------
    models : list of estimators
        One for every setting.
    candidates : list of dict
        The settings.
    scorer : callable
        Of a model, X and y.
    test, train : FoldScores
        Where scores go; `train` is None where nobody wants those of the rows trained on.
    on_score : callable
        Called with setting and fold of every model that has been scored.
    on_group : callable, optional
        Called when all models of a group have been.

    Attributes
    ----------
    fit_seconds : ndarray of shape (settings, folds)
        Every model's share of the time of its group.
    groups : list of Group
    errors : list of Exception
        Of models that could not be fitted.
    """

    models: list[Any]
    candidates: list[dict[str, Any]]
    scorer: Callable[..., Any]
    test: FoldScores
    train: FoldScores | None
    on_score: Callable[[int, int], None]
    on_group: Callable[[], None] | None = None
    fit_seconds: Scores = field(init=False)
    groups: list[Group] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fit_seconds = np.zeros_like(self.test.seconds)

    def run(self, rows: tuple[Any, Any, Any], pairs: Pairs, stop: Callable[[], bool]) -> None:
        """Train and score all models that have no score, fold after fold; `rows` are X, y and weights."""
        for fold, (own, held_out) in enumerate(pairs):
            left = [place for place in range(len(self.models)) if not self._is_scored((place, fold))]
            if not left:
                continue
            trained_on, tested_on = _taken(rows, own), _taken(rows, held_out)
            for before, X, places in self._behind(trained_on, left):
                ours = (X, *trained_on[1:])
                for members in groups_of([steps.trainer_of(self.models[place]) for place in places]):
                    cells = [(places[member], fold) for member in members]
                    models = self._train(cells, before, ours, stop)
                    if stop():
                        return
                    for cell, model in zip(cells, models, strict=True):
                        self._score(cell, model, (tested_on, trained_on))
                        self.on_score(*cell)
                    if self.on_group:
                        self.on_group()

    def _behind(self, rows: tuple[Any, Any, Any], left: list[int]) -> Iterator[tuple[Any, Any, list[int]]]:
        """Yield fitted transformers, the rows of the fold as they make them, and who of `left` is behind."""
        X, y, _ = rows
        if steps.transformers_of(self.models[0]) is None:
            yield None, X, left
            return
        behind: dict[int, list[int]] = {}
        wanted = set(left)
        for place, first in enumerate(steps.ways(self.models[0], self.candidates)):
            if place in wanted:
                behind.setdefault(first, []).append(place)
        for first, places in behind.items():
            before = clone(steps.transformers_of(self.models[first]))
            yield before, before.fit_transform(X, y), places

    def _train(
        self,
        cells: list[tuple[int, int]],
        before: Any,
        rows: tuple[Any, Any, Any],
        stop: Callable[[], bool],
    ) -> list[Any]:
        """Return the models of a group; the error in place of one that there is none of."""
        self.groups.append(Group(tuple(cells), f"fold {cells[0][1]}", is_over=True))
        faces = [clone(steps.trainer_of(self.models[setting])) for setting, _ in cells]
        began = time.perf_counter()
        errors = fit_together(faces, *rows, stop)
        seconds = (time.perf_counter() - began) / len(cells)
        for cell in cells:
            self.fit_seconds[cell] = seconds
        return [
            steps.with_trainer(self.models[setting], face, before) if error is None else error
            for (setting, _), face, error in zip(cells, faces, errors, strict=True)
        ]

    def _is_scored(self, cell: tuple[int, int]) -> bool:
        """Whether all scores of a setting and a fold are there."""
        return all(scores is None or scores.has(cell) for scores in (self.test, self.train))

    def _score(self, cell: tuple[int, int], model: Any, rows: Any) -> None:
        """Score the model of a setting and a fold, or note the error that stands in its place."""
        if isinstance(model, Exception):
            if self.test.raises:
                raise model
            self.errors.append(model)
        for scores, (X, y, _) in zip((self.test, self.train), rows, strict=True):
            if scores is not None and isinstance(model, Exception):
                scores.lack(cell)
            elif scores is not None:
                scores.score(cell, self.scorer, model, (X, y))


def _taken(rows: tuple[Any, Any, Any], numbers: Any) -> tuple[Any, Any, Any]:
    """Return some rows of X, y and the sample weights, if there are some."""
    X, y, weight = rows
    own_weight = None if weight is None else _safe_indexing(weight, numbers)
    return _safe_indexing(X, numbers), _safe_indexing(y, numbers), own_weight
