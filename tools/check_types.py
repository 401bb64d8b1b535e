"""Hold the public interface against pyright, as who uses it in an editor does.

It fails where the README's code is not clean under pyright's strict rules, or where less than 99 % of what
can be imported has types. gradstep must be installed, with the extra `types`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# Percent of the symbols that have types. What is missing are mostly the kernels that Numba compiles.
LEAST = 99.0

# Rules that are not about types: lines of a README show values, and scikit-learn has no types of its own.
NOT_ASKED = ("reportMissingTypeStubs", "reportUnusedExpression", "reportUnusedImport")


def pyright(*words: str, folder: str) -> dict[str, Any]:
    """Run pyright in a folder on the packages of this Python, and return what it found."""
    # It finds the packages of the Python that is first on the path.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    command = [sys.executable, "-m", "pyright", "--outputjson", *words]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise SystemExit(f"pyright failed:\n{done.stdout}\n{done.stderr}") from None
    return found


def readme_errors(folder: Path) -> list[str]:
    """Return what the strict rules say of the README's blocks, one after the other."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    code = "\n".join(blocks)
    # What scikit-learn's functions take is not ours to say.
    code = re.sub(
        r"^(from sklearn\b.*)$", r"\1  # pyright: ignore[reportUnknownVariableType]", code, flags=re.MULTILINE
    )
    (folder / "readme.py").write_text(code, encoding="utf-8")
    settings = {"typeCheckingMode": "strict", "include": ["readme.py"], **dict.fromkeys(NOT_ASKED, False)}
    settings["reportUnnecessaryTypeIgnoreComment"] = False
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    found = pyright(folder=str(folder))
    if not found["summary"]["filesAnalyzed"]:
        raise SystemExit("pyright has looked at nothing")
    lines = code.splitlines()
    return [
        f"{lines[one['range']['start']['line']].strip()}\n    {one['message']} ({one.get('rule', '')})"
        for one in found["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def main() -> int:
    """Check, say what was found, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        errors = readme_errors(Path(folder))
        found = pyright("--verifytypes", "gradstep", "--ignoreexternal", folder=folder)
    share = 100 * found["typeCompleteness"]["completenessScore"]
    print("\n".join(errors))
    print(f"README: {len(errors)} errors under strict rules; {share:.1f} % of the public interface has types")
    return int(bool(errors) or share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
