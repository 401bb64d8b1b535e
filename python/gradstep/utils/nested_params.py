"""Parameters of parameters: what a schedule or a rule is made of, by two underscores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Self

from gradstep.utils.concepts import Concept
from gradstep.utils.names import KnownParameters, raise_unknown_parameter
from gradstep.utils.parameters import Parameters


class NestedParameters(KnownParameters, Parameters):
    """An estimator whose parameters may be frozen dataclasses, as schedules are.

    Such a value is never changed: setting one of its fields puts a new one in its place.

    Attributes
    ----------
    concepts : dict of str to Concept
        Families of parameters that may be short names: setting a part of one sets that of the object with
        defaults that it stands for.
    """

    concepts: ClassVar[Mapping[str, type[Concept]]] = {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; if `deep`, also what values are made of, as ``learning_rate__high``."""
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            params |= {
                f"{name}__{field.name}": getattr(value, field.name)
                for name, value in tuple(params.items())
                if _has_fields(value)
                for field in fields(value)
            }
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; a name with two underscores sets a part of a value.

        Raises
        ------
        InvalidParameterError
            There is no such parameter, or a value breaks the constraint of what it is a part of.
        """
        parts: dict[str, dict[str, Any]] = defaultdict(dict)
        known = self.get_params(deep=False)
        for key, value in params.items():
            name, _, part = key.partition("__")
            if name not in known:
                raise_unknown_parameter(type(self).__name__, key, known)
            if part:
                parts[name][part] = value
            else:
                setattr(self, name, value)
        for name, of_this in parts.items():
            whole = getattr(self, name)
            if name in self.concepts and whole in self.concepts[name].short_names():
                whole = self.concepts[name].resolve(whole)
            names = [field.name for field in fields(whole)] if _has_fields(whole) else []
            for part in of_this:
                if part not in names:
                    whose = f"`{name}` of {type(self).__name__}, which is {whole!r},"
                    raise_unknown_parameter(whose, part, names)
            setattr(self, name, replace(whole, **of_this))
        return self


def _has_fields(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
