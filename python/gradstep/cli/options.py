"""The parameters of Trainer and Regressor as options.

Flag, type, help and default of each follow from its constraints, from the signature and from the docstring,
so that a new parameter is an option without a line here. Only what has a spelling of its own stands below.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from gradstep.cli import spelling
from gradstep.cli.spelling import NONE, SpellingError
from gradstep.errors import InvalidParameterError

if TYPE_CHECKING:
    from gradstep.estimators.base import BaseTrainer
    from gradstep.utils.concepts import Concept
    from gradstep.utils.constraints import Constraint

#: Estimators by what ``--task`` says.
TASKS = {"classification": "Trainer", "regression": "Regressor"}

#: Parameters that are no option: functions have no spelling on a command line, the progress display stands in
#: for `verbose` (`--quiet` turns it off), the data's `--validation` for `validation_fraction`, and a command
#: trains once.
NOT_OPTIONS = ("callbacks", "checkpoint", "validation_fraction", "verbose", "warm_start")

_SEVERAL = ", several with commas between"


class Special(NamedTuple):
    """What an option has beside all that follows from its parameter.

    Attributes
    ----------
    metavar, note : str
        What stands behind the flag, and at the end of the help.
    read : callable of str, or None
        Reads words that no other rule does; raises SpellingError.
    """

    metavar: str
    note: str
    read: Callable[[str], Any] | None = None


@dataclass(frozen=True)
class Option:
    """One parameter of the estimators on the command line.

    Attributes
    ----------
    name : str
        The parameter; the flag is the same with dashes.
    owners : tuple of str
        The estimators that have it.
    default : object
        That of the first of them; a bool makes a pair of flags, ``--name`` and ``--no-name``.
    constraints : tuple of Constraint
    help : str
    special : Special
    family : class, or None
        Of what a word may name a member.
    """

    name: str
    owners: tuple[str, ...]
    default: Any
    constraints: tuple[Constraint, ...]
    help: str
    special: Special
    family: type[Concept] | None = None

    @property
    def flag(self) -> str:
        """The flag, as ``--learning-rate``."""
        return "--" + self.name.replace("_", "-")

    @property
    def several(self) -> bool:
        """Whether it takes any number of words, which make a tuple."""
        return isinstance(self.default, tuple)

    def read(self, word: str) -> Any:
        """Return what `word` means, with every objection in the form that argparse shows."""
        try:
            if self.special.read and word != NONE:
                return self.special.read(word)
            if self.family and self._takes_lists and "," in word:
                return tuple(self._member(self.family, part) for part in word.split(","))
            return self._member(self.family, word) if self.family else self._plain(word)
        except SpellingError as error:
            raise argparse.ArgumentTypeError(f"must be {error}") from None
        except InvalidParameterError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    def value(self, words: Any) -> Any:
        """Return the parameter's value from what argparse collected."""
        return tuple(words) if self.several else words

    def spelt(self) -> str:
        """Return in words what it may be, where it may be a member of a family."""
        assert self.family is not None
        others = [NONE] * (self.default is None)
        if self._broken(0.5) is None:
            others.insert(0, "a number")
        if isinstance(self.default, str) and spelling.find(self.family, self.default) is None:
            others.insert(0, self.default)
        return spelling.spellings(self.family.members(), *others) + _SEVERAL * self._takes_lists

    @property
    def _takes_lists(self) -> bool:
        """Whether it may be a list of short names."""
        return bool(self.family and self.family.short_names() and self._broken((self.default,)) is None)

    def _member(self, family: type[Concept], word: str) -> Any:
        """Return what a word means that may name a member of a family."""
        member = spelling.find(family, word)
        if member is None:
            return self._plain(word)
        is_short = ":" not in word and self._broken(member.name) is None
        return member.name if is_short else spelling.read(member, word)

    def _plain(self, word: str) -> Any:
        """Return the first of the values that a word may be that keeps all constraints."""
        for value in self._valid(word):
            return value
        tried = [(value,) if self.several else value for value in self._candidates(word)]
        furthest = max(self._broken(value) or 0 for value in tried)
        if furthest == 0 and self.family:
            names = [member.name for member in self.family.members()]
            raise SpellingError(f"{self.spelt()}, got {word!r}{spelling.near(word, names)}")
        broken = self.constraints[furthest]
        hint = self._hint_at_several(word) if self.several else ""
        hint = hint or next(filter(None, map(broken.hint, tried)), "")
        said = f"{_in_words(broken)}, got {_shown(word)}"
        raise SpellingError(f"{said}; {hint}" if hint else said)

    def _hint_at_several(self, word: str) -> str:
        """Say how several values are written, where a word is several of them in one."""
        parts = re.split(r"[,-]", word)
        if len(parts) < 2 or any(not list(self._valid(part)) for part in parts):
            return ""
        return f"several have spaces between, as {self.flag} {' '.join(parts)}"

    def _valid(self, word: str) -> Iterator[Any]:
        """Yield the values that a word may be that keep all constraints."""
        for value in self._candidates(word):
            if self._broken((value,) if self.several else value) is None:
                yield value

    def _candidates(self, word: str) -> Iterator[Any]:
        if word == NONE:
            yield None
        for kind in (float,) if isinstance(self.default, float) else (int, float):
            with contextlib.suppress(ValueError):
                yield kind(word)
        yield word

    def _broken(self, value: Any) -> int | None:
        """Return the number of the first constraint that a value breaks."""
        return next((i for i, constraint in enumerate(self.constraints) if not constraint.holds(value)), None)


def _in_words(constraint: Constraint) -> str:
    """Return the text of a constraint for one word: objects and functions have no spelling."""
    text = constraint.text.rpartition("each element ")[2]
    return re.sub(r" or (?:an? \w+ of gradstep\.\w+|a callable \(.*?\)(?: or \(.*?\))?)", "", text)


def _shown(word: object) -> str:
    """Return in short what was given."""
    from gradstep.utils.text import given

    return given(word)


def integer(text: str) -> int:
    """Read an integer."""
    from gradstep.utils.constraints import WHOLE

    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, got {_shown(text)}") from None
    if not WHOLE.holds(value):
        raise argparse.ArgumentTypeError(f"must be an integer, got {_shown(value)}; {WHOLE.hint(value)}")
    return value


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {_shown(text)}") from None


def at_least_one(text: str) -> int:
    """Read a count."""
    count = integer(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be >= 1, got {_shown(text)}")
    return count


def _augment(text: str) -> Any:
    """Read one augmentation, or several with commas between."""
    from gradstep.nn.augment import Augment, Compose

    steps: list[Any] = []
    for word in text.split(","):
        member = spelling.find(Augment, word)
        if member is None:
            words = spelling.spellings(Augment.members(), NONE)
            names = [member.name for member in Augment.members()]
            raise SpellingError(f"{words}{_SEVERAL}, got {text!r}{spelling.near(word, names)}")
        steps.append(spelling.read(member, word))
    return steps[0] if len(steps) == 1 else Compose(steps)


def _dropout(text: str) -> float | tuple[float, ...]:
    """Read one share, or one for each hidden layer with slashes between."""
    try:
        shares = tuple(map(float, text.split("/")))
    except ValueError:
        raise SpellingError(f"SHARE, or one for each hidden layer as 0.2/0.5, got {text!r}") from None
    return shares if "/" in text else shares[0]


def _early_stopping(text: str) -> Any:
    """Read ``PATIENCE`` or ``MONITOR:PATIENCE``."""
    from gradstep.nn.early_stopping import EarlyStopping

    monitor, _, patience = text.rpartition(":")
    try:
        count = int(patience)
    except ValueError:
        raise SpellingError(f"PATIENCE, MONITOR:PATIENCE or {NONE}, got {text!r}") from None
    return EarlyStopping(monitor=monitor, patience=count) if monitor else EarlyStopping(patience=count)


_SPECIAL = {
    "learning_rate": Special(
        "RATE",
        "; STEP_SIZE is in updates, PATIENCE in evaluations, all other lengths in epochs; as "
        "cyclic:1e-5:1e-1:980 or piecewise:10/20:0.1/0.01/0.001",
    ),
    "dropout": Special("SHARE[/SHARE...]", "; one for each hidden layer as 0.2/0.5", _dropout),
    "augment": Special("CHANGES", f"{_SEVERAL}, as flip,translate:4", _augment),
    "early_stopping": Special(
        "[MONITOR:]PATIENCE",
        ": after so many evaluations without an improvement of validation_loss (in a search of its metric), "
        "or of MONITOR",
        _early_stopping,
    ),
}


@cache
def estimator_options() -> dict[str, Option]:
    """Return the options of all estimators by parameter, in the order of the signatures."""
    import gradstep
    from gradstep.nn.augment import Augment
    from gradstep.nn.schedules import Schedule
    from gradstep.plan.settings import FAMILIES, OWNERS

    families = {**FAMILIES, "augment": Augment, "learning_rate": Schedule}
    found: dict[str, Option] = {}
    for owner in TASKS.values():
        estimator = getattr(gradstep, owner)
        documented = _documented(estimator)
        for name, parameter in inspect.signature(estimator).parameters.items():
            if name in NOT_OPTIONS or name in found:
                continue
            kind, sentence = documented[name]
            metavar = name.upper() if name in families else _metavar(name, kind)
            special = _SPECIAL.get(name, Special(metavar, ""))
            found[name] = Option(
                name,
                tuple(other for other in TASKS.values() if name in OWNERS[other][0]),
                parameter.default,
                OWNERS[owner][0][name],
                sentence,
                special,
                families.get(name),
            )
    return found


def _documented(estimator: type) -> dict[str, tuple[str, str]]:
    """Return type and first sentence of every parameter of a class, from its docstring."""
    text = (inspect.getdoc(estimator) or "").partition("Parameters\n----------\n")[2]
    text = re.split(r"\n\n\w+\n-+\n", text)[0]
    found = {}
    for name, kind, body in re.findall(r"^(\w+) : (.+)\n((?:    .+\n?)+)", text, re.MULTILINE):
        words = " ".join(body.split()).replace("`", "")
        found[name] = (kind, re.split(r"\.(?= [A-Z\"]|$)", words)[0])
    return found


# How the types of docstrings are written on a command line; what is not here has no spelling.
_TYPES = {"int": "INT", "float": "NUMBER", "str": "NAME", "None": NONE}


def _metavar(name: str, kind: str) -> str:
    """Return what stands behind a flag, from a type as docstrings have it.

    >>> _metavar("batch_size", 'int or {"auto"}, default="auto"')
    'INT|auto'
    """
    kind = re.split(r", (?:default|optional)", kind)[0].replace(" of ", ", ")
    words = [part.strip("{}") for part in re.split(r", | or ", kind)]
    known = [word.strip('"') if word.startswith('"') else _TYPES.get(word, "") for word in words]
    return "|".join(dict.fromkeys(filter(None, known))) or name.upper()


def add_estimator_options(parser: argparse.ArgumentParser, only: Collection[str] | None = None) -> None:
    """Add ``--task`` and an option for every parameter, or for some; what is not given is left out."""
    group = parser.add_argument_group("network" if only else "network and training")
    group.add_argument(
        "--task",
        choices=TASKS,
        help="what the target is: classes, or real values (default: classification; where a table's target "
        "may be either, an error asks)",
    )
    for option in estimator_options().values():
        if only is not None and option.name not in only:
            continue
        if isinstance(option.default, bool):
            group.add_argument(
                option.flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=_help(option),
            )
            continue
        group.add_argument(
            option.flag,
            type=option.read,
            nargs="*" if option.several else None,
            metavar=option.special.metavar,
            default=argparse.SUPPRESS,
            help=_help(option),
        )


def _help(option: Option) -> str:
    """Return the help of an option: what it is, how it is written, and what stands for it otherwise."""
    text = option.help[:1].lower() + option.help[1:]
    if option.name == "loss":
        return _help_of_loss()
    if option.family:
        text = option.spelt()
    text += option.special.note
    if len(option.owners) < len(TASKS):
        text += f"; with --task {task_of(option.owners[0])}"
    return f"{text} (default: {spelling.written(option.default)})".replace("%", "%%")


def _help_of_loss() -> str:
    """Return which losses are for which task."""
    import gradstep
    from gradstep.nn.losses import Loss
    from gradstep.plan.settings import OWNERS

    parts = []
    for task, owner in TASKS.items():
        members = [member for member in Loss.members() if member.takes in OWNERS[owner][1]]
        default = inspect.signature(getattr(gradstep, owner)).parameters["loss"].default
        parts.append(f"for {task} {spelling.spellings(members)} (default: {default})")
    return "; ".join(parts)


def _owner(arguments: argparse.Namespace) -> str:
    """Return the estimator that is asked for: that of classes, where nobody says."""
    return TASKS[arguments.task or "classification"]


def task_of(owner: str) -> str:
    """Return the task of an estimator, by its name."""
    return next(task for task, name in TASKS.items() if name == owner)


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters that were given.

    Raises
    ------
    InvalidParameterError
        One of them goes with another task.
    """
    given = {}
    for option in estimator_options().values():
        if not hasattr(arguments, option.name):
            continue
        if _owner(arguments) not in option.owners:
            task, other = task_of(option.owners[0]), task_of(_owner(arguments))
            raise InvalidParameterError(f"{option.flag} goes with --task {task}, got --task {other}")
        given[option.name] = option.value(getattr(arguments, option.name))
    return given


def make_estimator(arguments: argparse.Namespace) -> BaseTrainer:
    """Return the estimator with the parameters that were given, checked before any data is loaded."""
    import gradstep

    estimator: BaseTrainer = getattr(gradstep, _owner(arguments))(**given_options(arguments))
    estimator.settings()
    return estimator
