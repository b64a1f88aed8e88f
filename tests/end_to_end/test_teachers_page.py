"""The commands of docs/concepts/teachers.md, typed one after the other, on a part of the digits."""

import re
from pathlib import Path

from tutelage.cli import main
from tutelage.run.folder import Run

PAGE = Path(__file__).parent.parent.parent / "docs" / "concepts" / "teachers.md"
SHORT = ["--fit.epochs", "1", "--data.part", "256", "--teacher.fit.epochs", "1"]


def test_the_commands_of_the_page(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\$ tutelage (.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == 4
    made, runs = "", []
    for line in commands:
        words = line.split()
        if "HASH" in line:
            assert words[-1].startswith(made[:-8])
            words[-1] = made
        main([*words, *SHORT])
        made = capfd.readouterr().out.splitlines()[0]
        runs.append(Run(Path(made)))
    ensemble, folded = runs[2:]
    assert folded.recipe.cross_fitted == 5
    assert folded.done
    assert [spec.model.name for spec in ensemble.recipe.teachers] == ["resnet20", "resnet14"]
    (assistant,) = Path("runs").glob("digits-kd-resnet14-*")
    taught = [Run(path) for path in Path("runs").glob("digits-kd-resnet8-*")]
    assert str(assistant) in {run.recipe.teacher.model.weights for run in taught if run.recipe.teacher}
    assert ensemble.done
