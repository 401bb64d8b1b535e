"""The settings that scikit-learn's searches try for a grid or for distributions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler

from gradstep.errors import InvalidParameterError
from gradstep.search.spaces import MOST_TRIALS, check_count, warn_of_equal
from gradstep.utils import text

_OWNER = "FusedSearchCV"
_DRAWN = 10


def candidates(
    param_grid: Any,
    param_distributions: Any,
    n_iter: int | None,
    random_state: int | np.random.RandomState | None,
    most: int = MOST_TRIALS,
) -> list[dict[str, Any]]:
    """Return the settings to try, the same as scikit-learn's searches have for the same arguments.

    Raises
    ------
    InvalidParameterError
        There are both or neither, one is not a dict of values or a list of them, or there are more than
        `most`.
    """
    if (param_grid is None) == (param_distributions is None):
        raise InvalidParameterError(
            f"{_OWNER} needs one of `param_grid` and `param_distributions`, got "
            f"{text.given(param_grid)} and {text.given(param_distributions)}"
        )
    name = "param_distributions" if param_grid is None else "param_grid"
    space = param_distributions if param_grid is None else param_grid
    dicts = [space] if isinstance(space, Mapping) else list(space) if isinstance(space, Iterable) else []
    if not dicts or not all(isinstance(part, Mapping) for part in dicts):
        raise InvalidParameterError(
            f"`{name}` of {_OWNER} must be a dict or a list of dicts, got {text.given(space)}"
        )
    for part in dicts:
        for own, values in part.items():
            if isinstance(values, (list, tuple)):
                warn_of_equal(_OWNER, own, values)
    is_drawn = any(hasattr(values, "rvs") for part in dicts for values in part.values())
    try:
        whole = 0 if is_drawn else len(ParameterGrid(dicts))
        if is_drawn or name == "param_distributions" or n_iter is not None:
            count = n_iter or _DRAWN
            check_count(_OWNER, min(count, whole) if whole else count, most)
            return list(ParameterSampler(dicts, count, random_state=random_state))
        check_count(_OWNER, whole, most)
        return list(ParameterGrid(dicts))
    except InvalidParameterError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"`{name}` of {_OWNER}: {error}") from error
