"""How large the networks of other libraries are, without their weights."""

import pytest

from tutelage.models.sizes import Sized, matching, sized


def test_names_are_found_the_shortest_first():
    found = matching("ResNet18")
    assert {"timm:resnet18", "torchvision:resnet18"} <= set(found)
    assert found == sorted(found, key=lambda name: (len(name), name))
    assert matching("no such network") == []


@pytest.mark.parametrize(
    ("name", "millions", "giga"),
    [
        # https://pytorch.org/vision/stable/models.html: parameters and GFLOPS (multiply-accumulates) at 224 pixels
        ("torchvision:resnet18", 11.7, 1.81),
        ("torchvision:mobilenet_v3_small", 2.5, 0.06),
    ],
)
def test_sizes_are_those_that_torchvision_publishes(name, millions, giga):
    told = sized(name)
    assert round(told.parameters / 1e6, 1) == millions
    assert round(told.macs / 1e9, 2) == giga
    assert told.pixels == 224
    assert len(told.stages) == 4


def test_what_cannot_be_built_without_memory_is_told_as_unknown(monkeypatch):
    def fails(*arguments, **options):
        raise NotImplementedError("needs values")

    monkeypatch.setitem(__import__("tutelage.models.sizes", fromlist=["SOURCES"]).SOURCES, "timm", fails)
    assert sized("timm:resnet18") == Sized("timm:resnet18", 0, 0, 224, ())


def test_what_is_no_classifier_has_no_row():
    assert "timm:mobilenetv5_300m_enc" in matching("mobilenetv5")
    assert sized("timm:mobilenetv5_300m_enc") is None
