"""Who may come to the test split, by the graph of imports: studies and commands, and nobody through them."""

import ast
import re
from pathlib import Path

import pytest

import tutelage
from imports import Package

SOURCE = Path(tutelage.__file__).parent
PACKAGE = Package(SOURCE, tutelage._PUBLIC)
DOOR = "tutelage.data.test_split"


def test_only_studies_and_commands_come_to_the_door():
    modules = [m for m in PACKAGE.modules if m.split(".")[1:2] and m != DOOR]
    assert len(modules) > 200
    for module in modules:
        if module.split(".")[1] not in ("study", "cli", "__main__"):
            assert not PACKAGE.way(module, DOOR), module


def test_who_stands_at_the_door():
    direct = {module for module, used in PACKAGE.uses.items() if DOOR in used} - {"tutelage"}
    assert direct == {
        "tutelage.cli.commands",
        "tutelage.cli.datacheck",
        "tutelage.study.closing",
        "tutelage.study.results",
        "tutelage.study.study",
    }
    at_start = [node for node in PACKAGE.tree("tutelage").body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in at_start if "tutelage" in ast.unparse(node)], "whoever imports anything imports this"


def test_no_import_is_hidden_in_a_string_that_nobody_can_read():
    found = [found for module in PACKAGE.modules for found in PACKAGE.opaque(module)]
    expected = [
        "tutelage.edge.kinds.tflite imports MODULE",
        "tutelage.edge.worker imports kind.module",
        *["tutelage.userfile imports name"] * 2,
    ]
    assert found == expected, "the runtimes of other packages, and what a user's own files import"


def test_only_the_door_opens_the_turnstile():
    for module in PACKAGE.modules.keys() - {DOOR, "tutelage.data.turnstile"}:
        assert not PACKAGE.words(module) & {"passing", "_PASSING", "_SHUT"}, module


def test_only_the_readers_read_the_files_of_data_sets():
    known = re.compile(r"\b(torchvision|sklearn)(\.| import )datasets\b(?!\.utils)")
    places = {
        file.parent.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if known.search(file.read_text())
    }
    assert places == {"data/sets"}


SNEAKY = {
    "import": "import pkg.data.test_split",
    "import as": "import pkg.data.test_split as c",
    "from package": "from pkg.data import test_split as anything",
    "from module": "from pkg.data.test_split import open_test as anything",
    "relative": "from ..data import test_split",
    "relative, the module": "from ..data.test_split import open_test",
    "star": "from pkg.data import *",
    "attribute": "from pkg import data\ndata.test_split.open_test()",
    "attribute of an alias": "import pkg.data as d\nd.test_split.open_test()",
    "attribute of the whole": "import pkg\npkg.data.test_split.open_test()",
    "a lazy name": "from pkg import Study",
    "a lazy attribute": "import pkg as p\np.Study",
    "an unknown name": "from pkg import anything",
    "inside a function": "def f():\n    from pkg.data import test_split",
    "string": "import importlib\nimportlib.import_module('pkg.data.test_split')",
    "string, relative": "import importlib\nimportlib.import_module('.test_split', 'pkg.data')",
    "string, in two": "__import__('pkg.data.te' + 'st_split')",
    "string, the beginning": "from importlib import import_module as i\ni('pkg.data.' + name)",
    "string, formatted": "import importlib\nimportlib.import_module(f'pkg.{name}')",
    "string, the end": "import importlib\nimportlib.import_module(f'pkg.data.{name}_split')",
    "string, percent": "__import__('pkg.%s.test_split' % name)",
    "getattr": "from pkg import data\ngetattr(data, 'test_split')",
    "fromlist": "__import__('pkg.data', fromlist=['test_split'])",
    "sys.modules": "import sys\nsys.modules['pkg.data.test_split']",
    "a process": "import subprocess\nsubprocess.run(['python', '-m', 'pkg.study'])",
    "through another": "from pkg.middle import anything",
}
PLAIN = {
    "a sentence": "print('only pkg.data.test_split reads it')",
    "a docstring": '"""pkg.data.test_split"""',
    "a neighbour": "from pkg.data import splits\nsplits.test_split",
    "a name of its own": "test_split = 3",
}


def invented(folder: Path, code: str) -> Package:
    """A package whose loop has this code; only its study imports the door."""
    for name, text in {
        "__init__": "def __getattr__(name):\n    import importlib\n    return importlib.import_module(f'pkg.{name}')",
        "data/__init__": "",
        "data/splits": "",
        "data/test_split": "def open_test(): ...",
        "study/__init__": "from pkg.data.test_split import open_test",
        "middle": "import pkg.study as quiet",
        "training/__init__": "",
        "training/loop": code,
    }.items():
        file = folder / "pkg" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Package(folder / "pkg", {"Study": "study"})


@pytest.mark.parametrize("code", SNEAKY.values(), ids=SNEAKY)
def test_the_graph_sees_every_way_to_name_a_module(code, tmp_path):
    assert invented(tmp_path, code).way("pkg.training.loop", "pkg.data.test_split")


@pytest.mark.parametrize("code", PLAIN.values(), ids=PLAIN)
def test_the_graph_sees_no_ways_that_are_not_there(code, tmp_path):
    assert not invented(tmp_path, code).way("pkg.training.loop", "pkg.data.test_split")


@pytest.mark.parametrize("code", ["import importlib\nimportlib.import_module(name)", "__import__(f'{a}.b')", "eval(x)"])
def test_an_import_of_nobody_knows_what_is_seen(code, tmp_path):
    assert invented(tmp_path, code).opaque("pkg.training.loop")
