"""Parts of pages that are made of the tree: nothing of them is typed by hand.

Before Sphinx reads anything they are written to ``docs/_generated/``, from where pages include them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "_generated"


def benchmarks() -> str:
    """Return the tables of the comparisons that were measured, those of one machine and day together."""
    from benchmarks import results, tables
    from benchmarks.__main__ import RESULTS
    from benchmarks.jobs import JOBS

    by_machine: dict[tuple[str, str], list[results.Result]] = {}
    for result in results.read_all(RESULTS, JOBS):
        by_machine.setdefault((result.machine["cpu"], result.date), []).append(result)
    parts = []
    for found in by_machine.values():
        described = "\n".join(f"- `{one.job.name}`: {tables.describe(one)}" for one in found)
        parts += [tables.conditions(found), described]
        parts += [_unwrapped(made) for made in (tables.summary(found), tables.optimizers(found)) if made]
    return "\n\n".join(filter(None, parts))


def _unwrapped(table: str) -> str:
    """Return a table whose cells keep to one line each; where it is wider than the page it scrolls."""
    return f"::::{{div}} unwrapped\n{table}\n::::"


def drop_in() -> str:
    """Return the table of scikit-learn's programs on either library."""
    from benchmarks.__main__ import RESULTS
    from benchmarks.dropin import measure

    found = measure.read(RESULTS / "dropin.json")
    machines = {f"{one.machine['cpu']}, {one.machine['cores']} cores, {one.threads} threads" for one in found}
    return f"{'; '.join(sorted(machines))}.\n\n{_unwrapped(measure.table(found))}"


def command_line() -> str:
    """Return what every command says of itself."""
    from gradstep import cli

    parts = [_help([])]
    for name in [name for name in cli.__all__ if name != "main"]:
        parts.append(f"## `gradstep {name}`\n\n{_help([name])}")
    return "\n\n".join(parts)


def _help(words: list[str]) -> str:
    from gradstep import cli

    said = io.StringIO()
    with _columns(88), contextlib.redirect_stdout(said):
        cli.main([*words, "--help"])
    return f"```text\n{said.getvalue().rstrip()}\n```"


@contextlib.contextmanager
def _columns(count: int) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(count)
    yield
    if before is None:
        del os.environ["COLUMNS"]
    else:
        os.environ["COLUMNS"] = before


def decisions() -> str:
    """Return a list of all decisions, by number."""
    lines = []
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").partition(". ")[2]
        lines.append(f"- {path.name[:4]} [{title}]({path.name})")
    return "\n".join(lines)


def changes() -> str:
    """Return the changelog, its links led to pages of the site where they lead to any."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](../", text)
    return re.sub(r"\[([^]]+)\]\((?!\.\./|https?:)[^)]*\)", r"\1", text)


PARTS: dict[str, Callable[[], str]] = {
    "benchmarks": benchmarks,
    "drop_in": drop_in,
    "command_line": command_line,
    "decisions": decisions,
    "changes": changes,
}


def _write(app: Sphinx) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, make in PARTS.items():
        path, text = FOLDER / f"{name}.md", make() + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the parts before pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
