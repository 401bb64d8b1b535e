"""The parameters of Trainer as options: one table gives flag, type, help and default of each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gradstep.errors import InvalidParameterError

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

#: Parameters of Trainer that are no option: functions have no spelling on a command line, and
#: the progress display stands in for `verbose` (`--quiet` turns it off).
NOT_OPTIONS = ("callbacks", "verbose")


@dataclass(frozen=True)
class Option:
    """One parameter of Trainer on the command line.

    Attributes
    ----------
    name : str
        The parameter; the flag is the same with dashes.
    default : str or bool
        Trainer's default as it would be written on the command line; a bool makes a pair of
        flags, ``--name`` and ``--no-name``.
    help : str
    parse : callable of str
        Turns a word into the parameter's value; raises ArgumentTypeError or InvalidParameterError.
    metavar : str
    several : bool
        Takes any number of words, which make a tuple.
    """

    name: str
    default: str | bool
    help: str
    parse: Callable[[str], Any] = str
    metavar: str = "NAME"
    several: bool = False

    @property
    def flag(self) -> str:
        """The flag, as ``--learning-rate``."""
        return "--" + self.name.replace("_", "-")

    def read(self, word: str) -> Any:
        """Return what `word` means, with every objection in the form that argparse shows."""
        try:
            return self.parse(word)
        except InvalidParameterError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    def value(self, words: Any) -> Any:
        """Return the parameter's value from what argparse collected."""
        return tuple(words) if self.several else words


def _read(parse: Callable[[str], Any], text: str, expected: str) -> Any:
    """Return ``parse(text)``, or say what was expected."""
    try:
        return parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r}") from None


def integer(text: str) -> int:
    """Read an integer."""
    return int(_read(int, text, "an integer"))


def number(text: str) -> float:
    """Read a number."""
    return float(_read(float, text, "a number"))


def at_least_one(text: str) -> int:
    """Read a count."""
    count = integer(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be >= 1, got {text!r}")
    return count


def _int_or_none(word: str, expected: str) -> Callable[[str], int | None]:
    """Return a parser that reads `word` as None and everything else as an integer."""
    return lambda text: None if text == word else _read(int, text, f"{expected} or {word}")


class Spelling(NamedTuple):
    """How a schedule is written: words after its kind, the fewest of them, and the types of all."""

    words: str
    schedule: str
    fewest: int
    types: tuple[Callable[[str], Any], ...]


#: Schedules by the word that they begin with; the help of ``--learning-rate`` has the units.
SPELLINGS = {
    "step": Spelling("START[:FACTOR[:EVERY]]", "StepDecay", 1, (float, float, int)),
    "cyclic": Spelling("LOW:HIGH:STEP_SIZE", "CyclicTriangular", 3, (float, float, int)),
    "linear": Spelling("START:END[:EPOCHS]", "Linear", 2, (float, float, int)),
    "geometric": Spelling("START:END[:EPOCHS]", "Geometric", 2, (float, float, int)),
    "cosine": Spelling("HIGH[:LOW[:PERIOD[:FACTOR]]]", "Cosine", 1, (float, float, int, int)),
    "onecycle": Spelling(
        "HIGH[:FACTOR[:FINAL_FACTOR[:TAIL[:EPOCHS]]]]", "OneCycle", 1, (float, float, float, float, int)
    ),
    "plateau": Spelling(
        "START[:FACTOR[:PATIENCE[:MONITOR]]]", "ReduceOnPlateau", 1, (float, float, int, str)
    ),
}
_PIECEWISE = "piecewise:RATE[:EPOCH:RATE]..."
_SPELLINGS = (
    ", ".join(["a number", *(f"{kind}:{spelling.words}" for kind, spelling in SPELLINGS.items())])
    + f" or {_PIECEWISE}"
)


_AUGMENTATIONS = "flip[:P], translate:PIXELS[:zero|edge], several with commas between, or none"


def parse_learning_rate(text: str) -> Any:
    """Read a number, one of SPELLINGS, or ``piecewise:RATE[:EPOCH:RATE]...``."""
    from gradstep.nn import schedules

    kind, *words = text.split(":")
    if not words:
        return _read(float, kind, _SPELLINGS)
    if kind == "piecewise":
        numbers = [_read(float, word, _PIECEWISE) for word in words]
        if len(numbers) % 2 == 0:
            raise argparse.ArgumentTypeError(f"must be {_PIECEWISE}, got {text!r}")
        return schedules.Piecewise(boundaries=tuple(numbers[1::2]), rates=tuple(numbers[::2]))
    if kind not in SPELLINGS:
        raise argparse.ArgumentTypeError(f"must be {_SPELLINGS}, got {text!r}")
    spelling = SPELLINGS[kind]
    expected = f"{kind}:{spelling.words}"
    if not spelling.fewest <= len(words) <= len(spelling.types):
        raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r}")
    values = [_read(parse, word, expected) for parse, word in zip(spelling.types, words, strict=False)]
    return getattr(schedules, spelling.schedule)(*values)


def parse_augment(text: str) -> Any:
    """Read ``flip[:P]``, ``translate:PIXELS[:FILL]``, several of them with commas between, or ``none``."""
    if text == "none":
        return None
    from gradstep.nn.augment import Compose

    steps = [_augmentation(word, text) for word in text.split(",")]
    return steps[0] if len(steps) == 1 else Compose(steps)


def _augmentation(word: str, text: str) -> Any:
    from gradstep.nn.augment import HorizontalFlip, Translate

    kind, *words = word.split(":")
    if kind == "flip" and len(words) <= 1:
        return HorizontalFlip(*(_read(float, p, "flip:P") for p in words))
    if kind == "translate" and 1 <= len(words) <= 2:
        pixels = _read(int, words[0], "translate:PIXELS")
        return Translate(pixels, words[1]) if words[1:] else Translate(pixels)
    raise argparse.ArgumentTypeError(f"must be {_AUGMENTATIONS}, got {text!r}")


def parse_init(text: str) -> Any:
    """Read a name that Trainer knows, or ``normal:STD``."""
    kind, _, number = text.partition(":")
    if kind != "normal":
        return text
    from gradstep.nn.initializers import Normal

    return Normal(_read(float, number, "he, xavier or normal:STD"))


def parse_evaluate_every(text: str) -> Any:
    """Read ``epoch``, ``running``, a number of updates, or ``never`` (None)."""
    if text in ("epoch", "running"):
        return text
    return _int_or_none("never", "epoch, running, a number of updates")(text)


def parse_batch_size(text: str) -> str | int:
    """Read a number of rows or ``auto``."""
    return text if text == "auto" else int(_read(int, text, "a number of rows or auto"))


def parse_early_stopping(text: str) -> Any:
    """Read ``PATIENCE`` or ``MONITOR:PATIENCE`` (patience in evaluations), or ``never``."""
    if text == "never":
        return None
    from gradstep.training.observers import EarlyStopping

    monitor, _, patience = text.rpartition(":")
    count = _read(int, patience, "PATIENCE, MONITOR:PATIENCE or never")
    return EarlyStopping(monitor=monitor or "validation_loss", patience=count)


#: In the order of Trainer's signature.
TRAINER_OPTIONS = (
    Option(
        "hidden",
        "",
        "units of each hidden ReLU layer; none is softmax (or sigmoid) regression",
        integer,
        "H",
        True,
    ),
    Option(
        "loss",
        "softmax",
        "softmax, cross-entropy, or sigmoid, the mean over the classes of binary cross-entropies",
    ),
    Option(
        "l2",
        "0.0",
        "lambda of cost = loss + l2 * sum(W**2), whatever the batch size; biases are free",
        number,
        "LAMBDA",
    ),
    Option("optimizer", "sgd", "optimizer"),
    Option(
        "learning_rate",
        "0.01",
        f"{_SPELLINGS}; STEP_SIZE is in updates, PATIENCE in evaluations, EVERY, EPOCHS (the whole run if "
        "not given), PERIOD and EPOCH in epochs; as cyclic:1e-5:1e-1:980",
        parse_learning_rate,
        "RATE",
    ),
    Option(
        "batch_size",
        "auto",
        "rows of one update; auto is 100, or less on tables below 5,000 rows",
        parse_batch_size,
        "B",
    ),
    Option("epochs", "40", "passes over the training rows", integer, "N"),
    Option("shuffle", True, "take the rows in a new order in every epoch"),
    Option("standardize", True, "scale every feature to mean 0 and standard deviation 1"),
    Option(
        "augment",
        "none",
        f"random changes of the images trained on: {_AUGMENTATIONS}; as flip,translate:4",
        parse_augment,
        "CHANGES",
    ),
    Option("init", "he", "first weights: he, xavier or normal:STD", parse_init, "NAME"),
    Option(
        "evaluate_every",
        "epoch",
        "when to evaluate while training: after every epoch, after so many updates, or never; running is "
        "after every epoch the validation rows alone, and of the train rows the means over the batches",
        parse_evaluate_every,
        "epoch|running|UPDATES|never",
    ),
    Option(
        "early_stopping",
        "never",
        "stop after so many evaluations without improvement of validation_loss (or of MONITOR)",
        parse_early_stopping,
        "[MONITOR:]PATIENCE",
    ),
    Option("precision", "float32", "type of the arithmetic: float32 or float64", metavar="TYPE"),
    Option("backend", "auto", "what runs the training: auto, cpp, numba or numpy"),
    Option(
        "n_threads",
        "auto",
        "threads; the result is the same for any number",
        _int_or_none("auto", "a number of threads"),
        "N",
    ),
    Option(
        "random_state",
        "none",
        "seed of first weights, row order and augmentation; none is another one in every run",
        _int_or_none("none", "an integer"),
        "SEED",
    ),
)


def add_trainer_options(parser: argparse.ArgumentParser, only: Collection[str] | None = None) -> None:
    """Add an option for every parameter of Trainer, or for some; what is not given is left to Trainer."""
    group = parser.add_argument_group("network" if only else "network and training")
    for option in TRAINER_OPTIONS:
        if only is not None and option.name not in only:
            continue
        if isinstance(option.default, bool):
            group.add_argument(
                option.flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=f"{option.help} (default: {'yes' if option.default else 'no'})",
            )
            continue
        group.add_argument(
            option.flag,
            type=option.read,
            nargs="*" if option.several else None,
            metavar=option.metavar,
            default=argparse.SUPPRESS,
            help=f"{option.help} (default: {option.default or 'none'})",
        )


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of Trainer that were given."""
    return {
        option.name: option.value(getattr(arguments, option.name))
        for option in TRAINER_OPTIONS
        if hasattr(arguments, option.name)
    }


def make_trainer(arguments: argparse.Namespace) -> Trainer:
    """Return a Trainer with the parameters that were given, checked before any data is loaded."""
    from gradstep.estimators.trainer import Trainer
    from gradstep.plan.settings import check_parameters

    trainer = Trainer(**given_options(arguments))
    check_parameters(trainer.get_params(deep=False))
    return trainer
