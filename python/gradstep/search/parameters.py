"""What the parameters of searches allow."""

from __future__ import annotations

from gradstep.estimators.base import BaseTrainer
from gradstep.nn.metrics import COLUMN
from gradstep.plan.settings import CHECKPOINT, RANDOM_STATE
from gradstep.search.engines import EXECUTOR
from gradstep.search.pruners import MedianStopping, Pruner, SuccessiveHalving
from gradstep.search.steps import ESTIMATOR
from gradstep.sklearn.base import BaseFace
from gradstep.utils.constraints import (
    CALLABLE,
    FLAG,
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    below,
    either,
    one_of,
    sequence_of,
)

_PRUNER = Constraint(
    "a pruner, as SuccessiveHalving(), Hyperband() or MedianStopping()",
    lambda value: isinstance(value, Pruner) and not isinstance(value, type),
    ("nonsense", 3, SuccessiveHalving, MedianStopping),
)

_TRAINER = Constraint(
    "a Trainer or Regressor, or an MLPClassifier or MLPRegressor of this package",
    lambda value: isinstance(value, BaseTrainer | BaseFace),
    ("nonsense", 3, None, BaseTrainer),
)

#: Constraints of the parameters of Sweep; `spaces` has those of `space` and `n_trials`.
SWEEP: dict[str, tuple[Constraint, ...]] = {
    "trainer": (_TRAINER,),
    "random_state": RANDOM_STATE,
    "metric": (COLUMN,),
    "pruner": (either(_PRUNER, NONE),),
    "validation_share": (either(NUMBER, NONE), above(0), below(1)),
    "keep_trainers": (FLAG,),
    "max_trials": (WHOLE, at_least(1)),
    "max_memory": (either(WHOLE, NONE), at_least(1)),
    "executor": EXECUTOR,
    "callbacks": (sequence_of(CALLABLE),),
    "checkpoint": CHECKPOINT,
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}


def _is_score(value: object) -> bool:
    return NUMBER.holds(value) or isinstance(value, float)


_NAME = Constraint("the name of a scorer", lambda value: isinstance(value, str), (3,))

#: Constraints of the parameters of FusedSearchCV; scikit-learn checks `scoring` and `cv`.
FUSED_SEARCH: dict[str, tuple[Constraint, ...]] = {
    "estimator": (ESTIMATOR,),
    "n_iter": (either(WHOLE, NONE), at_least(1)),
    "refit": (either(FLAG, CALLABLE, _NAME),),
    "error_score": (either(Constraint("a number", _is_score, ("1", None, 10**400)), one_of("raise")),),
    "return_train_score": (FLAG,),
    "checkpoint": CHECKPOINT,
    "max_trials": (WHOLE, at_least(1)),
    "max_memory": (either(WHOLE, NONE), at_least(1)),
    "executor": EXECUTOR,
    "random_state": RANDOM_STATE,
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}
