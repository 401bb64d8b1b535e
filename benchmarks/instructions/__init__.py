"""Instructions of the hottest kernels, counted by valgrind: the same on a noisy machine.

valgrind knows no AVX-512, so the AVX2 kernels are counted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import markdown

ISA = "avx2"
SOURCE = Path(__file__).resolve().parent
BUILD = SOURCE.parents[1] / "build" / "instructions"


@dataclass(frozen=True)
class Kernel:
    """A function of driver.cpp, and the outputs of the layer it works on."""

    name: str
    function: str
    outputs: int


KERNELS = (
    Kernel("softmax: forward product", "product", 10),
    Kernel("softmax: update", "update", 10),
    Kernel("softmax: evaluation", "gather_and_product", 10),
    Kernel("hidden 512: forward product", "product", 512),
    Kernel("hidden 512: update", "update", 512),
)


def main(folder: Path) -> int:
    """Count, print the counts next to the last ones, and write ``instructions.json``."""
    missing = [tool for tool in ("valgrind", "cmake") if shutil.which(tool) is None]
    if missing:
        print(f"not counted: {' and '.join(missing)} not found", file=sys.stderr)
        return 1
    driver = _build()
    path = folder / "instructions.json"
    before = json.loads(path.read_text())["kernels"] if path.exists() else {}
    found = {kernel.name: count(driver, kernel) for kernel in KERNELS}
    lines = []
    for name, counts in found.items():
        was = before.get(name, {}).get("instructions")
        change = f"{counts['instructions'] / was - 1:+.2%}" if was else "-"
        per = counts["instructions"] / counts["multiply_adds"]
        lines.append((name, f"{counts['instructions']:,}", f"{per:.4f}", change))
    print(markdown(("kernel, 100 rows", "instructions", "per multiply-add", "against the last count"), lines))
    folder.mkdir(parents=True, exist_ok=True)
    about = {"instruction_set": ISA, "compiler": _compiler(), "valgrind": _output("valgrind", "--version")}
    path.write_text(json.dumps({**about, "kernels": found}, indent=1) + "\n")
    return 0


def count(driver: Path, kernel: Kernel) -> dict[str, int]:
    """Return instructions and multiply-adds of one call."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*valgrind, f"--toggle-collect={kernel.function}", driver, ISA, kernel.function]
    run = subprocess.run([*command, str(kernel.outputs)], check=True, capture_output=True, text=True)
    return {"instructions": collected(run.stderr), "multiply_adds": int(run.stdout)}


def collected(log: str) -> int:
    """Return the count in callgrind's log."""
    found = re.search(r"Collected\s*:\s*(\d+)", log)
    if found is None or int(found[1]) == 0:
        raise RuntimeError(f"callgrind collected nothing: {log.strip()[-300:]}")
    return int(found[1])


def _build() -> Path:
    configure = ["cmake", "-S", SOURCE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release"]
    for command in (configure, ["cmake", "--build", BUILD, "--target", "driver"]):
        subprocess.run(command, check=True, stdout=sys.stderr)
    return BUILD / "driver"


def _compiler() -> str:
    cache = (BUILD / "CMakeCache.txt").read_text()
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache, flags=re.MULTILINE)
    return _output(found[1], "--version") if found else "unknown"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
