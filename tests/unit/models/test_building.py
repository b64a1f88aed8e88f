"""From a recipe's words to a network: names, options, weights, normalisation, seeds."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from tutelage.errors import UserError
from tutelage.models import MODELS, DataSpec, Model, build
from tutelage.models.count import macs, parameters
from tutelage.models.weights import weights_digest

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def made(name="resnet8", *, classes=10, seed=0, replace_head=False, **fields):
    return build(Model(name, **fields), DataSpec(classes, 3, 32, MEAN, STD), seed=seed, replace_head=replace_head)


def saved(path, network, **said):
    save_file(network.network.state_dict(), path, said)
    return str(path)


def test_the_list_of_networks_costs_no_torch():
    program = "import sys, tutelage.models; assert tutelage.models.MODELS; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = weights_digest(made(seed=3).network)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert weights_digest(made(seed=3).network) == first
    assert weights_digest(made(seed=4).network) != first


@pytest.mark.parametrize("name", MODELS)
def test_weights_come_back_from_a_file(name, tmp_path):
    path = saved(tmp_path / "w.safetensors", made(name, seed=1))
    assert weights_digest(made(name, seed=2, weights=path).network) == weights_digest(made(name, seed=1).network)


def test_a_fresh_network_is_normalised_as_the_data():
    network = made()
    assert (network.mean, network.std, network.size) == (MEAN, STD, 32)
    seen = network.prepare(torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(seen[0, :, 0, 0], torch.tensor([1.0, 0.6, 1 / 3]))


def test_what_the_weights_say_goes_before_the_data(tmp_path):
    path = saved(tmp_path / "w.safetensors", made(), mean="0.485,0.456,0.406", std="0.25", interpolation="bicubic")
    network = made(weights=path)
    assert network.mean == (0.485, 0.456, 0.406)
    assert network.std == (0.25, 0.25, 0.25)
    assert network.interpolation == "bicubic"
    assert network.metadata["std"] == "0.25"


def test_what_the_recipe_says_goes_before_all(tmp_path):
    path = saved(tmp_path / "w.safetensors", made(), mean="0.485,0.456,0.406", std="0.25")
    network = made(weights=path, mean=(0.0, 0.1, 0.2), std=(1.0, 1.0, 1.0), size=64)
    assert (network.mean, network.std, network.size) == ((0.0, 0.1, 0.2), (1.0, 1.0, 1.0), 64)


def test_the_benchmarks_resnet_sees_raw_pixels():
    network = made("mlperf_tiny_resnet8")
    seen = network.prepare(torch.tensor([0, 128, 255]).view(1, 3, 1, 1).expand(1, 3, 32, 32) / 255)
    torch.testing.assert_close(seen[0, :, 0, 0], torch.tensor([0.0, 128.0, 255.0]))


def test_weights_for_other_classes_are_an_error_unless_the_head_may_start_anew(tmp_path):
    path = saved(tmp_path / "w.safetensors", made(classes=7))
    with pytest.raises(UserError, match="knows 7 classes instead of 10"):
        made(weights=path)
    network = made(weights=path, replace_head=True)
    assert network.network.linear.out_features == 10
    assert not network.network.linear.weight.any()
    assert torch.equal(network.network.conv1.weight, made(classes=7).network.conv1.weight)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("resnet21", 'unknown model "resnet21"', '"resnet20"? (tutelage list models lists them all)'),
        ("resnet50", 'unknown model "resnet50"', "did you mean timm:resnet50 or torchvision:resnet50?"),
        ("timm:googlenet", 'timm has no model "googlenet"', "did you mean torchvision:googlenet?"),
        ("torchvision:resnet20", 'torchvision has no model "resnet20"', "did you mean resnet20?"),
        ("torchvision:mobilenetv2_100", 'torchvision has no model "mobilenetv2_100"', "timm:mobilenetv2_100"),
        ("timm:resnet18.nonsense", "timm cannot make resnet18.nonsense", "list_pretrained"),
        ("timm:resnet5000", 'unknown timm model "resnet5000"', 'did you mean "resnet50'),
    ],
)
def test_unknown_names(name, message, hint):
    with pytest.raises(UserError) as error:
        made(name)
    assert error.value.message.startswith(message)
    assert hint in error.value.hint


def test_unknown_options():
    with pytest.raises(UserError, match='unknown option of convnet "width"') as error:
        made("convnet", options={"width": [8]})
    assert error.value.hint.startswith('did you mean "widths"')
    with pytest.raises(UserError, match='unknown option of convnet "classes"'):
        made("convnet", options={"classes": 3})


@pytest.mark.parametrize("widths", ["4", [0, -4], [4.5], [None]])
def test_an_options_value_that_the_network_cannot_take(widths):
    with pytest.raises(UserError, match="convnet cannot be made with the options") as error:
        made("convnet", options={"widths": widths})
    assert repr(widths) in error.value.message


def test_our_own_networks_have_no_hub():
    with pytest.raises(UserError, match="resnet20 has no pretrained weights of its own"):
        made("resnet20", weights="pretrained")


def test_counts_by_hand():
    network = made("convnet", options={"widths": [4], "hidden": 5})
    convolutions, linears = (3 * 4 * 9 + 4) + (4 * 4 * 9 + 4), (4 * 5 + 5) + (5 * 10 + 10)
    assert parameters(network) == convolutions + linears
    assert macs(network, (1, 3, 32, 32)) == 32 * 32 * 9 * (3 * 4 + 4 * 4) + 4 * 5 + 5 * 10
    assert network.training
