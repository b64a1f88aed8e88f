"""The names of other libraries' networks, read from their sources, are those that the libraries list."""

import pytest
import timm
import torchvision

from tutelage.errors import UserError
from tutelage.models.libraries import check_name, library, others


def test_the_names_are_those_that_the_libraries_list():
    assert list(library("timm").names) == sorted(timm.list_models())
    assert list(library("torchvision").names) == sorted(torchvision.models.list_models(module=torchvision.models))


@pytest.mark.parametrize(
    "name",
    [
        "resnet8",
        "timm:resnet18.a1_in1k",
        "timm:efficientnet_lite0",
        "torchvision:resnet18",
        "timm:vit_tiny_patch16_224_in21k",
        "hf-hub:timm/resnet18",
        "timm:hf-hub:timm/resnet18",
        "C:/nets/own.py:make",
    ],
)
def test_what_somebody_has_passes(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("resnet9", 'unknown model "resnet9"', '"resnet8"'),
        ("resnet18", 'unknown model "resnet18"', "timm:resnet18 or torchvision:resnet18"),
        ("timm:resnet9", 'unknown timm model "resnet9"', "did you mean"),
        ("net:make", 'unknown model "net:make"', "FILE.py:NAME"),
        ("huggingface:timm/resnet18", "unknown model", "hf-hub:OWNER/NAME"),
        ("net.py", 'unknown model "net.py"', "net.py:NAME"),
        ("timm", 'unknown model "timm"', "tutelage list models"),
        ("timm:", 'unknown model "timm:"', "torchvision:NAME"),
        ("torchvision:", 'unknown model "torchvision:"', "torchvision:NAME"),
        ("timm:resnet18:3", 'unknown timm model "resnet18:3"', '"resnet18"'),
        ("net\nmake", r'unknown model "net\\nmake"', "list models"),
        ("torchvision:efficientnet_lite0", 'torchvision has no model "efficientnet_lite0"', "timm:efficientnet_lite0"),
    ],
)
def test_what_nobody_has_is_refused_with_the_nearest(name, message, hint):
    with pytest.raises(UserError, match=message) as told:
        check_name(name)
    assert hint in told.value.hint


def test_a_name_is_found_elsewhere():
    assert others("resnet20", "timm") == ["resnet20"]
    assert others("resnet18", "timm") == ["torchvision:resnet18"]
