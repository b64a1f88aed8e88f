"""The table of known networks says which network a file of weights is for, its number of classes aside."""

from functools import partial

import pytest
import timm
import torch
import torchvision

from tutelage.errors import UserError
from tutelage.models import MODELS, DataSpec, Model, known
from tutelage.models.building import build, check_file
from tutelage.models.resnet_cifar import resnet20
from tutelage.models.weights import load_weights

MADE = {
    "timm:efficientnet_lite0": partial(timm.create_model, "efficientnet_lite0", num_classes=7),
    "timm:resnet18": partial(timm.create_model, "resnet18", num_classes=1000),
    "timm:deit_tiny_distilled_patch16_224": partial(timm.create_model, "deit_tiny_distilled_patch16_224"),
    "torchvision:mobilenet_v3_small": partial(torchvision.models.mobilenet_v3_small, num_classes=2),
    "torchvision:vgg11": partial(torchvision.models.vgg11, num_classes=4096),
}


def shapes(make):
    with torch.device("meta"):
        return known.shapes_of(make().state_dict())


@pytest.mark.parametrize("name", MADE)
def test_networks_are_known_whatever_their_classes(name):
    assert name in known.fitting(shapes(MADE[name]))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_all_our_own_are_in_the_table_as_they_are(name, channels):
    assert name in known.fitting(shapes(known._ours(name, channels)))


def test_a_networks_signature_is_what_the_table_has():
    signature = known.signature_of(partial(timm.create_model, "test_resnet", num_classes=known.CLASSES))
    assert known._table()[signature] == ("timm:test_resnet",)


def test_a_change_of_one_shape_is_another_network():
    made = shapes(MADE["timm:resnet18"])
    assert not known.fitting(made | {"layer1.0.conv1.weight": (64, 64, 1, 1)})
    assert not known.fitting({name: shape for name, shape in made.items() if name != "bn1.bias"})
    assert not known.fitting({})


def test_the_name_of_the_file_decides_between_twins():
    made = shapes(MADE["timm:efficientnet_lite0"])
    assert known.fitting(made, "imagenet_tf_efficientnet_lite0")[0] == "timm:tf_efficientnet_lite0"
    assert known.fitting(made, "best")[0] == "timm:efficientnet_lite0"


def parametric(naming=str):
    """A CIFAR ResNet-20 with convolutions as shortcuts, as many are published."""
    state = resnet20(classes=10, channels=3).state_dict()
    for layer, width in ((2, 32), (3, 64)):
        state[f"layer{layer}.0.shortcut.0.weight"] = torch.zeros(width, width // 2, 1, 1)
        state[f"layer{layer}.0.shortcut.1.weight"] = torch.zeros(width)
    return {naming(name): tensor for name, tensor in state.items()}


def test_cifar_networks_with_other_shortcuts_are_told_what_differs(tmp_path):
    torch.save({"net": parametric()}, tmp_path / "w.pth")
    with pytest.raises(UserError) as error:
        load_weights(resnet20(classes=10, channels=3), tmp_path / "w.pth", head="linear")
    assert "4 unexpected: layer2.0.shortcut.0.weight" in error.value.message
    assert "it is nearest to resnet20, which has another or no layer2.0.shortcut.0.weight" in error.value.hint
    assert "--teacher FILE.py:make_net --teacher.model.weights" in error.value.hint


def test_the_flags_are_named_before_anything_is_built_or_read(tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), path)
    with pytest.raises(UserError) as error:
        check_file(Model("resnet56", weights=str(path)), channels=3)
    assert "it fits timm:resnet18 (or torchvision:resnet18" in error.value.hint
    assert f"--teacher timm:resnet18 --teacher.model.weights {path}" in error.value.hint
    check_file(Model("timm:resnet18", weights=str(path)), channels=3)


def test_what_a_hint_names_can_be_loaded(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(torchvision.models.shufflenet_v2_x0_5(num_classes=5).state_dict(), path)
    (name,) = known.fitting(known.shapes_of(torch.load(path, weights_only=True)))
    build(Model(name, weights=str(path)), DataSpec(5, 3, 32, (0.5,) * 3, (0.5,) * 3))
