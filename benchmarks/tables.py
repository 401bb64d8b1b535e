"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.results import Result
from benchmarks.solvers import OURS, OURS_PLAIN

#: Columns of the summary: a heading, and the name of a solver or of a group whose fastest is meant.
_SUMMARY = (
    ("fastest peer", "peer"),
    ("by hand", "by hand"),
    ("one by one", "one by one"),
    ("NumPy float32", "numpy-float32"),
    ("course program", "numpy-course"),
)


def markdown(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def seconds(value: float) -> str:
    """Return a time in three digits and a unit that fits it.

    >>> seconds(2.7504), seconds(0.04), seconds(3.14159e-5)
    ('2.75 s', '40.0 ms', '31.4 us')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{_three_digits(value / 1e-6)} us"


def describe(result: Result) -> str:
    """Return what the job is, in a line."""
    job, work = result.job, result.work
    network = "-".join(map(str, job.sizes))
    if job.predict_rows:
        task = f"{network}, classes of {job.predict_rows:,} rows"
    elif job.grid:
        models = f"{job.models - 1} models in {job.folds} folds"
        task = f"{network}, b = {job.batch_size}, {job.epochs} epochs, {models}"
    else:
        network = f"{job.models} x {network}" if job.searches else network
        network += f", {job.optimizer}" if job.optimizer != "sgd" else ""
        evaluation = "all rows evaluated after each" if job.evaluation else "no evaluation"
        task = f"{network}, b = {job.batch_size}, {job.epochs} epochs, {evaluation}"
    size = f"{work.flop / 1e9:.3g} GFLOP" if work.flop >= 1e8 else f"{work.flop / 1e3:.3g} kFLOP"
    return f"{task}; {size}; {result.source}; {result.threads} threads"


def detail(result: Result) -> str:
    """Return all solvers of a job, fastest first, then those without a time and why."""
    rounds = max((len(outcome.seconds) for outcome in result.solvers.values()), default=0)
    header = (
        "solver",
        f"median of {rounds} rounds",
        "range",
        "times ours",
        "GFLOP/s",
        "of peak",
        "of roofline",
    )
    lines: list[Sequence[object]] = []
    for name, outcome in result.timed():
        spread = f"{seconds(min(outcome.seconds))} to {seconds(max(outcome.seconds))}"
        ratio, rate = _ratio(result.times_ours(name)), f"{result.gflops(name):.3g}"
        shares = _share(result.share_of_peak(name)), _share(result.share_of_roofline(name))
        lines.append((_label(result, name), seconds(outcome.median), spread, ratio, rate, *shares))
    for name, outcome in result.solvers.items():
        if outcome.problem:
            lines.append((name, outcome.problem, "", "", "", "", ""))
    return f"### {result.job.name}\n\n{describe(result)}\n\n{markdown(header, lines)}"


def summary(results: Iterable[Result]) -> str:
    """Return a line per job: our time, and how many times ours the others take."""
    header = ("job", OURS, *(heading for heading, _ in _SUMMARY), "of peak", "of roofline")
    lines = []
    for result in results:
        ours = result.solvers.get(OURS)
        if ours is None or not ours.seconds:
            continue
        cells = [result.job.name, seconds(ours.median)]
        for _, which in _SUMMARY:
            name = which if which in result.solvers else result.fastest(which)
            cells.append(_against(result, name))
        cells += [_share(result.share_of_peak(OURS)), _share(result.share_of_roofline(OURS))]
        lines.append(cells)
    return markdown(header, lines)


def optimizers(results: Iterable[Result]) -> str:
    """Return what an epoch costs by another optimizer than plain descent, relative to that."""
    header = ("job", "an epoch", "by plain descent", "times that", "at PyTorch's hands", "by optax")
    lines = []
    for result in results:
        timed = dict(result.timed())
        if OURS in timed and OURS_PLAIN in timed:
            ours, plain = (timed[name].median / result.job.epochs for name in (OURS, OURS_PLAIN))
            hands = [name for name in timed if name.startswith("torch-by-hand")]
            cells = [_against(result, hands[0] if hands else None)]
            cells.append(_against(result, "jax" if "jax" in timed else None))
            lines.append((result.job.name, seconds(ours), seconds(plain), _ratio(ours / plain), *cells))
    return markdown(header, lines) if lines else ""


def conditions(results: Sequence[Result]) -> str:
    """Return machine, versions and dates, in a paragraph."""
    machines = {
        f"{result.machine['cpu']}, {result.machine['cores']} cores, {result.machine['system']}"
        for result in results
    }
    versions = {
        f"{package} {version}"
        for result in results
        for outcome in result.solvers.values()
        for package, version in outcome.versions.items()
    }
    peaks = [
        f"peak {result.peak['gflops']:.0f} GFLOP/s, {result.peak['gbytes_per_second']:.0f} GB/s"
        for result in results[:1]
        if result.peak
    ]
    dates = {result.date for result in results}
    parts = [*sorted(dates), *sorted(machines), *(peaks or ["peak not measured"]), *sorted(versions)]
    return "; ".join(parts) + "."


def _label(result: Result, name: str) -> str:
    group = result.solvers[name].group
    marks = {"peer": "fastest peer", "by hand": "by hand", "one by one": "one by one"}
    return f"{name} ({marks[group]})" if group in marks and result.fastest(group) == name else name


def _against(result: Result, name: str | None) -> str:
    if name is None or not result.solvers[name].seconds:
        return "-"
    return f"{name} {seconds(result.solvers[name].median)}, {_ratio(result.times_ours(name))}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} x"


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0%}"


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
