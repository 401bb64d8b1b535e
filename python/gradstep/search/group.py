"""Models of a search that one pass trains."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradstep.search.slices import OpenGroup


@dataclass(eq=False)
class Group:
    """Models of a search that one pass trains.

    Attributes
    ----------
    models : tuple of pairs of int
        Trial and fold of every model; all of them are of one fold.
    reason : str
        What they have in common that others have not, and why there are no more of them.
    training : OpenGroup, or None
        Their training in this process, from its beginning to its end.
    is_over : bool
        Whether nothing more will be trained.
    """

    models: tuple[tuple[int, int], ...]
    reason: str
    training: OpenGroup | None = field(default=None, repr=False)
    is_over: bool = field(default=False, repr=False)
