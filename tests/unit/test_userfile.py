"""A Python file of the user's own: run by its path, with what lies beside it; told what is wrong; identified."""

import sys

import pytest

from tutelage import userfile
from tutelage.errors import UserError

NET = """
import helper
from package.deep import depth

def make():
    import late
    return helper.name, depth(), late.name
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text("width = 7\n\ndef make_net():\n    return width\n")
    return path


def test_the_named_object_comes_back(file):
    assert userfile.load(f"{file}:make_net")() == 7
    assert userfile.load(f"{file}:width") == 7


@pytest.mark.parametrize(
    ("content", "name", "message", "hint"),
    [
        (None, "make_net", "there is no file", "FILE.py:NAME"),
        ("def make_net(:", "make_net", "fails when imported: SyntaxError", "mend the file"),
        ("import no_such_package_here", "make_net", "fails when imported: ModuleNotFoundError", "mend the file"),
        ("1 / 0", "make_net", "fails when imported: ZeroDivisionError", "mend the file"),
        ("import abc\n\ndef make(): ...", "Net", 'unknown name in .*net.py "Net"', "known: make"),
        ("def make_net(): ...", "makenet", 'unknown name in .*net.py "makenet"', '"make_net"'),
    ],
    ids=["absent", "syntax", "import", "error", "far name", "name"],
)
def test_what_is_wrong_is_told(content, name, message, hint, tmp_path):
    if content is not None:
        (tmp_path / "net.py").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        userfile.load(f"{tmp_path / 'net.py'}:{name}")
    assert hint in error.value.hint


@pytest.fixture
def folder(tmp_path):
    """A file, a module beside it, a package with a relative import, and one that is imported when it is called."""
    (tmp_path / "package").mkdir()
    for name, text in {
        "net.py": NET,
        "helper.py": "name = 'helper'\n",
        "late.py": "import helper\nname = 'late ' + helper.name\n",
        "package/__init__.py": "",
        "package/deep.py": "from . import other\n\ndef depth():\n    from .other import number\n    return number\n",
        "package/other.py": "number = 3\n",
        "unrelated.py": "raise RuntimeError\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_find_what_lies_beside_the_file_and_leave_nothing_behind(folder):
    modules, path, finders = set(sys.modules), list(sys.path), list(sys.meta_path)
    make = userfile.load(f"{folder}/net.py:make")
    assert make() == ("helper", 3, "late helper")
    assert (set(sys.modules), sys.path, sys.meta_path) == (modules, path, finders)


def test_whose_code_it_is_is_known_for_the_files_that_ran(folder):
    userfile.load(f"{folder}/net.py:make")()
    ran = ("net.py", "helper.py", "late.py", "package/deep.py", "package/other.py")
    assert {folder.resolve() / name for name in ran} <= userfile.loaded
    assert folder.resolve() / "unrelated.py" not in userfile.loaded


def test_two_files_have_helpers_of_their_own_and_a_loaded_module_of_that_name_stays(folder, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    (other / "net.py").write_text("import helper\n\ndef make():\n    return helper.name\n")
    (other / "helper.py").write_text("name = 'another'\n")
    stands = type(sys)("helper")
    monkeypatch.setitem(sys.modules, "helper", stands)
    first, second = (userfile.load(f"{place}/net.py:make") for place in (folder, other))
    assert (first()[0], second(), first()[2]) == ("helper", "another", "late helper")
    assert sys.modules["helper"] is stands


def test_the_standard_library_and_packages_are_found_as_ever(folder):
    (folder / "net.py").write_text(
        "import json, sys, numpy\nfrom torch import nn\n\ndef make():\n    return json, numpy\n"
    )
    (folder / "sys.py").write_text("raise RuntimeError\n")
    (folder / "numpy").mkdir()  # a folder of data
    import json

    import numpy

    assert userfile.load(f"{folder}/net.py:make")() == (json, numpy)


def test_a_dataclass_with_late_annotations_can_be_defined(folder):
    start = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    (folder / "net.py").write_text(start + "@dataclass\nclass Made:\n    a: int = 1\n")
    assert userfile.load(f"{folder}/net.py:Made")().a == 1


CHANGES = {
    "helper.py": "name = 'changed'\n",
    "late.py": "import helper\nname = 'changed'\n",
    "package/__init__.py": "x = 1\n",
    "package/other.py": "number = 3.0\n",
    "net.py": NET.replace("depth()", "depth() + 1"),
}


@pytest.mark.parametrize("file", CHANGES)
def test_code_anywhere_among_its_imports_is_part_of_what_identifies_it(folder, file):
    before = userfile.digest(f"{folder}/net.py:make")
    (folder / file).write_text(CHANGES[file])
    assert userfile.digest(f"{folder}/net.py:make") != before


def test_comments_docstrings_layout_place_and_what_is_not_imported_are_not(folder, tmp_path):
    before = userfile.digest(f"{folder}/net.py:make")
    (folder / "helper.py").write_text('"""Says its name."""\n\n\nname = "helper"  # a name\n')
    (folder / "package" / "deep.py").write_text(
        'from . import other\ndef depth():\n  """Deep."""\n  from .other import number\n  return number\n'
    )
    (folder / "unrelated.py").write_text("x = 2\n")
    assert userfile.digest(f"{folder}/net.py:make") == before
    moved = folder.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert userfile.digest(f"{moved}/net.py:make") == before


def test_a_module_that_is_named_when_it_is_imported_counts(folder):
    (folder / "net.py").write_text("from importlib import import_module\nhelper = import_module('helper')\n")
    before = userfile.digest(f"{folder}/net.py:helper")
    (folder / "helper.py").write_text("name = 1\n")
    assert userfile.digest(f"{folder}/net.py:helper") != before


def test_settings_that_the_code_names_count_and_others_beside_it_do_not(folder):
    (folder / "net.py").write_text("import helper\nsaid = open(__file__[:-6] + 'slope.json').read()\n")
    (folder / "helper.py").write_text("PLACE = 'conf/more.yaml'\n")
    (folder / "conf").mkdir()
    digests = []
    for file, content in (
        *(("slope.json", "{}"), ("slope.json", '{"slope": 1}'), ("conf/more.yaml", "a: 1"), ("conf/more.yaml", "a: 2")),
        ("other.json", "1"),
    ):
        (folder / file).write_text(content)
        digests.append(userfile.digest(f"{folder}/net.py:said"))
    assert len(set(digests)) == len(digests) - 1
    assert digests[-1] == digests[-2], "nobody names it"


def test_imports_in_a_circle_come_to_an_end(folder):
    (folder / "helper.py").write_text("name = 'helper'\nimport late\n")
    assert userfile.load(f"{folder}/net.py:make")()[0] == "helper"
    assert userfile.digest(f"{folder}/net.py:make")


def test_a_module_beside_it_that_fails_is_named(folder):
    (folder / "helper.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(UserError, match="nothing_of_that_name"):
        userfile.load(f"{folder}/net.py:make")


def test_what_an_installed_package_consists_of_is_not_the_users_code(tmp_path, monkeypatch):
    (tmp_path / "installed" / "library_of_others").mkdir(parents=True)
    (tmp_path / "installed" / "library_of_others" / "__init__.py").write_text("from library_of_others import inner\n")
    (tmp_path / "installed" / "library_of_others" / "inner.py").write_text("width = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "net.py").write_text("import library_of_others\nwidth = library_of_others.inner.width\n")
    assert userfile.load(f"{tmp_path / 'own' / 'net.py'}:width") == 5
    assert {path.name for path in userfile.loaded if tmp_path in path.parents} == {"net.py"}
    del sys.modules["library_of_others"], sys.modules["library_of_others.inner"]
