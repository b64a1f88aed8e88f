"""Channels that 8 bits cannot tell from a constant are made one; nothing else of a network changes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tutelage.edge.processor import instruction_sets
from tutelage.export.steady import steadied


def network(quiet: float = 1e-6) -> nn.Sequential:
    """Two depthwise channels, of which the second hardly moves and BatchNorm makes its weights enormous."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(2, 2, 3, groups=2, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 3, 1))
    with torch.no_grad():
        norm = made[1]
        norm.running_mean[:] = torch.tensor([0.0, 0.5 * float(made[0].weight[1].sum())])
        norm.running_var[:] = torch.tensor([1.0, quiet**2])
        norm.bias[:] = torch.tensor([0.1, 0.7])
        norm.eps = 1e-10
    return made.eval()


def images(quiet: float = 1e-6) -> torch.Tensor:
    """One lively channel, and one that is 0.5 everywhere but for a little noise."""
    pixels = torch.rand(32, 2, 8, 8, generator=torch.Generator().manual_seed(1)) * 4
    pixels[:, 1] = 0.5 + quiet * (pixels[:, 1] - 2)
    return pixels


def test_a_still_channel_becomes_its_middle_and_a_lively_one_stays():
    made = network()
    kept = copy.deepcopy(made.state_dict())
    still = steadied(made, images().split(8))
    assert torch.equal(still[0].weight[0], kept["0.weight"][0])
    assert not still[0].weight[1].any()
    with torch.no_grad():
        said = made[0](images())[:, 1]
    assert still[0].bias.tolist() == pytest.approx([0.0, ((said.max() + said.min()) / 2).item()])
    assert torch.equal(still[3].weight, kept["3.weight"])
    assert all(torch.equal(one, kept[name]) for name, one in made.state_dict().items()), "a copy was changed"


def test_a_network_without_such_channels_is_the_same():
    made = network(quiet=0.3)
    still = steadied(made, [images(quiet=0.3)])
    assert all(torch.equal(one, still.state_dict()[name]) for name, one in made.state_dict().items())
    assert still[0].bias is None


def test_a_convolution_that_is_not_used_stays():
    made = network()
    made[2].unused = nn.Conv2d(2, 2, 1)
    still = steadied(made, [images()])
    assert torch.equal(still[2].unused.weight, made[2].unused.weight)
    assert not still[0].weight[1].any()


def test_its_int8_file_says_what_the_network_says(tmp_path):
    """By ONNX Runtime: without it the second channel's bias is off by more than the channel ever says."""
    pytest.importorskip("onnxruntime")
    told = {name: _error(made, tmp_path / f"{name}.onnx") for name, made in _both().items()}
    here = f"8-bit products by {instruction_sets()}"
    assert told["steady"] < 0.05, here
    assert told["as it was"] > 5 * told["steady"], here


def _both() -> dict[str, nn.Module]:
    return {"as it was": network(), "steady": steadied(network(), [images()])}


def _error(made: nn.Module, path) -> float:
    """The largest difference of the int8 file to the network without the noise, relative to the largest output."""
    import onnxruntime

    from tutelage.export.onnx_files import quantize, quiet

    with quiet():
        torch.onnx.export(made, (images(),), input_names=["pixels"], dynamo=True, verbose=False).save(path)
    quantize(path, [images()])
    calm = images()
    calm[:, 1] = 0.5
    with torch.no_grad():
        wanted = network()(calm).numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": calm.numpy()})
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
