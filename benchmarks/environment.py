"""What the measurements depend on: threads, variables, machine, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

# A shell may have chosen other kernels or thread counts for these libraries; measured is what they are
# by themselves.
_FOREIGN = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_", "KMP_", "BLIS_", "NUMBA_", "XLA_", "JAX_", "TORCH")

# Of the peak.
_TRIES = 3


def variables(threads: int) -> dict[str, str]:
    """Return the environment of a process that may use so many threads, whatever it computes with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA"):
        kept[f"{library}_NUM_THREADS"] = str(threads)
    # No compiler processes of torch.compile that stay behind; no search for other devices.
    return {**kept, "TORCHINDUCTOR_COMPILE_THREADS": "1", "JAX_PLATFORMS": "cpu"}


def pin(threads: int) -> None:
    """Keep this process on so many cores, where the system can: XLA has as many threads as it sees cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def machine() -> dict[str, object]:
    """Tell the processor, its cores, the system and the load."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def peak(threads: int) -> dict[str, float] | None:
    """Measure float32 multiply-adds and bytes read per second of all threads; None where gradstep cannot.

    The best of a few tries: a neighbour on the machine makes a metric smaller, nothing makes it larger.
    """
    try:
        from gradstep.diagnostics.machine import measure
        from gradstep.errors import BackendUnavailableError
    except ImportError:
        return None
    try:
        found = [measure(n_threads=threads) for _ in range(_TRIES)]
    except BackendUnavailableError:
        return None
    return {
        "gflops": max(one.gflops for one in found),
        "gbytes_per_second": max(one.gbytes_per_second for one in found),
    }


def versions(packages: Collection[str]) -> dict[str, str]:
    """Return the versions of Python and of packages; of gradstep also compiler and instruction set."""
    found = {"python": platform.python_version()}
    for package in packages:
        if package != "gradstep":
            found[package] = metadata.version(package)
    if "gradstep" in packages:
        import gradstep

        # Of what is imported, which may be a checkout that nobody has installed.
        found["gradstep"] = gradstep.__version__
        core = gradstep.build_info()["core"]
        found["compiler"] = str(core.get("compiler", "none"))
        found["instruction set"] = str(core.get("instruction_set", "none"))
    return found


def _cpu() -> str:
    fields = {}
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    # Virtual machines shorten the name; family and model tell the generation.
    family, model = fields.get("cpu family", "?"), fields.get("model", "?")
    return f"{fields['model name']} (family {family}, model {model})"
