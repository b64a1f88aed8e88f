"""Networks that cannot be told apart by their weights, and files that say what they were made for."""

import pytest
import torch
from safetensors.torch import save_file

from tutelage.models import Model
from tutelage.models.twins import bare, made_for, twins


@pytest.fixture
def weights(tmp_path):
    def written(**metadata):
        save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors", metadata)
        return str(tmp_path / "w.safetensors")

    return written


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm:tf_efficientnet_lite0.in1k", "tf_efficientnet_lite0"),
        ("timm:resnet18", "resnet18"),
        ("hf-hub:timm/resnet18.a1_in1k", "timm/resnet18"),
        ("resnet20", "resnet20"),
    ],
)
def test_the_bare_name_has_neither_source_nor_tag(name, expected):
    assert bare(name) == expected


def test_a_file_says_what_it_was_made_for(weights):
    said = weights(timm_name="tf_efficientnet_lite0")
    assert made_for(Model("timm:tf_efficientnet_lite0.in1k", weights=said)) == "timm:tf_efficientnet_lite0.in1k"
    assert made_for(Model("timm:efficientnet_lite0", weights=said)) == "timm:tf_efficientnet_lite0"
    assert made_for(Model("timm:efficientnet_lite0", weights=weights())) == ""
    assert made_for(Model("timm:efficientnet_lite0", weights="pretrained")) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm:efficientnet_lite0", ("timm:tf_efficientnet_lite0",)),
        ("timm:tf_efficientnet_lite0", ("timm:efficientnet_lite0",)),
        ("timm:resnet18", ()),
        ("resnet20", ()),
    ],
)
def test_twins_have_the_same_names_and_shapes(name, expected, weights):
    assert twins(Model(name, weights=weights()), classes=10) == expected
    assert twins(Model(name), classes=10) == ()
