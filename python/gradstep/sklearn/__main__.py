"""`python -m gradstep.sklearn script.py` runs a program for scikit-learn on this package, without an edit."""

from __future__ import annotations

import argparse
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from gradstep.sklearn.patching import patch


def main(arguments: Sequence[str] | None = None) -> None:
    """Patch scikit-learn's names, then run a program as Python itself would.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line; by default those of this process.

    Raises
    ------
    SystemExit
        There is no such program, with status 2; or what the program ends with.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gradstep.sklearn",
        usage="%(prog)s [--quiet] script.py [arguments] | [--quiet] -m module [arguments]",
        description="Run a program with MLPClassifier and MLPRegressor of gradstep for scikit-learn's.",
        allow_abbrev=False,
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing about the patch")
    parser.add_argument("-m", dest="is_module", action="store_true", help="the program is a module")
    parser.add_argument("program", help="script, or with -m module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")
    asked = parser.parse_args(arguments)
    if not (asked.is_module or Path(asked.program).exists()):
        parser.error(f"the script must be an existing file, got {asked.program!r}")
    if asked.is_module and not _is_module(asked.program):
        parser.error(f"there is no module {asked.program!r}")
    patch(verbose=not asked.quiet)
    sys.argv = [asked.program, *asked.arguments]
    if asked.is_module:
        # Python has put the current folder first already, as its own -m does.
        runpy.run_module(asked.program, run_name="__main__", alter_sys=True)
        return
    # In place of the current folder that of the script, as Python does.
    sys.path[0] = str(Path(asked.program).absolute().parent)
    runpy.run_path(asked.program, run_name="__main__")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # of a package that there is not
        return False


if __name__ == "__main__":
    main()
