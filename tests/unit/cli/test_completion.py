"""What a shell is told that a word may become, and what it has to read for that."""

import subprocess

import pytest

from tutelage.cli import COMMANDS, completion
from tutelage.cli.completion import candidates
from tutelage.methods import METHODS
from tutelage.models import MODELS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", sorted(COMMANDS)),
        ("ex", ["explain", "export"]),
        ("list mo", ["models"]),
        ("cache fill dig", ["digits"]),
        ("explain kd", ["kd"]),
        ("distill digits --methods kd dk", ["dkd"]),
        ("train digits --student resnet5", ["resnet50_cifar", "resnet56"]),
        ("export --fo", ["--force", "--format"]),
        ("distill --see", ["--seed", "--seeds"]),
        ("train nowhere.toml --fit.sch", ["--fit.schedule"]),
        ("train digits crd --method.neg", ["--method.negatives"]),
        ("nonsense --f", []),
        ("evaluate runs/", []),
    ],
)
def test_what_a_word_may_become(line, expected):
    assert candidates(line.split(" ")) == expected


def test_models_and_methods_are_all_there():
    assert candidates(["distill", "digits", ""]) == sorted(METHODS)
    assert candidates(["distill", "digits", "--teacher", ""]) == sorted(MODELS)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_of_a_shell_asks_for_candidates(shell, capsys):
    completion.completion([shell])
    out = capsys.readouterr().out
    assert "tutelage completion --candidates" in out
    assert "tutelage" in out.splitlines()[-1]


def test_bash_completes_with_its_script(tmp_path, capsys):
    completion.completion(["bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "tutelage").write_text('#!/bin/sh\nshift 2\nprintf "%s\\n" "$#" "$@"\n')
    (tmp_path / "tutelage").chmod(0o755)
    line = "source ./script; COMP_WORDS=(tutelage distill di ignored); COMP_CWORD=2; _tutelage; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "--norc", "-c", line],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "distill", "di"]
