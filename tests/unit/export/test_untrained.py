"""What a student takes before it is trained: from the table, from the cache, or measured once."""

import pytest

from tutelage import sealed
from tutelage.errors import UserError
from tutelage.export import environment, untrained
from tutelage.export.needs import Needs
from tutelage.models import DataSpec, Model

SPEC = DataSpec(10, 3, 40, (0.5,) * 3, (0.25,) * 3)
NEEDS = Needs(1000, 200, 30, 4, ("ADD", "CONV_2D"))


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Everything is installed; a student is measured as NEEDS, and every measurement is noted."""
    asked = []
    monkeypatch.setenv("TUTELAGE_CONVERTERS", str(tmp_path))
    monkeypatch.setattr(environment, "ready", lambda: True)
    monkeypatch.setattr(untrained.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(untrained, "version", lambda name: "1")
    monkeypatch.setattr(untrained, "measured", lambda model, spec: asked.append((model, spec)) or NEEDS)
    return asked


def test_a_rung_of_the_ladder_needs_no_converter(monkeypatch):
    monkeypatch.setattr(environment, "ready", lambda: False)
    found = untrained.taken(Model("ds_cnn"), SPEC._replace(size=32))
    assert (found.flash, found.ram, found.how) == (79_512, 41_120, "the ladder's table")


@pytest.mark.parametrize(
    "spec", [SPEC, SPEC._replace(size=32, channels=1)], ids=["another size", "another number of channels"]
)
def test_any_other_is_measured_once(measured, spec):
    found = untrained.taken(Model("ds_cnn"), spec)
    assert (found.flash, found.ram, found.how) == (1200, 34, "its initial weights")
    assert untrained.taken(Model("ds_cnn"), spec) == found
    assert len(measured) == 1
    assert untrained.untrained(Model("ds_cnn"), spec) == NEEDS


@pytest.mark.parametrize(
    "change",
    [
        lambda model, spec: (Model("resnet20"), spec),
        lambda model, spec: (Model("ds_cnn", options={"width": 32}), spec),
        lambda model, spec: (Model("ds_cnn", size=32), spec),
        lambda model, spec: (model, spec._replace(classes=11)),
        lambda model, spec: (model, spec._replace(size=41)),
        lambda model, spec: (model, spec._replace(channels=1)),
    ],
)
def test_whatever_determines_it_is_measured_again(measured, change):
    untrained.untrained(Model("ds_cnn"), SPEC)
    untrained.untrained(*change(Model("ds_cnn"), SPEC))
    assert len(measured) == 2


def test_weights_and_normalisation_do_not_matter(measured):
    untrained.untrained(Model("ds_cnn"), SPEC)
    untrained.untrained(Model("ds_cnn", weights="a.safetensors"), SPEC._replace(mean=(0.1,) * 3))
    assert len(measured) == 1


def test_another_converter_or_runtime_measures_again(measured, monkeypatch):
    untrained.untrained(Model("ds_cnn"), SPEC)
    monkeypatch.setattr(untrained, "version", lambda name: "2")
    untrained.untrained(Model("ds_cnn"), SPEC)
    assert len(measured) == 2


def test_a_damaged_number_is_measured_again(measured, tmp_path):
    untrained.untrained(Model("ds_cnn"), SPEC)
    (file,) = (tmp_path / "sizes").glob("*.json")
    file.write_text(file.read_text().replace("1000", "1001"))
    assert untrained.untrained(Model("ds_cnn"), SPEC) == NEEDS
    assert len(measured) == 2
    assert sealed.read_json(file)["model"] == 1000


def test_without_converters_the_command_that_makes_them_is_said(monkeypatch):
    monkeypatch.setattr(environment, "ready", lambda: False)
    assert untrained.taken(Model("resnet110"), SPEC) is None
    assert "tutelage export --make-converters" in untrained.in_words(None)


def test_an_operator_that_is_lacking_is_said(measured, monkeypatch):
    def refused(model, spec):
        raise UserError("TensorFlow Lite Micro lacks what this student needs: GELU (of act)", "choose another")

    monkeypatch.setattr(untrained, "measured", refused)
    with pytest.raises(UserError, match="GELU"):
        untrained.taken(Model("ds_cnn"), SPEC)
