"""Hold what is to be uploaded against what people rely on: `python tools/check_distribution.py FILE...`.

A wheel with the compiled core is small and has the stub, the marker of types and the licence; a source
distribution has what its tests need and nothing that was built; and no text that an index shows has a link
that is good in a checkout alone.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

#: Bytes of a wheel, at most.
LARGEST_WHEEL = 2_000_000

# What is in every wheel, in those with the core, and in a source distribution.
WHEEL = (r"gradstep/py\.typed", r"gradstep/_core\.pyi", r"gradstep-[^/]+\.dist-info/licenses/LICENSE")
CORE = r"gradstep/_core\.[^/]+\.(so|pyd)"
SOURCE = (
    *(r"CMakeLists\.txt", r"CMakePresets\.json", r"CONTRIBUTING\.md", r"CHANGELOG\.md", r"README\.md"),
    *(r"LICENSE", r"benchmarks/__main__\.py", r"benchmarks/instructions/driver\.cpp", r"cpp/tests/main\.cpp"),
    *(r"docs/adr/0001-.*\.md", r"tests/conftest\.py", r"tools/build_backend\.py"),
)
NOT_SOURCE = r"(build|dist|\.git|\.github|\.ci)/.*|.*\.(so|pyd|pyc|o|nbi|nbc)"

LINK = re.compile(r"\]\((?![a-z]+:|#)[^)\s]*\)")


def main(paths: list[str]) -> int:
    """Print what is wrong with the files; return 1 if anything is, or if there is no file."""
    wrong = [f"{path}: {what}" for path in paths for what in problems(Path(path))]
    print("\n".join(wrong) or f"{len(paths)} distributions are as they should be")
    return int(bool(wrong) or not paths)


def problems(path: Path) -> list[str]:
    """Return what is wrong with one distribution, in words."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            metadata = wheel.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
        is_native = not path.name.endswith("-none-any.whl")
        wrong = _lacking(names, (*WHEEL, *([CORE] if is_native else [])))
        wrong += [f"has {name}" for name in names if not name.startswith("gradstep")]
        size = path.stat().st_size
        wrong += [f"has {size:,} bytes, more than {LARGEST_WHEEL:,}"] if size > LARGEST_WHEEL else []
    else:
        with tarfile.open(path) as source:
            names = [member.name.partition("/")[2] for member in source if member.isfile()]
            root = path.name.removesuffix(".tar.gz")
            information = source.extractfile(f"{root}/PKG-INFO")
            metadata = information.read() if information else b""
        wrong = _lacking(names, SOURCE)
        wrong += [f"has {name}" for name in names if re.fullmatch(NOT_SOURCE, name)]
    return wrong + _problems_of_text(metadata)


def _lacking(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [
        f"lacks {pattern}" for pattern in patterns if not any(re.fullmatch(pattern, name) for name in names)
    ]


def _problems_of_text(metadata: bytes) -> list[str]:
    message = message_from_bytes(metadata)
    text = message.get_payload()
    links = LINK.findall(str(text))
    wrong = [f"shows a link of a checkout: {link}" for link in links]
    return wrong if len(str(text)) > 1000 else [*wrong, "has no description"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
