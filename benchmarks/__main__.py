"""python -m benchmarks: compare solvers, show what was found, count instructions, or check promises."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import environment, reach, results, tables
from benchmarks.dropin.jobs import DROPIN_JOBS
from benchmarks.jobs import JOBS
from benchmarks.solvers import SOLVERS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
QUICK_RESULTS = ROOT / "build" / "benchmarks"


def main() -> int:
    """Run a command; the status is 1 when an answer was wrong or a solver failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").strip())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("compare", help="time solvers on the same work")
    command.add_argument("--job", action="append", choices=JOBS, help="may be repeated; default: all")
    command.add_argument("--solver", action="append", choices=SOLVERS, help="may be repeated; default: all")
    command.add_argument("--rounds", type=int, help="default: 5, or 1 with --quick")
    command.add_argument("--threads", type=int, default=2, help="most threads of a solver (default: 2)")
    command.add_argument(
        "--quick", action="store_true", help="few epochs; the answers are checked all the same"
    )
    command.add_argument("--output", type=Path, help=f"default: {RESULTS.name}/, or build/ with --quick")
    command.set_defaults(run=_compare)

    command = commands.add_parser("report", help="print the results of earlier comparisons as Markdown")
    command.add_argument("--output", type=Path, default=RESULTS, help="where they are")
    command.set_defaults(run=_report)

    command = commands.add_parser(
        "dropin", help="time scikit-learn's networks beside the faces that copy them"
    )
    command.add_argument("--job", action="append", choices=DROPIN_JOBS, help="may be repeated; default: all")
    command.add_argument("--precision", choices=("float32", "float64"), help="of the rows; default: both")
    command.add_argument("--rounds", type=int, help="default: 5, or 1 with --quick")
    command.add_argument("--threads", type=int, default=2, help="most threads of a library (default: 2)")
    command.add_argument("--quick", action="store_true", help="two epochs, and one seed for scores")
    command.add_argument("--report", action="store_true", help="measure nothing, print what was measured")
    command.add_argument("--output", type=Path, help=f"default: {RESULTS.name}/, or build/ with --quick")
    command.set_defaults(run=_drop_in)

    command = commands.add_parser("instructions", help="count the instructions of the hottest kernels")
    command.add_argument("--output", type=Path, default=RESULTS)
    command.set_defaults(run=_instructions)

    arguments = parser.parse_args()
    return int(arguments.run(arguments))


def _compare(arguments: argparse.Namespace) -> int:
    from benchmarks.compare import compare

    folder = arguments.output or (QUICK_RESULTS if arguments.quick else RESULTS)
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    peak = environment.peak(arguments.threads)
    solvers = arguments.solver or list(SOLVERS)
    found = []
    for name in arguments.job or JOBS:
        job = JOBS[name].quick() if arguments.quick else JOBS[name]
        found.append(compare(job, solvers, rounds=rounds, threads=arguments.threads, peak=peak))
        results.write(found[-1], folder)
        print(f"\n{tables.detail(found[-1])}", flush=True)
    _show(found, folder)
    problems = [outcome.problem for result in found for outcome in result.solvers.values()]
    return 1 if any(problem.startswith(("wrong", "failed")) for problem in problems) else 0


def _report(arguments: argparse.Namespace) -> int:
    found = results.read_all(arguments.output, JOBS)
    for result in found:
        print(f"{tables.detail(result)}\n")
    _show(found, arguments.output)
    return 0


def _show(found: list[results.Result], folder: Path) -> None:
    """Print the summary, and draw all results of the folder, those of earlier comparisons too."""
    from benchmarks import picture

    parts = (tables.conditions(found), tables.summary(found), tables.optimizers(found), reach.table(found))
    print("\n" + "\n\n".join(filter(None, parts)))
    picture.draw(results.read_all(folder, JOBS), folder / "ratios.svg")


def _drop_in(arguments: argparse.Namespace) -> int:
    from benchmarks.dropin import measure

    path = (arguments.output or (QUICK_RESULTS if arguments.quick else RESULTS)) / "dropin.json"
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    wanted = [] if arguments.report else arguments.job or DROPIN_JOBS
    for name in wanted:
        for precision in DROPIN_JOBS[name].precisions():
            if arguments.precision in (None, precision):
                one = measure.measure(
                    name, precision, threads=arguments.threads, rounds=rounds, quick=arguments.quick
                )
                measure.write([one], path)
                print(measure.table([one]), flush=True)
    found = measure.read(path)
    print(f"\n{measure.table(found)}")
    problems = [problem for one in found for problem in one.problems.values()]
    return 1 if any(problem.startswith(("wrong", "failed")) for problem in problems) else 0


def _instructions(arguments: argparse.Namespace) -> int:
    from benchmarks import instructions

    return instructions.main(arguments.output)


if __name__ == "__main__":
    sys.exit(main())
