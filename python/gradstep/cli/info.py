"""gradstep info: tell how this gradstep was built and what it runs on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import gradstep
from gradstep.utils.progress import make_console


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="add what this machine does at most: multiply-adds and bytes read per second (takes a second)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what `gradstep.build_info` knows, and what `gradstep.machine` measures where asked."""
    info: dict[str, Any] = {**gradstep.build_info()}
    if arguments.measure:
        info["machine"] = asdict(gradstep.machine.measure())
    if arguments.json:
        print(json.dumps(info, indent=1))
        return 0
    ready = {name: reason or "ready" for name, reason in info["backends"].items()}
    lines = list(_lines({**info, "backends": ready}))
    width = max(len(name) for name, _ in lines)
    console = make_console()
    for name, value in lines:
        console.print(f"{name:<{width}}  {value}".rstrip())
    return 0


def _lines(info: Mapping[str, Any], indent: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and value of every entry; what lies inside another entry is indented."""
    for key, value in info.items():
        name = indent + (key.replace("_", " ") if key.islower() else key)
        if isinstance(value, Mapping):
            if not value:
                continue
            yield name, ""
            yield from _lines(value, indent + "  ")
        else:
            yield name, _words(value)


def _words(value: Any) -> str:
    from gradstep.utils import text

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return text.number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return str(value)
