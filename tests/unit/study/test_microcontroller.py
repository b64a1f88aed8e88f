"""A study's student for a microcontroller: its file where it can be made, and what every row takes."""

from pathlib import Path
from typing import Any

import pytest

import small
from tutelage.edge.bytes import Budget
from tutelage.errors import UserError
from tutelage.export.untrained import Taken
from tutelage.methods.kd import KD
from tutelage.methods.simkd import SimKD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study import microcontroller
from tutelage.study.finished import Finished

ROOM = Budget(1000, 100)
FILE = {"flash_bytes": {"total": 900}, "ram_bytes": {"arena": 90}}


@pytest.fixture
def exports(monkeypatch):
    """What `export` was asked for; nothing is exported yet."""
    asked = []

    def export(run, dataset, formats, *, force, micro):
        asked.append((formats, force, micro.flash, micro.ram))

    monkeypatch.setattr(microcontroller, "chosen", lambda names: None)
    monkeypatch.setattr(microcontroller, "export", export)
    monkeypatch.setattr(microcontroller, "exported", lambda run: {})
    return asked


def test_the_file_is_made_for_what_the_chip_has(exports):
    microcontroller.export_for(Run(Path("run")), small.digits(), ROOM, force=True)
    assert exports == [(("mcu",), True, 1000, 100)]


def test_it_is_made_once(exports, monkeypatch):
    monkeypatch.setattr(microcontroller, "exported", lambda run: {"mcu": FILE})
    microcontroller.export_for(Run(Path("run")), small.digits(), ROOM)
    assert exports == []


def test_where_it_cannot_be_made_the_study_goes_on_and_says_why(exports, monkeypatch, capsys):
    def missing(names):
        raise UserError("format mcu needs tflite_micro, not installed here", "pip install 'tutelage[mcu]'")

    monkeypatch.setattr(microcontroller, "chosen", missing)
    microcontroller.export_for(Run(Path("run")), small.digits(), ROOM)
    assert exports == []
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        "warning: no file for the microcontroller: format mcu needs tflite_micro, not installed here; "
        "pip install 'tutelage[mcu]'"
    )


@pytest.fixture
def study(monkeypatch) -> Any:
    """A baseline, kd, and simkd, whose network is larger than its recipe's; nothing is exported."""
    teacher = TeacherSpec(Model("resnet20"))
    rows = tuple(Recipe(teacher=teacher, method=method) for method in (KD(), SimKD()))
    trained = {(number, 0): Run(Path(str(number))) for number in range(3)}
    monkeypatch.setattr(microcontroller, "exported", lambda run: {})
    monkeypatch.setattr(microcontroller, "taken", lambda model, spec: Taken(spec.classes, spec.size, "a table"))
    return Finished((rows[0].as_baseline, *rows), (0,), trained, Path("study"), small.digits())


def results(*parameters: int) -> Any:
    return {"rows": [{"parameters": count} for count in parameters]}


def test_rows_say_what_their_students_take(study):
    found = microcontroller.with_needs(results(10, 10, 20), study, ROOM)
    foreseen = {"flash": 10, "ram": 8, "how": "a table"}
    assert [row.get("microcontroller") for row in found["rows"]] == [foreseen, foreseen, None]
    assert found["budget"] == {"flash": 1000, "ram": 100}


def test_a_file_that_was_measured_goes_first(study, monkeypatch):
    monkeypatch.setattr(microcontroller, "exported", lambda run: {"mcu": FILE} if run.path.name == "1" else {})
    found = microcontroller.with_needs(results(10, 10, 20), study, None)
    assert found["rows"][1]["microcontroller"] == {"flash": 900, "ram": 90, "how": "its file"}
    assert "budget" not in found


def test_velas_estimates_of_a_file_come_along(study, monkeypatch):
    npu = {"npu": "ethos-u55-128", "file": "a.tflite", "cycles": 300, "ms": 0.5, "sram_bytes": 70, "vela": "5.2.0"}
    monkeypatch.setattr(microcontroller, "exported", lambda run: {"mcu": FILE | {"npu": npu}})
    found = microcontroller.with_needs(results(10, 10, 20), study, None)
    kept = {"npu": "ethos-u55-128", "cycles": 300, "ms": 0.5, "sram": 70}
    assert found["rows"][1]["microcontroller"] == {"flash": 900, "ram": 90, "how": "its file", "npu": kept}


def test_networks_that_nobody_puts_there_are_not_asked_about(study):
    found = microcontroller.with_needs(results(5_000_000, 10, 20), study, None)
    assert "microcontroller" not in found["rows"][0]


def test_an_operator_that_is_lacking_leaves_the_row_without(study, monkeypatch):
    def lacking(model, spec):
        raise UserError("lacks GELU", "choose another")

    monkeypatch.setattr(microcontroller, "taken", lacking)
    assert "microcontroller" not in microcontroller.with_needs(results(10, 10, 20), study, None)["rows"][1]
