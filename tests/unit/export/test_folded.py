"""Normalisation folded into the first convolution: the same answers from pixels less a byte."""

import pytest
import torch
from torch import nn

from tutelage.export.folded import Probabilities, folded
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.tap import Preparation, Tapped


def both(network: Tapped, shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The answers before and after, on the same pixels."""
    pixels = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    found, zero = folded(network.eval(), shape)
    with torch.no_grad():
        return network(pixels).logits, found(pixels - zero / 255), zero


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2_05", "convnet"])
def test_exact_where_the_channels_agree(name):
    network = build(Model(name), DataSpec(5, 3, 32, (51 / 255,) * 3, (0.2, 0.25, 0.3)), seed=1)
    before, after, zero = both(network, (3, 32, 32))
    assert zero == 51
    torch.testing.assert_close(after, before, atol=1e-4 * float(before.abs().max()), rtol=1e-4)


def test_exact_without_padding_whatever_the_means():
    first = nn.Conv2d(3, 4, 3)
    network = Tapped(
        nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)),
        Preparation((0.5, 0.4, 0.1), (0.2, 0.25, 0.3), 8),
        head="3",
        stages=(),
    )
    before, after, zero = both(network, (3, 8, 8))
    assert zero == 85
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    assert network.network[0] is first, "the network itself stays"


def test_the_benchmarks_network_takes_bytes():
    network = build(Model("mlperf_tiny_resnet8"), DataSpec(10, 3, 32, (0.5,) * 3, (0.2,) * 3))
    before, after, zero = both(network, (3, 32, 32))
    assert zero == 0
    torch.testing.assert_close(after, before, atol=1e-3 * float(before.abs().max()), rtol=1e-4)


def test_pixels_that_are_padded_first_are_folded_too():
    """timm's networks with TensorFlow's padding say the zero that they pad with."""
    spec = DataSpec(5, 3, 32, (51 / 255,) * 3, (0.2, 0.25, 0.3))
    network = build(Model("timm:tf_efficientnet_lite0"), spec, seed=1)
    before, after, zero = both(network, (3, 32, 32))
    assert zero == 51
    torch.testing.assert_close(after, before, atol=1e-3 * float(before.abs().max()), rtol=1e-3)


def test_pixels_that_are_padded_with_something_else_are_not():
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(128, 2)

        def forward(self, x):
            return self.fc(self.conv(nn.functional.pad(x, (1, 1, 1, 1), value=1.0)).flatten(1))

    network = Tapped(Padded(), Preparation((0.5,), (0.2,), 8), head="fc", stages=())
    before, after, zero = both(network, (1, 8, 8))
    assert zero == 0
    torch.testing.assert_close(after, before)


class Twice(nn.Module):
    """The input goes into a convolution and past it."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(64, 2)

    def forward(self, x):
        return self.fc((self.conv(x) + x).flatten(1))


@pytest.mark.parametrize("module", [Twice(), nn.Sequential(nn.Flatten(), nn.Linear(64, 2))], ids=["twice", "linear"])
def test_elsewhere_normalisation_stays_and_zero_is_black(module):
    head = "fc" if isinstance(module, Twice) else "1"
    network = Tapped(module, Preparation((0.5,), (0.2,), 8), head=head, stages=())
    before, after, zero = both(network, (1, 8, 8))
    assert zero == 0
    torch.testing.assert_close(after, before)


def test_probabilities_sum_to_one():
    found = Probabilities(nn.Flatten())(torch.randn(3, 1, 2, 2))
    torch.testing.assert_close(found.sum(1), torch.ones(3))
