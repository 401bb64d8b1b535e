"""The rules of the source tree that a reviewer would otherwise have to watch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "gradstep"
CPP = ROOT / "cpp"

MOST_LINES = 420

# The way of the data. A module imports only from modules to the left of its own place.
ROW = ("files", "datasets", "problem", "plan", "backends", "history", "plots", "html_report")
# Words that every place may use; they know nothing of the row.
WORDS = ("constraints", "errors", "files", "interrupt", "monitors", "schedules", "threads")


def sources(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources(PACKAGE, ".py")}


def place(module: str) -> int:
    """Return a module's place in the row; words come before it, all the rest sits on top."""
    part = module.partition(".")[2].partition(".")[0]
    if part in ("", "_core", *WORDS):
        return -1
    return ROW.index(part) if part in ROW else len(ROW)


def run_time_imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports, also those in functions, but not those for the type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        yield from run_time_imports(node)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of gradstep that a source imports."""
    for node in run_time_imports(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "gradstep")
        elif node.module and node.module.split(".")[0] == "gradstep":
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in {*MODULES, "gradstep._core"} else node.module


def test_modules_import_only_from_their_left() -> None:
    wrong = []
    for module, path in MODULES.items():
        for imported in imported_modules(ast.parse(path.read_text(encoding="utf-8"))):
            in_row = place(module) < len(ROW)
            left = place(imported) < place(module) or place(imported) == -1
            siblings = imported.split(".")[1:2] == module.split(".")[1:2]
            if in_row and not left and not siblings:
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_one_module_alone_calls_the_compiled_core() -> None:
    users = [
        name
        for name, path in MODULES.items()
        if "gradstep._core" in imported_modules(ast.parse(path.read_text()))
    ]
    assert users == ["gradstep.backends.cpp"]


def test_every_place_of_the_row_exists() -> None:
    assert {f"gradstep.{name}" for name in (*ROW, *WORDS)} <= set(MODULES)


def test_imports_for_the_type_checker_are_not_counted_and_those_in_functions_are() -> None:
    tree = ast.parse(
        "from gradstep import plan, errors\n"
        "from gradstep.history import History\n"
        "if TYPE_CHECKING:\n    from gradstep.trainer import Trainer\n"
        "def f():\n    import gradstep.plots\n"
    )
    assert list(imported_modules(tree)) == [
        "gradstep.plan",
        "gradstep.errors",
        "gradstep.history",
        "gradstep.plots",
    ]


def test_every_file_is_short_enough_to_read() -> None:
    files = [*sources(PACKAGE, ".py", ".pyi"), *sources(CPP, ".cpp", ".hpp"), *sources(ROOT / "tests", ".py")]
    files += sources(ROOT / "benchmarks", ".py", ".cpp")
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("name", ["CMakeLists.txt", "CMakePresets.json", "pyproject.toml"])
def test_no_build_file_asks_for_other_arithmetic_or_for_one_machine(name: str) -> None:
    forbidden = (
        r"-ffast-math|-Ofast|-ffinite-math-only|-funsafe-math|-march=native|-mtune=native|-flto|/fp:fast"
    )
    assert re.findall(forbidden, (ROOT / name).read_text(encoding="utf-8")) == []


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)', path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_one_file_alone_knows_openmp() -> None:
    users = [
        path.relative_to(CPP).as_posix() for path in sources(CPP, ".cpp", ".hpp") if "omp.h" in includes(path)
    ]
    assert users == ["src/parallel.cpp"]


def test_the_core_knows_no_python() -> None:
    for path in sources(CPP, ".cpp", ".hpp"):
        if path.parent != CPP / "bindings":
            assert not [
                name for name in includes(path) if name.startswith(("pybind11", "Python.h", "numpy"))
            ], path


def test_kernels_use_no_containers() -> None:
    containers = {"array", "deque", "functional", "iostream", "map", "memory", "set", "string", "vector"}
    for path in sources(CPP / "kernels", ".cpp", ".hpp"):
        assert containers.isdisjoint(includes(path)), path
