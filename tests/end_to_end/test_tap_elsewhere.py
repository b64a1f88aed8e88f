"""A tapped network as torch.compile and ONNX see it: one graph for every wish, resizing included."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tutelage.models import DataSpec, Model, build
from tutelage.models.tap import EVERYTHING, LOGITS

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def resnet8(size=32):
    return build(Model("resnet8"), DataSpec(10, 3, size, MEAN, STD))


@pytest.mark.compiles
@pytest.mark.parametrize(("size", "interpolation"), [(16, "bicubic"), (48, "bilinear")])
def test_resizing_is_part_of_the_export(size, interpolation):
    tapped = resnet8(size).eval()
    tapped.interpolation = interpolation
    pixels = torch.rand(2, 3, 32, 32)
    program = torch.onnx.export(Prepare(tapped).eval(), (pixels,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (seen,) = session.run(None, {session.get_inputs()[0].name: pixels.numpy()})
    np.testing.assert_allclose(seen, tapped.prepare(pixels), atol=1e-4)


class Prepare(nn.Module):
    def __init__(self, tapped):
        super().__init__()
        self.tapped = tapped

    def forward(self, pixels):
        return self.tapped.prepare(pixels)


@pytest.mark.compiles
def test_each_wish_is_compiled_once():
    torch._dynamo.reset()
    tapped, pixels = resnet8().eval(), torch.rand(4, 3, 32, 32)
    compiled = torch.compile(tapped, fullgraph=True, backend="eager")
    for again in (False, True):
        for wish in (LOGITS, EVERYTHING):
            with torch._dynamo.config.patch(error_on_recompile=again):
                torch.testing.assert_close(compiled(pixels, wish), tapped(pixels, wish))


@pytest.mark.compiles
def test_compiled_it_says_the_same_and_trains():
    torch._dynamo.reset()
    tapped = build(Model("convnet", size=16), DataSpec(10, 3, 32, MEAN, STD))
    pixels = torch.rand(4, 3, 32, 32)
    # "aot_eager" traces forward and backward without the half minute that a C++ compiler takes after that.
    compiled = torch.compile(tapped, fullgraph=True, backend="aot_eager")(pixels, EVERYTHING)
    torch.testing.assert_close(compiled, tapped(pixels, EVERYTHING))
    sum(f.sum() for f in compiled.features).backward()
    assert tapped.network.block1[0].weight.grad.abs().sum() > 0
