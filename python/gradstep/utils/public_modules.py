"""Modules by their public names: ``from gradstep.schedules import Cosine`` finds `gradstep.nn.schedules`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class PublicModules(MetaPathFinder, Loader):
    """Finds modules where they live.

    Parameters
    ----------
    homes : mapping of str to str
        The full name of the module that a public name stands for.
    """

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._homes = dict(homes)
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for a public name."""
        return ModuleSpec(fullname, self) if fullname in self._homes else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself, not a second one."""
        module = importlib.import_module(self._homes[spec.name])
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module, which has been executed, with the spec that it had."""
        for public, home in self._homes.items():
            if home == module.__name__ and public in self._specs:
                module.__spec__ = self._specs.pop(public)
