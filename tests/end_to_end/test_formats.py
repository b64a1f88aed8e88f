"""Every format of FORMATS says what PyTorch says; one whose packages are missing says which extra brings them."""

from pathlib import Path

import pytest

import small
from tutelage.edge import card
from tutelage.edge.runtimes import kind_of
from tutelage.errors import UserError
from tutelage.export import environment, export_file
from tutelage.export.formats import FORMATS, chosen
from tutelage.export.task import Task
from tutelage.measure.classifier import predict

OTHERS = [name for name in FORMATS if not name.startswith("onnx")]


@pytest.fixture(scope="module")
def task():
    dataset, network = small.digits(), small.network(small.STUDENT)
    said = {"classes": list(dataset.classes), "input": card.for_input(1, 8, 8, "bilinear")}
    return Task(network, dataset, said, predict(network, dataset.val))


@pytest.mark.parametrize("name", [name for name in OTHERS if not FORMATS[name].int8])
def test_says_what_pytorch_says(name, task, tmp_path):
    row = FORMATS[name]
    for package in (*row.packages, kind_of(Path(row.file)).module.partition(".")[0]):
        pytest.importorskip(package, reason=f"pip install 'tutelage[{row.extra}]'")
    if row.converters and not environment.ready():
        pytest.skip(environment.MAKE)
    told = export_file(task, name, row, tmp_path)
    assert told["same_predictions"] == 1
    assert told["largest_difference"] < 1e-4
    assert told["bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_an_unknown_format_has_a_neighbour():
    with pytest.raises(UserError) as raised:
        chosen(["onx"])
    assert 'did you mean "onnx"' in raised.value.hint


@pytest.mark.parametrize("name", [name for name in OTHERS if FORMATS[name].extra])
def test_a_package_that_is_missing_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(UserError) as raised:
        chosen([name])
    assert "not installed here" in raised.value.message
    assert raised.value.hint.split(" && ")[0] == f"pip install 'tutelage[{FORMATS[name].extra}]'"


@pytest.mark.parametrize("name", [name for name in OTHERS if FORMATS[name].converters])
def test_one_line_makes_everything_that_is_missing(name, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    monkeypatch.setenv("TUTELAGE_CONVERTERS", str(tmp_path))
    with pytest.raises(UserError, match="and the converters' environment, not installed here") as raised:
        chosen([name])
    assert raised.value.hint == f"pip install 'tutelage[{FORMATS[name].extra}]' && tutelage export --make-converters"
    monkeypatch.setattr("importlib.util.find_spec", lambda package: package)
    with pytest.raises(UserError) as raised:
        chosen([name])
    assert raised.value.hint == "tutelage export --make-converters"
    assert list(chosen([name], to_write=False)) == [name]
