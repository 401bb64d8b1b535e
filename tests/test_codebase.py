"""The rules of the source tree that a reviewer would otherwise have to watch."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "gradstep"
CPP = ROOT / "cpp"

MOST_LINES = 420
MOST_STATEMENT_LINES = 60
MOST_PARAMETERS = 8

# The rooms in their one import order: a file imports only from rooms above its own, or from its own. The
# empty name is the package's face.
ROOMS = (
    *("errors", "_version", "_core", "utils", "nn", "datasets", "plan", "backends", "training", "storage"),
    *(
        "estimators",
        "sklearn",
        "search",
        "diagnostics",
        "plots",
        "reports",
        "",
        "reproduction",
        "cli",
        "__main__",
    ),
)

# Functions that users call with many keywords, each of which is documented.
MANY_PARAMETERS = {
    "gradstep.estimators.trainer.Trainer.__init__",
    "gradstep.estimators.regressor.Regressor.__init__",
    "gradstep.sklearn.mlp_classifier.MLPClassifier.__init__",
    "gradstep.sklearn.mlp_regressor.MLPRegressor.__init__",
    "gradstep.search.fused_search.FusedSearchCV.__init__",
    "gradstep.search.sweep.Sweep.__init__",
    "gradstep.search.optuna.search",
    "gradstep.datasets.arrays.load_npy",
    "gradstep.datasets.arrays.load_npz",
    "gradstep.datasets.tables.loaders.load_csv",
    "gradstep.diagnostics.gradcheck.check.gradient_check",
    "gradstep.diagnostics.repeats.repeat",
    "gradstep.reports.report",
}


def sources(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources(PACKAGE, ".py")}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


def room(module: str) -> str:
    """Return the folder or the loose module that a module is in."""
    return module.partition(".")[2].partition(".")[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield module and name of every import of gradstep: in functions and for the type checker, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "gradstep")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gradstep":
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                is_module = submodule in {*MODULES, "gradstep._core"}
                yield (submodule, "") if is_module else (str(node.module), alias.name)


IMPORTS = {module: list(imports(tree)) for module, tree in TREES.items()}


def test_every_module_has_a_room() -> None:
    assert {room(module) for module in MODULES} - set(ROOMS) == set()
    assert set(ROOMS) - {room(module) for module in MODULES} == {"_core"}


def test_modules_import_only_from_rooms_above_their_own() -> None:
    upwards = [
        f"{module} imports {imported}"
        for module, found in IMPORTS.items()
        for imported, _ in found
        if ROOMS.index(room(imported)) > ROOMS.index(room(module))
    ]
    assert upwards == []


def test_experiments_are_of_the_command_line_alone() -> None:
    """What trains the experiments of reports again is a command: nothing of the library knows of it."""
    users = {room(m) for m, found in IMPORTS.items() for name, _ in found if room(name) == "reproduction"}
    assert users == {"reproduction", "cli"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Take away what imports nothing that is left, until nothing is left."""
    left = {
        module: {imported for imported, _ in found if imported in MODULES} - {module}
        for module, found in IMPORTS.items()
    }
    # The face of the package is what a user imports; it loads every name at its first use.
    left = {module: found - {"gradstep"} for module, found in left.items() if module != "gradstep"}
    while True:
        free = [module for module, found in left.items() if not found & left.keys()]
        if not free:
            break
        left = {module: found for module, found in left.items() if module not in free}
    assert left == {}


def test_imports_in_functions_and_for_the_type_checker_are_counted() -> None:
    tree = ast.parse(
        "from gradstep import plan, errors\n"
        "if TYPE_CHECKING:\n    from gradstep.estimators.trainer import Trainer\n"
        "def f():\n    import gradstep.plots\n"
    )
    assert sorted(imports(tree)) == [
        ("gradstep.errors", ""),
        ("gradstep.estimators.trainer", "Trainer"),
        ("gradstep.plan", ""),
        ("gradstep.plots", ""),
    ]


def test_one_module_alone_calls_the_compiled_core() -> None:
    users = [module for module, found in IMPORTS.items() if ("gradstep._core", "") in found]
    assert users == ["gradstep.backends.cpp"]


def test_no_private_name_is_imported_from_another_folder() -> None:
    private = [
        f"{module} imports {name} of {imported}"
        for module, found in IMPORTS.items()
        for imported, name in found
        if name.startswith("_")
        and not name.startswith("__")
        and imported.rpartition(".")[0] != module.rpartition(".")[0]
    ]
    assert private == []


def test_nobody_calls_a_private_method_of_what_is_in_another_folder() -> None:
    """A private attribute is reached through self or cls, or is defined in the same folder."""
    own: dict[str, set[str]] = {}
    for module, tree in TREES.items():
        folder = module.rpartition(".")[0] or module
        names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and _is_self(n.value)}
        names |= {n.target.id for n in ast.walk(tree) if _is_annotated(n)}  # type: ignore[attr-defined]
        own.setdefault(folder, set()).update(names)
    reached = [
        f"{module}:{node.lineno} .{node.attr}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and re.fullmatch(r"_[a-z]\w*", node.attr)
        and not _is_self(node.value)
        and node.attr not in own[module.rpartition(".")[0] or module]
        # Named tuples and dataclasses spell public methods so.
        and node.attr not in {"_replace", "_asdict", "_fields"}
    ]
    assert reached == []


def _is_self(node: ast.expr) -> bool:
    is_super = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    return is_super or (isinstance(node, ast.Name) and node.id in {"self", "cls", "_core"})


def _is_annotated(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def test_only_an_object_itself_writes_what_it_learned() -> None:
    """Nobody else assigns or deletes an attribute with an underscore at its end, or goes round by setattr."""
    wrong = []
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign | ast.Delete):
                targets = node.targets
            elif isinstance(node, ast.AugAssign | ast.AnnAssign):
                targets = [node.target]
            flat = [part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])]
            for target in flat:
                is_learned = isinstance(target, ast.Attribute) and re.search(r"[a-z0-9]_$", target.attr)
                if is_learned and not _is_self(target.value):
                    wrong.append(f"{module}:{node.lineno} {ast.unparse(target)}")
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if is_call and node.func.id in {"setattr", "delattr"} and not _is_self(node.args[0]):
                wrong.append(f"{module}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.Attribute) and node.attr == "__dict__" and not _is_self(node.value):
                wrong.append(f"{module}:{node.lineno} {ast.unparse(node)}")
    assert wrong == []


def functions(module: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    def walk(node: ast.AST, path: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                if isinstance(child, ast.FunctionDef):
                    yield f"{path}.{child.name}", child
                yield from walk(child, f"{path}.{child.name}")
            else:
                yield from walk(child, path)

    yield from walk(TREES[module], module)


def test_functions_take_few_parameters() -> None:
    many = {}
    for module in MODULES:
        for name, function in functions(module):
            given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            count = len([argument for argument in given if argument.arg not in {"self", "cls"}])
            if count > MOST_PARAMETERS and name not in MANY_PARAMETERS:
                many[name] = count
    assert many == {}


def test_functions_fit_on_a_screen() -> None:
    long = {}
    for module in MODULES:
        for name, function in functions(module):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            if lines > MOST_STATEMENT_LINES:
                long[name] = lines
    assert long == {}


def test_every_class_name_is_there_once() -> None:
    names = Counter(
        node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


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


def test_one_file_alone_starts_threads() -> None:
    users = [
        path for path in sources(CPP, ".cpp", ".hpp") if "std::thread(" in path.read_text(encoding="utf-8")
    ]
    assert [path.relative_to(CPP).as_posix() for path in users] == ["src/system/parallel.cpp"]


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


def test_decisions_and_code_find_each_other() -> None:
    """Every decision that a header names exists, and every header of kernels and engine names one."""
    decisions = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    unnamed, unknown = [], []
    for path in [*sources(CPP / "kernels", ".hpp"), *sources(CPP / "src", ".hpp")]:
        opening = path.read_text(encoding="utf-8").partition("#pragma once")[0]
        named = set(re.findall(r"ADR (\d{4})", opening)) | set(re.findall(r"adr/(\d{4})", opening))
        unnamed += [] if named else [path.name]
        unknown += [f"{path.name} names {number}" for number in named - decisions]
    assert (unnamed, unknown) == ([], [])


def test_no_concept_is_named_outside_its_place() -> None:
    """Nobody but its own file, and what users read, knows a loss, an activation, an optimizer or a rule."""
    members = re.compile(
        r"\b(Softmax|Sigmoid|Squared|Multilabel|Poisson|Tanh|Logistic|LeakyRelu|Selu|AdamW|RMSprop|Adagrad"
        r"|MomentumRule|AdamRule)\b"
    )
    users = {
        module
        for module, path in MODULES.items()
        if room(module) in {"plan", "backends", "training", "storage", "estimators", "search"}
        for line in ast.unparse(_without_docstrings(path)).splitlines()
        if members.search(line)
    }
    assert users == set()


def _without_docstrings(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
