"""How much memory there is for the models of a group."""

from __future__ import annotations

from pathlib import Path


def available(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may still take, None where the system does not say.

    The smaller of what Linux calls available and what the control group leaves.
    """
    free = [
        int(line.split()[1]) * 1024
        for line in _text(root / "proc/meminfo").splitlines()
        if line.startswith("MemAvailable:")
    ]
    for limit, used in (
        ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        words = [_text(root / name).strip() for name in (limit, used)]
        if all(word.isdecimal() for word in words):
            free.append(max(0, int(words[0]) - int(words[1])))
    return min(free, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
