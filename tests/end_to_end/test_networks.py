"""Networks of ours as others run them: one graph for torch.compile, and the same answers in ONNX.

Compiling and exporting take seconds a network. They run on six, which between them have every kind of layer of the
others; TUTELAGE_EVERY_MODEL=1 runs them on all.
"""

import os

import pytest
import torch
import torchvision

from tutelage.models import MODELS, DataSpec, Model, build
from tutelage.models.external import TORCHVISION_STAGES
from tutelage.models.tap import EVERYTHING

SIX = ["convnet", "mlperf_tiny_resnet8", "resnet8", "wrn_16_2", "mobilenet_v2_05", "shufflenet_v1"]
THOROUGH = list(MODELS) if os.environ.get("TUTELAGE_EVERY_MODEL") else SIX


def made(name, size=32):
    return build(Model(name), DataSpec(10, 3, size, (0.5,) * 3, (0.25,) * 3))


@pytest.mark.compiles
@pytest.mark.parametrize("name", THOROUGH)
def test_compiles_into_one_graph(name):
    torch._dynamo.reset()
    network = made(name).eval()
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        compiled = torch.compile(network, fullgraph=True, backend="eager")(pixels, EVERYTHING)
        torch.testing.assert_close(compiled, network(pixels, EVERYTHING))


@pytest.mark.parametrize("prefix", TORCHVISION_STAGES)
def test_every_documented_stage_is_where_the_side_shrinks(prefix):
    known = torchvision.models.list_models(module=torchvision.models)
    names = [n for n in known if n == prefix or (n.startswith(prefix) and not prefix.startswith("vgg"))]
    # The shapes alone, without weights; but RegNet computes its widths with tensors.
    device, names = ("cpu", ["regnet_x_400mf"]) if prefix == "regnet" else ("meta", names)
    for name in names:
        with torch.device(device):
            network = made(f"torchvision:{name}", 224)
            sides = [f[1] for f in network.sizes().features]
        assert network.stages == TORCHVISION_STAGES[prefix]
        assert sides == ([28, 14, 7] if prefix == "shufflenet_v2" else [56, 28, 14, 7])
