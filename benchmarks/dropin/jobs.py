"""What is done with scikit-learn's estimators, and how many times faster it is to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class DropInJob:
    """A program that runs on either library.

    `kind`: class of `programs`. `data`: function of `rows`. `estimator` and `parameters`: what is made, with
    a seed beside them. `reach`: how many times our seconds those of scikit-learn are to be, of rows in
    float32 and in float64; where float64 has none, it is not run. `calls` are made in a row for one
    measurement. `own_stop`: the training ends by its own rule, so that no other library does the same work.
    The score of an answer is the mean over so many `seeds`, and must be scikit-learn's within `tolerance`.
    """

    name: str
    kind: str
    data: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    estimator: str = "MLPClassifier"
    reach: tuple[float, float | None] = (1.0, 1.0)
    calls: int = 1
    own_stop: bool = False
    seeds: int = 5
    tolerance: float = 0.005

    def quick(self) -> DropInJob:
        """Return the same with few epochs, calls and seeds; scores may then differ."""
        short = {"max_iter": min(2, int(self.parameters.get("max_iter", 200)))}
        return replace(
            self,
            parameters={**self.parameters, **short},
            calls=max(1, self.calls // 100),
            seeds=1,
            tolerance=0.2,
        )

    def precisions(self) -> list[str]:
        """Return the types of rows that it is measured with."""
        return [name for name, times in zip(("float32", "float64"), self.reach, strict=True) if times]

    def reach_of(self, precision: str) -> float:
        """Return how many times our seconds scikit-learn's are to be."""
        times = self.reach[precision == "float64"]
        assert times is not None
        return times


DROPIN_JOBS = {
    job.name: job
    for job in (
        DropInJob("digits", "Fit", "digits", reach=(6, 4), own_stop=True),
        DropInJob("digits-b32", "Fit", "digits", {"batch_size": 32, "max_iter": 100}, reach=(16, 10)),
        DropInJob("20000x20", "Fit", "small_table", {"max_iter": 20}, reach=(9, 6.5)),
        DropInJob(
            "two-layers",
            "Fit",
            "large_table",
            {"hidden_layer_sizes": (256, 128), "max_iter": 10},
            reach=(4.5, 4),
        ),
        DropInJob("784", "Fit", "wide_table", {"max_iter": 10}, reach=(3.2, 2.6)),
        DropInJob("regression", "Fit", "values", {"max_iter": 20}, estimator="MLPRegressor", reach=(9, 6.5)),
        DropInJob("partial_fit", "PartialFit", "wide_table", reach=(3, 2.5)),
        DropInJob("predict-one", "PredictOne", "digits", {"max_iter": 5}, reach=(6, 6), calls=2000, seeds=1),
        DropInJob(
            "predict_proba",
            "PredictProba",
            "large_table",
            {"max_iter": 1},
            reach=(1.7, 2.5),
            calls=5,
            seeds=1,
        ),
        DropInJob("lbfgs", "Fit", "digits", {"solver": "lbfgs"}, reach=(3, 2), own_stop=True),
        DropInJob("grid-search", "Search", "digits", reach=(20, None), own_stop=True, seeds=1),
        DropInJob(
            "sparse", "Fit", "texts", {"hidden_layer_sizes": (50,), "max_iter": 5}, reach=(3, None), seeds=1
        ),
    )
}

#: What `Search` tries: 12 settings in 5 folds.
GRID = {"alpha": (1e-5, 1e-4, 1e-3, 1e-2), "learning_rate_init": (3e-4, 1e-3, 3e-3)}
FOLDS = 5
