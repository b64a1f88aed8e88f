"""Every network of ours: the published size, the published stages, one step of training.

That they compile and export is tests/end_to_end/test_networks.py.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tutelage.models import (
    MODELS,
    DataSpec,
    Model,
    build,
    mobilenet_v2,
    resnet50_cifar,
    resnet_cifar,
    resnet_x4,
    shufflenet,
    wide_resnet,
)
from tutelage.models.count import macs, parameters
from tutelage.models.mlperf_tiny import padded
from tutelage.models.tap import EVERYTHING

# Millions at 100 classes, as the papers' tables print them.
PUBLISHED = {
    "resnet20": 0.28,
    "resnet56": 0.86,
    "resnet32x4": 7.43,
    "wrn_40_2": 2.26,
    "vgg8": 3.97,
    "vgg13": 9.46,
    "mobilenet_v2_05": 0.81,
    "shufflenet_v1": 0.95,
    "shufflenet_v2": 1.36,
    "resnet50_cifar": 23.71,
}
# Millions at 10 classes: He et al. 2015, table 6.
HE_TABLE_6 = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}

RESNET = [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
RESNET_X4 = [(64, 32, 32), (128, 16, 16), (256, 8, 8)]
SHAPES = {
    "convnet": (32, [(64, 16, 16), (128, 8, 8)]),
    "mlperf_tiny_resnet8": (64, RESNET),
    "resnet8": (64, RESNET),
    "resnet110": (64, RESNET),
    "resnet8x4": (256, RESNET_X4),
    "resnet32x4": (256, RESNET_X4),
    "resnet50_cifar": (2048, [(256, 32, 32), (512, 16, 16), (1024, 8, 8), (2048, 4, 4)]),
    "wrn_16_2": (128, [(32, 32, 32), (64, 16, 16), (128, 8, 8)]),
    "wrn_40_1": (64, RESNET),
    "vgg8": (512, [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 4, 4)]),
    "ds_cnn": (64, [(64, 16, 16), (64, 16, 16)]),
    "mobilenet_v1": (1024, [(128, 8, 8), (256, 4, 4), (512, 2, 2), (1024, 1, 1)]),
    "mobilenet_v2_05": (1280, [(12, 16, 16), (16, 8, 8), (48, 4, 4), (160, 2, 2)]),
    "shufflenet_v1": (960, [(240, 16, 16), (480, 8, 8), (960, 4, 4)]),
    "shufflenet_v2": (1024, [(116, 16, 16), (232, 8, 8), (464, 4, 4)]),
}


def made(name, *, classes=10, channels=3, size=32, **fields):
    return build(Model(name, **fields), DataSpec(classes, channels, size, (0.5,) * channels, (0.25,) * channels))


def unfilled(name, **kind):
    """A network whose weights are whatever lies in memory, in no time: for its shapes."""
    with torch.device("meta"):
        network = made(name, **kind)
    return network.to_empty(device="cpu").eval()


@pytest.mark.parametrize(("name", "millions"), PUBLISHED.items())
def test_as_large_as_published(name, millions):
    assert round(parameters(unfilled(name, classes=100)) / 1e6, 2) == millions


@pytest.mark.parametrize(("name", "millions"), HE_TABLE_6.items())
def test_as_large_as_in_the_resnet_paper(name, millions):
    digits = len(str(millions).partition(".")[2])
    assert round(parameters(unfilled(name)) / 1e6, digits) == millions


@pytest.mark.parametrize("name", MODELS)
def test_the_list_says_the_size_of_the_network(name):
    network = unfilled(name, classes=100)
    row = MODELS[name]
    assert round(parameters(network) / 1e6, 2) == row.parameters
    assert round(macs(network, (1, 3, 32, 32)) / 1e6, 1) == row.macs


@pytest.mark.parametrize(("name", "shapes"), SHAPES.items())
def test_stages_and_embedding_have_the_published_shapes(name, shapes):
    sizes = unfilled(name).sizes()
    assert (sizes.embedding, list(sizes.features)) == shapes
    assert sizes.classes == 10


@pytest.mark.parametrize("name", MODELS)
def test_digits_fashion_and_cifar_fit(name):
    for channels, sizes in {1: (8, 28), 3: (32,)}.items():
        network = unfilled(name, channels=channels)
        for size in sizes:
            with torch.no_grad():
                said = network(torch.rand(2, channels, size, size), EVERYTHING)
            assert said.logits.shape == (2, 10)
            assert all(f.numel() for f in said.features)


@pytest.mark.parametrize("name", MODELS)
def test_embedding_times_head_is_the_logits(name):
    network = made(name, size=16).eval()
    with torch.no_grad():
        said = network(torch.rand(2, 3, 16, 16), EVERYTHING)
    weight, bias = network.sizes().head
    torch.testing.assert_close(said.embedding @ weight.T + bias, said.logits)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_lowers_the_loss_and_reaches_every_parameter(name):
    network = made(name)
    torch.manual_seed(0)
    pixels, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    before = F.cross_entropy(network(pixels).logits, labels)
    before.backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    norm = torch.stack([g.norm() for g in gradients]).norm()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 1e-3 * parameter.grad / norm
        after = F.cross_entropy(network(pixels).logits, labels)
    assert after < before


@pytest.mark.parametrize(
    ("width", "classes", "size", "millions", "macs_millions"),
    [(1.0, 1000, 224, 4.2, 569), (0.5, 1000, 224, 1.3, 149), (0.25, 1000, 224, 0.5, 41)],
)
def test_mobilenet_v1_is_as_large_as_in_its_paper(width, classes, size, millions, macs_millions):
    """Howard et al. 2017, table 6; the multiply-adds of pooling are no part of either."""
    with torch.device("meta"):
        network = made("mobilenet_v1", classes=classes, size=size, options={"width": width})
        count = macs(network, (1, 3, size, size))
    assert round(parameters(network) / 1e6, 1) == millions
    assert round(count / 1e6) == macs_millions


def test_mlperf_tinys_two_separable_networks_have_their_parameters():
    """Banbury et al. 2021, table 1: 2 classes at width 0.25; 12 classes of DS-CNN, whose stem has 10 x 4 weights."""
    visual_wake_words = made("mobilenet_v1", classes=2, size=96, options={"width": 0.25})
    norms = sum(2 * part.num_features for part in visual_wake_words.modules() if isinstance(part, nn.BatchNorm2d))
    assert round((parameters(visual_wake_words) + norms) / 1e3, -1) in (210, 220)
    keywords = parameters(made("ds_cnn", classes=12, channels=1)) + 64 * (40 - 9)
    assert round(keywords / 1e3) == 23


def test_a_wider_resnet8_is_wider_everywhere():
    sizes = made("resnet8", options={"width": 24}).sizes()
    assert (sizes.embedding, sizes.features) == (96, ((24, 32, 32), (48, 16, 16), (96, 8, 8)))


def test_options_shape_the_convnet():
    sizes = made("convnet", options={"widths": [8, 16, 32], "hidden": 7}).sizes()
    assert sizes.embedding == 7
    assert sizes.features == ((8, 16, 16), (16, 8, 8), (32, 4, 4))


def test_a_shortcut_without_parameters_takes_every_second_pixel_and_pads_the_channels():
    block = resnet_cifar.Block(2, 4, 2).eval()
    nn.init.zeros_(block.bn2.weight)
    image = torch.arange(1.0, 33.0).view(1, 2, 4, 4)
    expected = torch.zeros(1, 4, 2, 2)
    expected[0, 1] = torch.tensor([[1.0, 3.0], [9.0, 11.0]])
    expected[0, 2] = torch.tensor([[17.0, 19.0], [25.0, 27.0]])
    torch.testing.assert_close(block(image), expected)


@pytest.mark.parametrize(
    ("block", "last"),
    [
        (resnet_cifar.Block(12, 12, 1), "bn2"),
        (resnet_x4.Block(12, 12, 1), "bn2"),
        (resnet50_cifar.Bottleneck(12, 3, 1), "bn3"),
        (shufflenet.UnitV1(12, 12, 1, 3), "bn3"),
        (wide_resnet.Block(12, 12, 1), "conv2"),
        (mobilenet_v2.InvertedResidual(12, 12, 1, 6), "conv.7"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__module__}.{type(value).__name__}",
)
def test_a_block_that_adds_nothing_lets_its_input_pass(block, last):
    nn.init.zeros_(block.get_submodule(last).weight)
    x = torch.randn(2, 12, 4, 4)
    rectified = not isinstance(block, wide_resnet.Block | mobilenet_v2.InvertedResidual)
    torch.testing.assert_close(block(x), F.relu(x) if rectified else x)


def test_a_wide_blocks_projection_reads_the_activated_input():
    block = wide_resnet.Block(4, 8, 2)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 6, 6)
    expected = block.convShortcut(F.relu(F.batch_norm(x, None, None, training=True)))
    torch.testing.assert_close(block(x), expected)


def test_half_of_the_channels_wait():
    unit = shufflenet.UnitV2(6)
    nn.init.zeros_(unit.bn3.weight)
    x = torch.randn(2, 6, 4, 4)
    expected = torch.zeros_like(x)
    expected[:, ::2] = x[:, :3]
    torch.testing.assert_close(unit(x), expected)


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith(("wrn", "mobilenet_v2"))])
def test_stages_are_taken_after_the_activation(name):
    with torch.no_grad():
        features = made(name, size=16)(torch.rand(2, 3, 16, 16), EVERYTHING).features
    assert all(f.min() == 0 for f in features)


@pytest.mark.parametrize(("name", "side"), [("resnet20", 1), ("convnet", 1), ("vgg8", 0), ("wrn_16_2", 0)])
def test_initial_weights_have_the_variance_of_he(name, side):
    """2 / fan: of the inputs (weight.shape[1]) where the source says so, else of the outputs (weight.shape[0])."""
    for module in made(name).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 9000:
            fan = module.weight.shape[side] * module.kernel_size[0] * module.kernel_size[1]
            assert module.weight.var().item() == pytest.approx(2 / fan, rel=0.06)


def test_a_shuffle_deals_the_groups_like_cards():
    channels = torch.arange(6.0).view(1, 6, 1, 1)
    assert shufflenet.shuffle(channels, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert shufflenet.shuffle(channels, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize(("side", "above", "below"), [(32, 0, 1), (16, 0, 1), (7, 1, 1)])
def test_tensorflow_pads_an_odd_zero_below(side, above, below):
    column = padded(torch.ones(1, 1, side, side))[0, 0, :, side // 2].tolist()
    assert column == [0.0] * above + [1.0] * side + [0.0] * below
