"""The command line: `gradstep demo | train | sweep | predict | evaluate | gradcheck | reproduce | info`.

Exit status: 0 when all went well; 1 when the answer is bad news (training diverged, or all of a
search, a gradient check failed, a number is not reproduced); 2 for a mistake in what was asked, told
in one line; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from gradstep._version import __version__
from gradstep.cli import (
    demo,
    evaluate,
    gradcheck,
    info,
    predict,
    reproduce,
    streams,
    sweep,
    train,
)
from gradstep.cli.streams import say
from gradstep.cli.wording import in_options
from gradstep.errors import DivergedError, GradstepError, NoModelError
from gradstep.utils import names

__all__ = ["demo", "evaluate", "gradcheck", "info", "main", "predict", "reproduce", "sweep", "train"]

_COMMANDS = (demo, train, sweep, predict, evaluate, gradcheck, reproduce, info)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; ``sys.argv[1:]`` by default.
    """
    with streams.writable():
        return streams.flush(_told(argv))


def _told(argv: Sequence[str] | None) -> int:
    """Run a command, tell in one line what goes wrong, and return the exit status."""
    try:
        with _warnings_in_one_line():
            return _run(argv)
    except (DivergedError, NoModelError) as error:
        return say("error", error, 1)
    except GradstepError as error:
        return say("error", in_options(str(error)), 2)
    except BrokenPipeError:
        return 1
    except OSError as error:
        where = f"{os.fspath(error.filename)}: " if error.filename else ""
        return say("error", f"{where}{error.strerror or error}", 2)
    except MemoryError as error:
        return say("error", f"not enough memory: {error}", 2)
    except KeyboardInterrupt:
        return say("error", "interrupted", 130)


def _run(argv: Sequence[str] | None) -> int:
    parser = _build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what there is to say
        return int(stop.code or 0)
    if arguments.command is None:
        parser.print_help()
        return 0
    status: int = arguments.run(arguments)
    return status


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes no abbreviations.

    A command's options come to be when the command is called: they are read from what they set, and the help
    of the program shall be there at once.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(allow_abbrev=False, **settings)  # type: ignore[arg-type]
        self.add_options: Callable[[argparse.ArgumentParser], None] | None = None

    def error(self, message: str) -> NoReturn:
        self.exit(say("error", f"{message} (see `{self.prog} --help`)", 2))

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Refuse an unknown option here, where the command's own options are known."""
        if self.add_options is not None:
            self.add_options(self)
            self.add_options = None
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            said = self._hint_at_options(word) if word.startswith("-") else ""
            self.error(f"unknown argument {word}" + (f"; {said}" if said else ""))
        return found, unknown

    def _hint_at_options(self, word: str) -> str:
        """Return "did you mean ...?" of the options that a user may have meant."""
        flags = {_as_name(flag): flag for flag in self._option_string_actions if flag.startswith("--")}
        # Of what is a part of another parameter the option of the whole.
        found = [flags[name.partition("=")[0]] for name in names.near(_as_name(word), flags)]
        return f"did you mean {' or '.join(found)}?" if found else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of the choices, and say which of them may be meant."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            said = names.hint(str(value), [str(choice) for choice in action.choices or ()])
            raise argparse.ArgumentError(
                action, f"{error.message}; {said}" if said else error.message
            ) from None


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gradstep",
        description="Train softmax regression and small neural networks on the CPU, as fast as it allows.",
        epilog="Start with `gradstep demo`.",
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradstep {__version__}")
    commands = parser.add_subparsers(dest="command", title="commands")
    for module in _COMMANDS:
        summary = (module.__doc__ or "").partition("\n")[0].partition(": ")[2]
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(
            name,
            help=summary.rstrip("."),
            description=summary[0].upper() + summary[1:],
            formatter_class=_HelpFormatter,
        )
        command.add_options = module.add_options
        command.set_defaults(run=module.run)
    return parser


def _as_name(flag: str) -> str:
    """Return the parameter that a flag is called after."""
    return flag.lstrip("-").replace("-", "_")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Gives flags enough room that most helps start on the flag's own line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        say("warning", in_options(str(message)), 0)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
