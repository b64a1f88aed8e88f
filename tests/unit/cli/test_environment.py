"""What `tutelage env` says of an installation, and what it keeps to itself."""

import json
from pathlib import Path

import torch

import tutelage
from tutelage.cli import environment, main


def test_it_says_the_versions_and_no_home_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "home", lambda: Path(tutelage.__file__).parents[2])
    monkeypatch.setenv("TUTELAGE_DATA", str(Path.home() / "pictures"))
    main(["env"])
    out = capsys.readouterr().out
    assert f"torch {torch.__version__.partition('+')[0]}" in out
    assert f"tutelage          {tutelage.__version__}\n" in out
    assert "TUTELAGE_DATA=~/pictures" in out
    assert str(Path.home()) not in out


def test_as_json_it_is_the_same(capsys):
    main(["env", "--json"])
    assert json.loads(capsys.readouterr().out) == environment.environment()


def test_other_variables_are_not_told(monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "secret-4711")
    main(["env"])
    assert "secret-4711" not in capsys.readouterr().out


def test_what_is_absent_is_named(monkeypatch, capsys):
    monkeypatch.setattr(environment, "LIBRARIES", ("torch", "no-such-library"))
    main(["env"])
    assert "not installed     no-such-library" in capsys.readouterr().out
