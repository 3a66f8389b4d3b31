"""The order in which parts of the package may know each other, and that importing it costs and says nothing."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gdinousam"
BENCHMARKS = ROOT / "benchmarks"  # may import all of the package
MAX_LINES = 400

# A part is a module or folder directly below the package; it may import parts of lower levels.
LEVELS = [
    {
        "errors",
        "records",
        "identity",
        "reading",
        "yaml_files",
        "settings",
        "runtime",
        "folders",
        "files",
        "locks",
        "processes",
        "progress_bar",
        "assets",
    },
    {"prompts", "phrase_book", "preprocessing", "drawing", "inputs", "findings"},
    {"data", "models"},
    {"training", "evaluation", "prediction"},
    {"labelling"},
    {"methods", "serving", "client"},
    {"experiments"},
    {"commands"},
    {"__main__"},
]
LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}
# These levels are single modules that may build on each other, as long as there is no circle.
MAY_IMPORT_WITHIN = {0, 1}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
BENCHMARK_MODULES = sorted(BENCHMARKS.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in the file, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}; write gdinousam..."
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a file imports; the package's own ``__version__`` is none."""
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("gdinousam.")}
    return ours - {"__version__"}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def identifier(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_part_has_a_level() -> None:
    assert {part_of(path) for path in MODULES} <= LEVEL_OF.keys()


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_a_module_imports_lower_parts_only(path: Path) -> None:
    part = part_of(path)
    level = LEVEL_OF[part]
    for other in imported_parts(path) - {part}:
        beside = LEVEL_OF[other] == level and level in MAY_IMPORT_WITHIN
        assert LEVEL_OF[other] < level or beside, f"{identifier(path)} may not import gdinousam.{other}"


def test_no_parts_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {part: set() for part in LEVEL_OF}
    for path in MODULES:
        graph[part_of(path)] |= imported_parts(path) - {part_of(path)}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


def test_no_benchmarks_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in BENCHMARK_MODULES}
    graph = {
        name: {other for found in imported(path) for other in (found, found.rpartition(".")[0]) if other in names}
        for name, path in names.items()
    }
    assert sum(map(len, graph.values())) > len(names)
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("path", [ROOT / "train.py", ROOT / "test.py"], ids=identifier)
def test_an_entry_file_imports_a_command_only(path: Path) -> None:
    assert imported_parts(path) == {"commands"}


def test_nothing_of_the_package_imports_benchmarks_scripts_or_tests() -> None:
    outside = {"scripts", "tests", "train", "test"}
    assert not [path for path in BENCHMARK_MODULES if {name.split(".")[0] for name in imported(path)} & outside]
    outside |= {"benchmarks"}
    assert not [path for path in MODULES if {name.split(".")[0] for name in imported(path)} & outside]


@pytest.mark.parametrize("path", [PACKAGE / "__init__.py", *MODULES, *BENCHMARK_MODULES], ids=identifier)
def test_a_module_says_what_it_is_and_is_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{identifier(path)} has no docstring"
    assert len(source.splitlines()) <= MAX_LINES


def test_importing_the_package_is_cheap_and_silent() -> None:
    program = "import sys, gdinousam; sys.exit(bool({'torch', 'transformers', 'cv2', 'numpy'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_importing_every_module_is_silent() -> None:
    modules = [path.relative_to(ROOT).with_suffix("") for path in (*MODULES, *BENCHMARK_MODULES)]
    names = [".".join(module.parts).removesuffix(".__init__") for module in modules]
    program = f"import importlib; [importlib.import_module(name) for name in {names}]"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))  # pytest imports them by their names
