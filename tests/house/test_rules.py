"""The eight rules of ARCHITECTURE.md section 1 and the limits of section 3, each tried on the whole of the source."""

import ast
import builtins
import importlib
import inspect
import pkgutil
import re
import runpy
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch

import tutelage
from tutelage.methods import COMBINATIONS, METHODS, kd_loss, method_class
from tutelage.methods.base import Method
from tutelage.models import MODELS

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "tutelage"
TESTS = ROOT / "tests" / "unit"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {str(file.relative_to(SOURCE)): ast.parse(file.read_text()) for file in FILES}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method in a piece of source."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def called(node: ast.AST) -> str:
    """The last word of what a call calls; empty for anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def callers(name: str) -> list[str]:
    """The functions of the source that call something of this name."""
    return [
        f"{file}:{function.name}"
        for file, tree in TREES.items()
        for function in functions(tree)
        if any(called(node) == name for node in ast.walk(function))
    ]


def classes() -> list[type]:
    """Every class of the package."""
    names = [module.name for module in pkgutil.walk_packages(tutelage.__path__, "tutelage.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def written(cls: type) -> dict[str, ast.AST]:
    """What somebody has typed in a class's body as a method; what `dataclass` and others make is not among it."""
    return {
        node.name: node
        for node in ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
        if isinstance(node, Function)
    }  # type: ignore


def test_every_rule_has_its_test():
    section = re.search(r"## 1\..*?(?=\n## 2)", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    rules = re.findall(r"^(\d)\. \*\*", section[0], re.MULTILINE)
    assert rules == list("12345678")
    assert {name[10] for name in globals() if name.startswith("test_rule_")} == set(rules)


def test_rule_1_one_function_goes_backward():
    assert len(callers("backward")) == 1, callers("backward")
    assert callers("backward")[0].startswith("training/")


def test_rule_1_one_function_loops_over_steps():
    # Wherever a Step is kept, its name is `take_step`: so whoever calls it is found by that name.
    for file, tree in TREES.items():
        makers = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Step"]
        kept = [
            node.value
            for node in ast.walk(tree)
            if (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).split(".")[-1] == "take_step")
            or (isinstance(node, ast.keyword) and node.arg == "take_step")
        ]
        assert all(node in kept for node in makers), f"{file} gives a Step another name than take_step"
    assert len(callers("take_step")) == 1, callers("take_step")
    assert callers("take_step")[0].startswith("training/loop.py:")


def test_rule_1_the_loop_has_no_plug_in_points():
    tree = TREES["training/loop.py"]
    parameters = [a for f in functions(tree) for a in (*f.args.args, *f.args.kwonlyargs) if a.annotation is not None]
    assert not [a.arg for a in parameters if "Callable" in ast.unparse(a.annotation)]
    assert not re.search(r"callback|hook", ast.unparse(tree), re.IGNORECASE)


def test_rule_2_a_method_is_plain_values_and_one_pure_function():
    for name in (*METHODS, *COMBINATIONS):
        cls = method_class(name)
        assert is_dataclass(cls), name
        assert cls.__dataclass_params__.frozen, name
        hints = get_type_hints(cls)
        for field in fields(cls):
            kinds = get_args(hints[field.name]) or (hints[field.name],)
            plain = {kind for kind in kinds if not isinstance(kind, str)}  # the words of a Literal are plain values
            assert plain <= {int, float, bool, str, Method, ...}, f"{name}.{field.name}: {kinds}"
        methods = written(cls)
        public = {method for method in methods if not method.startswith("_")}
        assert {"losses"} <= public <= {"losses", "parts", "extended"}, name
        tree = TREES[f"methods/{cls.__module__.removeprefix('tutelage.methods.')}.py"]
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)], name
        calls = {called(node) for part in methods.values() for node in ast.walk(part)}
        assert not calls & {"setattr", "__setattr__"}, name


TABLES = {
    "METHODS": "methods/__init__.py",
    "MODELS": "models/__init__.py",
    "DATASETS": "data/__init__.py",
    "FORMATS": "export/formats.py",
    "RECIPES": "run/builtin/__init__.py",
    "COMMANDS": "cli/__init__.py",
    "TRACKERS": "cli/tracking.py",
}


@pytest.mark.parametrize("table", TABLES)
def test_rule_3_tables_are_literals(table):
    assigned = [
        node.value
        for node in TREES[TABLES[table]].body
        if isinstance(node, ast.AnnAssign | ast.Assign)
        and table in [ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
    ]
    assert [type(value) for value in assigned] == [ast.Dict]
    changed = rf"\b{table}(\[[^\]]*\] = |\.(update|setdefault|pop|clear)\()|del {table}"
    assert not [file.name for file in FILES if re.search(changed, file.read_text())]


GUARDS = {"reader", "no_test_split"}
"""Decorators of data/turnstile.py and data/sources.py: they keep the test split shut, and register nothing."""


def test_rule_3_look_ups_are_imports():
    for file, tree in TREES.items():
        _look_ups_are_imports(file, tree)


def _look_ups_are_imports(file, tree):
    libraries = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.module.startswith("tutelage"))
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert not [word for word in node.keywords if word.arg == "metaclass"], f"{file}: {node.name}"
        if isinstance(node, Function):
            assert node.name not in ("__init_subclass__", "__set_name__"), file
        for decorator in getattr(node, "decorator_list", []):
            root = re.split(r"[.(]", ast.unparse(decorator))[0]
            known = root in libraries or root in GUARDS or root in dir(builtins)
            assert known, f"{file}: {node.name} is registered by @{root}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.fullmatch(r"tutelage(\.\w+)*[.:][A-Z]\w*", node.value), f"{file}: {node.value}"


def test_rule_4_abstract_or_final():
    everything = classes()
    assert len(everything) > 100
    for cls in everything:
        bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("tutelage")]
        assert len([base for base in cls.__bases__ if base in bases]) <= 1, f"{cls.__name__} has mixins"
        for base in bases:
            record = is_dataclass(base) and not written(cls)  # nothing but fields is added
            assert inspect.isabstract(base) or record or issubclass(base, Exception), f"{base.__name__} is not abstract"
            for name in written(cls).keys() & written(base).keys():
                abstract = getattr(vars(base)[name], "__isabstractmethod__", False)
                assert abstract, f"{cls.__name__}.{name} overrides what {base.__name__} does"


def test_rule_5_shapes_are_executed():
    with pytest.raises(Exception, match="Type-check error") as error:
        kd_loss(torch.zeros(2, 3), torch.zeros(2, 4), 1.0)
    assert type(error.value).__name__ == "TypeCheckError"


def test_rule_5_examples_in_docstrings_are_executed():
    assert "doctest.testmod" in (ROOT / "tests" / "house" / "test_architecture.py").read_text()


WRITERS = {"write_text", "write_bytes", "save_file", "tofile", "savez", "dump"}
"""Calls that write a file; so do `open` with one of the modes w, a, x, +, and the `save` of a library."""
MOVERS = {"os.replace", "os.rename", "shutil.move", "shutil.copy", "shutil.copytree"}
TO_A_PATH_BESIDE = {
    # The caller hands over a path that `appearing` gave it.
    "data/arrays.py:_write",
    "edge/kinds/pt2.py:write",
    "edge/kinds/pte.py:write",
    "export/onnx_files.py:write_onnx",
    "export/converter.py:quantize",
    "export/litert.py:write_rounded",
    "export/c_files.py:write",
    # Into a folder of its own for a moment.
    "export/litert.py:_convert",
    # Into memory.
    "study/gallery.py:_png",
    "export/from_files.py:_png",
    "teacher/shards.py:write",
    # In place, the bytes that the file was written with.
    "data/store.py:_mended",
    # A file that nobody reads again, under a name of its own.
    "faults.py:report",
}


def test_rule_6_files_appear_by_rename():
    found = set()
    for file, tree in TREES.items():
        if file == "files.py":
            continue
        inside = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.With) and any("appearing" in ast.unparse(item) for item in block.items)
            for node in ast.walk(block)
        }
        for function in functions(tree):
            for node in ast.walk(function):
                if id(node) not in inside and _writes(node):
                    found.add(f"{file}:{function.name}")
                moved = isinstance(node, ast.Call) and ast.unparse(node.func) in MOVERS
                assert not moved, f"{file}: {ast.unparse(node)}: files.py renames"
    assert found <= TO_A_PATH_BESIDE, found - TO_A_PATH_BESIDE


def _writes(node: ast.AST) -> bool:
    if called(node) == "open":
        words = [a.value for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
        return any(isinstance(word, str) and re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", word) for word in words)
    ours = ("self", "checkpoint", "session")
    saves = called(node) == "save" and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) not in ours
    return saves or called(node) in WRITERS


def test_rule_7_the_test_split_is_opened_by_studies_and_commands_alone():
    for folder in ("run", "teacher", "training"):
        for file in (SOURCE / folder).rglob("*.py"):
            assert "open_test(" not in file.read_text(), file


TYPES_ONLY = {"typing_extensions"}
"""What type checkers bring themselves; nothing imports it when it runs."""


def test_rule_8_every_library_is_declared_with_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=\[; ]", text)[0].lower() for group in groups for text in group}
    home = packages_distributions()
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for root in (
                {name.split(".")[0] for name in names} - {"tutelage", *TYPES_ONLY} - set(sys.stdlib_module_names)
            ):
                owners = {name.lower().replace("_", "-") for name in home.get(root, [root])}
                assert owners & declared, f"{file} imports {root}, which pyproject.toml does not declare"
    table = re.search(r"\ndependencies = \[\n(.*?)\n\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    for line in table[1].splitlines():
        assert re.search(r'",\s+# \S', line), f"no reason given: {line}"


# --- limits and places


def test_a_file_has_at_most_300_lines():
    lines = {file: len((SOURCE / file).read_text().splitlines()) for file in TREES}
    assert {file: count for file, count in lines.items() if count > 300} == {}


def test_a_function_has_at_most_50_lines_and_6_parameters():
    losses = {name for row in METHODS.values() for name in row.functions}
    for function in (function for tree in TREES.values() for function in functions(tree)):
        lines = function.end_lineno - function.lineno + 1
        if ast.get_docstring(function) is not None:
            lines -= function.body[0].end_lineno - function.body[0].lineno + 1
        assert lines <= 50, f"{function.name} has {lines} lines without its docstring"
        a = function.args
        names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if arg is not None]
        if function.name != "__init__" and function.name not in losses:
            assert len([n for n in names if n not in ("self", "cls")]) <= 6, f"{function.name}({', '.join(names)})"


@pytest.mark.parametrize("folder", ["benchmarks", "docs", "examples", "tests"])
def test_what_is_imported_from_the_package_is_there(folder):
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tutelage":
                module = importlib.import_module(node.module)
                for name in (alias.name for alias in node.names):
                    with suppress(ImportError):
                        importlib.import_module(f"{node.module}.{name}")
                    assert hasattr(module, name), f"{file}: {node.module} has no {name}"


def private(name: str) -> bool:
    """Whether a name is for its own module or folder alone."""
    return name.startswith("_") and not name.startswith("__")


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import from the package; the name is empty where a module itself is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tutelage":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("tutelage."))


OUTSIDE = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]


def test_what_is_private_is_used_in_its_own_folder_alone():
    for file in (*FILES, *OUTSIDE):
        _uses_no_private_names_of_others(file)


def _uses_no_private_names_of_others(file):
    inside = SOURCE if SOURCE in file.parents else TESTS
    own = ".".join(("tutelage", *file.parent.relative_to(inside).parts)) if inside in file.parents else ""
    for module, name in imports(ast.parse(file.read_text())):
        parts = module.split(".") + ([name] if name else [])
        for position, part in enumerate(parts):
            # A private name of a module is the module's; a private module is its folder's, and its tests'.
            is_module = (SOURCE.parent / Path(*parts[: position + 1])).with_suffix(".py").is_file()
            if private(part):
                assert is_module, f"{file.name} imports {part} of {module}"
                assert own == ".".join(parts[:position]), f"{file.name} imports {'.'.join(parts)}"


# Every module of the source has its test file; these are tested elsewhere, for the reason given.
ELSEWHERE = {
    **{f"methods/{name}.py": "tests/reference, tests/property/test_methods.py" for name in METHODS},
    **{f"models/{row.module}.py": "property/test_networks.py, all networks alike" for row in MODELS.values()},
    "models/_common.py": "property/test_networks.py, all networks alike",
    **{f"edge/kinds/{kind}.py": "end_to_end/test_formats.py, all alike" for kind in ("onnx", "pte", "tflite", "xml")},
    "data/addresses.py": "data/test_remote.py and data/test_huggingface.py",
    "data/place.py": "data/test_folders.py, as folders show it",
    "data/splitnames.py": "data/test_folders.py, as folders name them",
    "data/tars.py": "data/test_places.py, among the paths",
    "text.py": "data/test_tables.py and run/test_plain_values.py, as it is read",
    "export/__init__.py": "end_to_end/test_exported.py, with its files",
    "export/finish.py": "end_to_end/test_finish.py, with what it trains",
    "export/formats.py": "end_to_end/test_formats.py, with its files",
    "report/__init__.py": "end_to_end/test_report.py, whole pages",
    "export/from_files.py": "end_to_end/test_from_files.py, with its files",
    "export/measuring.py": "end_to_end/test_measuring.py, with its files",
    "export/steady.py": "end_to_end/test_steady.py, with its files",
    "study/verbs.py": "end_to_end/test_verbs.py, with a run",
    "training/whole.py": "end_to_end/test_whole.py, as it trains",
    "export/converter.py": "export/test_litert.py, as a process",
    "export/resolver.py": "export/test_c_files.py, test_litert.py: a table",
    "report/page.py": "end_to_end/test_report_page.py, whole pages",
    "report/sections.py": "end_to_end/test_report_sections.py, whole pages",
    "cli/wakewords.py": "data/test_wake_words.py, as it is typed",
    "cli/hub.py": "end_to_end/test_push.py, test_pull.py: against a hub",
    "cli/pull.py": "end_to_end/test_pull.py, against a hub",
    "cli/comparison.py": "end_to_end/test_compare.py, as it is typed",
    "measure/answers.py": "measure/test_measures.py, by the measures",
    "measure/findings.py": "measure/test_fidelity.py: records alone",
    "study/closing.py": "end_to_end/test_study.py, with its runs",
    "study/jobs.py": "cli/test_commands.py and end_to_end/test_jobs.py, as it is typed",
    "training/hits.py": "end_to_end/test_compare.py, as it is typed",
    "study/finished.py": "end_to_end/test_study.py, with its runs",
    "study/filling.py": "end_to_end/test_on_ray.py, with a cluster",
    "study/on_ray.py": "end_to_end/test_on_ray.py, with a cluster",
    "study/server.py": "end_to_end/test_jobs.py",
    "study/task.py": "end_to_end/test_jobs.py",
    "study/processes.py": "end_to_end/test_jobs.py, with its processes",
    "study/trials.py": "end_to_end/test_jobs.py, with its processes",
    "study/work.py": "end_to_end/test_jobs.py, with its runs",
    "teacher/asking.py": "property/test_cache.py, by hypothesis",
    "teacher/cached.py": "property/test_cache.py, by hypothesis",
    "teacher/cachefiles.py": "property/test_cache.py, by hypothesis",
    "teacher/manifest.py": "property/test_cache.py, field by field",
    "teacher/identity.py": "property/test_cache.py, field by field",
    "__main__.py": "end_to_end/test_cli.py, as a process",
    "cli/__main__.py": "end_to_end/test_cli.py, as a process",
    "teacher/cache.py": "property/test_cache.py, by hypothesis",
    "run/plan.py": "property/test_plan.py, by hypothesis",
    "run/recipe.py": "property/test_recipe.py, by hypothesis",
    "data/photo.py": "property/test_photo_views.py, by hypothesis",
}


def test_unit_tests_mirror_the_source():
    expected = {}
    for file, tree in TREES.items():
        folder, name = Path(file).parent, Path(file).stem.lstrip("_")
        if file.endswith("__init__.py"):
            if not any(functions(tree)):
                continue
            name = folder.name or "tutelage"
        expected[file] = str(folder / f"test_{name}.py")
    there = {str(file.relative_to(TESTS)) for file in TESTS.rglob("test_*.py")}
    assert set(ELSEWHERE) <= set(expected)
    assert {file for file, test in expected.items() if test not in there} - set(ELSEWHERE) == set()
    assert there - set(expected.values()) == {f"methods/test_limits_{kind}.py" for kind in ("logits", "features")}


def test_the_map_of_the_files_is_current():
    made = runpy.run_path(str(ROOT / "docs" / "file_map.py"))["page"]()
    assert made == (ROOT / "docs" / "reference" / "files.md").read_text(), (
        "python docs/file_map.py > docs/reference/files.md"
    )


def test_a_docstring_begins_with_a_sentence_of_one_line():
    for file, tree in TREES.items():
        first = (ast.get_docstring(tree) or "").split("\n")[0]
        assert re.search(r"[.?!]( |$)", first), f"{file}: {first}"
        assert not first.startswith(("Of ", "What ", "From ", "Where ", "Which ")), f"{file}: {first}"


def test_a_docstring_tells_of_arguments_that_are_there():
    for file, tree in TREES.items():
        for function in functions(tree):
            listed = re.search(r"^Args:\n((?:    .*\n?|\n)*)", ast.get_docstring(function) or "", re.MULTILINE)
            named = re.findall(r"^    (\w+): ", listed[1], re.MULTILINE) if listed else []
            arguments = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
            assert arguments >= set(named), f"{file}: {function.name}"
