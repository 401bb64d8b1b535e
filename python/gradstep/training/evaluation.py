"""From what a backend counts to the metrics of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Evaluation
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric
from gradstep.plan.rows import TrainingData
from gradstep.plan.targets import Targets


def metrics_of_models(
    metrics: Sequence[Metric], loss: Loss, targets: Targets, data: TrainingData, evaluation: Evaluation
) -> dict[str, npt.NDArray[np.float64]]:
    """Return loss, cost and every metric of m models on some rows, each (m,), but for those by scorers.

    Metrics that are not the share of hits need the evaluation's scores.
    """
    values = {"loss": evaluation.loss, "cost": evaluation.cost}
    truth = None
    for metric in metrics:
        if metric.from_hits:
            values[metric.name] = evaluation.hits
        if not metric.from_answers:
            continue
        if evaluation.scores is None:
            raise ValueError(f"the metric {metric.name} needs the scores")
        if truth is None:
            truth = targets.in_units(data.targets)
            answers = [targets.in_units(loss.answers(scores)) for scores in evaluation.scores]
        values[metric.name] = np.array(
            [metric.of(own, truth, _weight(data, model)) for model, own in enumerate(answers)]
        )
    return values


def _weight(data: TrainingData, model: int) -> npt.NDArray[np.float64] | None:
    if data.weight is None:
        return None
    weight: npt.NDArray[np.float64] = data.weight[model] if data.weight.ndim == 2 else data.weight
    return weight
