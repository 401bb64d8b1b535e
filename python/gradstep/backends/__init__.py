"""The backends, best first, and the one place that chooses among them."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

from gradstep.backends.protocol import Backend, Evaluation, FullBatch, Running, Session
from gradstep.errors import BackendUnavailableError, FallbackWarning, InvalidParameterError
from gradstep.nn.rules import Rule
from gradstep.plan.network import Objective
from gradstep.utils.log import of_room
from gradstep.utils.warn import warn

__all__ = [
    "NAMES",
    "Backend",
    "Evaluation",
    "FullBatch",
    "Running",
    "Session",
    "availability",
    "choose",
    "get",
    "instruction_sets",
    "pinned",
]

#: Best first; "auto" takes the first that is there.
NAMES = ("cpp", "numba", "numpy")

_CLASSES = {"cpp": "CppBackend", "numba": "NumbaBackend", "numpy": "NumpyBackend"}

_log = of_room(__name__)

# Filled by `setdefault` alone, which is one step also where threads run without the GIL.
_loaded: dict[str, Backend] = {}
_first_to_warn: dict[str, object] = {}

# The instruction set that the compiled core is to use in this context, whatever would be the best one.
_PINNED: ContextVar[str | None] = ContextVar("gradstep_pinned", default=None)


def get(name: str = "auto") -> Backend:
    """Return a backend by name; ``GRADSTEP_BACKEND`` stands in for "auto".

    Raises
    ------
    InvalidParameterError
        The name is not known.
    BackendUnavailableError
        The named backend cannot be imported here; the message says why.
    """
    source = "`backend` of Trainer"
    if name == "auto" and os.environ.get("GRADSTEP_BACKEND"):
        name, source = os.environ["GRADSTEP_BACKEND"], "GRADSTEP_BACKEND"
    if name != "auto":
        if name not in NAMES:
            raise InvalidParameterError(f"{source} must be one of auto, {', '.join(NAMES)}, got {name!r}")
        return _load(name, source)
    for candidate in NAMES:
        try:
            backend = _load(candidate, source)
        except BackendUnavailableError:
            continue
        if candidate != "cpp":
            _warn_once(candidate)
        return backend
    raise BackendUnavailableError("no backend can be imported")  # pragma: no cover


def choose(name: str, objective: Objective, rule: type[Rule] | None = None) -> Backend:
    """Return a backend that has the losses, activations and rules of a training.

    "auto" takes the best that does: what is not compiled, such as a user's own loss, Numba compiles.

    Raises
    ------
    BackendUnavailableError
        The named backend is not there, or lacks one of them.
    """
    backend = get(name)
    missing = backend.lacks(objective, rule)
    if not missing:
        return backend
    if name == "auto" and not os.environ.get("GRADSTEP_BACKEND"):
        for candidate in NAMES[NAMES.index(backend.name) + 1 :]:
            with contextlib.suppress(BackendUnavailableError):
                other = _load(candidate, candidate)
                if not other.lacks(objective, rule):
                    return other
    raise BackendUnavailableError(f"the backend {backend.name!r} has no {', '.join(map(repr, missing))}")


def availability() -> dict[str, str | None]:
    """Return for every backend None when it can be used, else the reason why not."""
    reasons: dict[str, str | None] = {}
    for name in NAMES:
        try:
            _load(name, name)
            reasons[name] = None
        except (BackendUnavailableError, InvalidParameterError) as error:
            reasons[name] = str(error.__cause__ or error)
    return reasons


def instruction_sets() -> tuple[str, ...]:
    """Return those that the compiled core can use here, that which it does use first; none without it."""
    try:
        return tuple(getattr(_load("cpp", "cpp"), "isas", ()))
    except BackendUnavailableError:
        return ()


@contextlib.contextmanager
def pinned(isa: str | None) -> Iterator[None]:
    """Let the compiled core use one instruction set inside the block, in this thread: bits are those of it.

    None leaves what would be used.
    """
    token = _PINNED.set(isa)
    try:
        yield
    finally:
        _PINNED.reset(token)


def _load(name: str, source: str) -> Backend:
    isa = _PINNED.get() if name == "cpp" else None
    key = name if isa is None else f"{name} {isa}"
    if key not in _loaded:
        try:
            module = importlib.import_module(f"gradstep.backends.{name}")
        except ImportError as error:
            raise BackendUnavailableError(
                f"{source} is {name!r}, which cannot be used here: {error}"
            ) from error
        made = getattr(module, _CLASSES[name])
        _loaded.setdefault(key, made() if isa is None else made(isa))
        _log.debug("backend %s is there, instruction set %s", name, getattr(_loaded[key], "isa", "none"))
    return _loaded[key]


def _warn_once(name: str) -> None:
    mine = object()
    if _first_to_warn.setdefault(name, mine) is mine:
        reason = availability()["cpp"]
        warn(
            f"gradstep trains with its {name} backend, because the compiled core is not there "
            f"({reason}). `gradstep info` tells more.",
            FallbackWarning,
        )
