"""The converters' environment: found, run in a process of its own, its last word repeated."""

from pathlib import Path

import pytest

from tutelage.errors import UserError
from tutelage.export import environment


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An environment whose Python is a shell script that says what it is given."""
    monkeypatch.setenv("TUTELAGE_CONVERTERS", str(tmp_path / "made"))
    (tmp_path / "made" / "bin").mkdir(parents=True)
    return tmp_path / "made"


def python(folder, script: str) -> None:
    path = folder / "bin" / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_its_mark_it_is_not_there(folder):
    assert not environment.ready()
    with pytest.raises(UserError, match="there is no environment of converters") as raised:
        environment.run("convert")
    assert "tutelage export --make-converters" in raised.value.hint
    (folder / "tutelage-converters").touch()
    assert environment.ready()


def test_paths_are_those_of_the_caller_and_its_python_stays_outside(folder, tmp_path, monkeypatch):
    (folder / "tutelage-converters").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    python(folder, f'echo "$@" "$PYTHONPATH" > {tmp_path}/said')
    environment.run("convert", Path("in.pt2"))
    words = (tmp_path / "said").read_text().split()
    assert words[0] == "-P"
    assert words[1].endswith("converter.py")
    assert words[2:] == ["convert", str(tmp_path / "in.pt2")]


def test_the_last_word_of_a_converter_is_repeated(folder):
    (folder / "tutelage-converters").touch()
    python(folder, "echo noise >&2; echo 'ValueError: no lowering for aten.foo' >&2; echo >&2; exit 1")
    with pytest.raises(UserError, match=r"cannot be converted: ValueError: no lowering for aten\.foo"):
        environment.run("convert")


def test_what_pip_says_is_repeated_and_no_mark_is_left(folder, monkeypatch):
    monkeypatch.setattr(environment.venv, "create", lambda *_, **__: None)
    python(folder, "echo 'ERROR: no space left' >&2; exit 1")
    with pytest.raises(UserError, match=r"pip cannot install litert-torch.*: ERROR: no space left"):
        environment.make()
    assert not environment.ready()
    python(folder, f'echo "$@" > {folder}/said')
    assert environment.make() == folder
    assert environment.ready()
    assert "litert-torch==" in (folder / "said").read_text()
