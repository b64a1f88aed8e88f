"""What a tapped network says, and that saying it changes nothing."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from tutelage.errors import UserError
from tutelage.models import DataSpec, Model, build
from tutelage.models.tap import EVERYTHING, LOGITS, Preparation, Tapped, evaluating
from tutelage.models.weights import weights_digest

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def resnet8(size=32, **fields):
    return build(Model("resnet8", **fields), DataSpec(10, 3, size, MEAN, STD))


def by_hand(network, pixels):
    """The stages, the embedding and the logits of a resnet8, from its parts."""
    x = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    x = F.relu(network.bn1(network.conv1(x)))
    stages = [x := network.layer1(x), x := network.layer2(x), x := network.layer3(x)]
    embedding = F.adaptive_avg_pool2d(x, 1).flatten(1)
    return network.linear(embedding), embedding, tuple(stages)


def test_says_what_the_parts_say():
    tapped = resnet8().eval()
    pixels = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(tuple(tapped(pixels, EVERYTHING))[:3], by_hand(tapped.network, pixels))


def test_says_no_more_than_wanted():
    tapped, pixels = resnet8(), torch.rand(2, 3, 32, 32)
    assert tapped(pixels).embedding is None
    assert tapped(pixels).features == ()
    assert tapped(pixels, frozenset({"embedding"})).features == ()
    assert tapped(pixels, frozenset({"features", "head"})).embedding is None


def test_keeps_nothing_after_the_call():
    tapped, pixels = resnet8(), torch.rand(2, 3, 32, 32)
    tapped(pixels, EVERYTHING)
    tapped(pixels, LOGITS)
    assert all(catch.tensor is None for catch in [tapped._embedding, *tapped._features])


def test_a_deep_copy_has_taps_of_its_own():
    tapped, pixels = resnet8().eval(), torch.rand(2, 3, 32, 32)
    twin = copy.deepcopy(tapped)
    nn.init.zeros_(twin.network.linear.weight)
    nn.init.zeros_(twin.network.conv1.weight)
    assert not torch.equal(twin(pixels, EVERYTHING).embedding, tapped(pixels, EVERYTHING).embedding)


def test_features_carry_gradient():
    tapped = resnet8()
    tapped(torch.rand(2, 3, 32, 32), EVERYTHING).features[1].sum().backward()
    assert tapped.network.layer2[0].conv1.weight.grad.abs().sum() > 0
    assert tapped.network.layer3[0].conv1.weight.grad is None


def test_state_dicts_have_the_plain_names():
    tapped = resnet8()
    assert set(tapped.state_dict()) == {f"network.{name}" for name in tapped.network.state_dict()}


def test_sizes_leave_no_trace():
    tapped = resnet8()
    tapped.network.layer2.eval()
    digest, modes = weights_digest(tapped), [m.training for m in tapped.modules()]
    sizes = tapped.sizes()
    assert weights_digest(tapped) == digest
    assert [m.training for m in tapped.modules()] == modes
    assert sizes.stages == ("layer1", "layer2", "layer3")
    sizes.head.weight.zero_()
    assert weights_digest(tapped) == digest


def test_evaluating_gives_every_part_its_mode_back_even_after_an_error():
    tapped = resnet8()
    tapped.network.bn1.eval()
    with pytest.raises(ZeroDivisionError), evaluating(tapped):
        1 / sum(m.training for m in tapped.modules())
    assert tapped.network.layer1.training
    assert not tapped.network.bn1.training


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory_format_and_autocast_pass_through(memory_format):
    tapped = resnet8().to(memory_format=memory_format)
    pixels = torch.rand(2, 3, 32, 32).contiguous(memory_format=memory_format)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        said = tapped(pixels, EVERYTHING)
    assert said.logits.dtype == torch.bfloat16
    assert all(f.is_contiguous(memory_format=memory_format) for f in said.features)


@pytest.mark.parametrize("size", [16, 20, 48])
@pytest.mark.parametrize(("interpolation", "filtering"), [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)])
def test_resizes_as_image_libraries_do(size, interpolation, filtering):
    tapped = resnet8(size)
    tapped.interpolation = interpolation
    pixels = torch.rand(1, 3, 32, 32)
    seen = tapped.prepare(pixels)[0] * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    for channel in range(3):
        image = Image.fromarray(pixels[0, channel].numpy(), mode="F").resize((size, size), filtering)
        np.testing.assert_allclose(seen[channel], np.asarray(image).clip(0, 1), atol=1e-4)


def test_a_convolution_as_the_head_is_averaged_over_positions():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    tapped = Tapped(network, Preparation(MEAN, STD, 8), head="2", stages=("1",))
    said = tapped(torch.rand(2, 3, 8, 8), EVERYTHING)
    weight, bias = network[2].weight[:, :, 0, 0], network[2].bias
    torch.testing.assert_close(said.embedding @ weight.T + bias, said.logits)
    assert tapped.sizes().head is None


def test_a_path_that_leads_nowhere_is_an_error_with_the_nearest():
    with pytest.raises(UserError, match=r'unknown module path "layer4"') as error:
        resnet8(stages=("layer4",))
    assert "layer1" in error.value.hint or "layer2" in error.value.hint or "layer3" in error.value.hint


@pytest.mark.parametrize("path", ["", "somewhere_else"])
def test_a_path_like_no_module_is_an_error_with_the_outermost(path):
    with pytest.raises(UserError, match=f'unknown module path "{path}"') as error:
        resnet8(stages=(path,))
    assert "layer1, layer2, layer3" in error.value.hint


def test_features_of_a_network_without_known_stages_are_an_error():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    tapped = Tapped(network, Preparation(MEAN, STD, 8), head="1", stages=())
    assert tapped.sizes().features == ()
    with pytest.raises(UserError, match="stages"):
        tapped(torch.rand(1, 3, 8, 8), EVERYTHING)


def test_mean_and_std_are_as_long_as_each_other():
    with pytest.raises(UserError, match="mean has 3 numbers, std 1"):
        build(Model("resnet8", std=(0.5,)), DataSpec(10, 3, 32, MEAN, STD))


@pytest.mark.parametrize("size", [32, 24])
def test_regions_are_the_head_on_parts_of_the_last_map(size):
    tapped = resnet8(size=size).eval()
    pixels = torch.rand(2, 3, size, size)
    said = tapped(pixels, frozenset({"regions"}))
    assert tapped._features[-1].tensor is None
    last = by_hand(tapped.network, pixels)[2][-1]
    assert said.features == ()
    for row, column in np.ndindex(4, 4):
        side = size // 4
        (top, bottom), (left, right) = ((k * side // 4, -(-(k + 1) * side // 4)) for k in (row, column))
        part = last[:, :, top:bottom, left:right].mean((2, 3))
        torch.testing.assert_close(said.regions[:, 4 * row + column], tapped.network.linear(part))
    if size == 32:
        torch.testing.assert_close(said.regions.mean(1), said.logits)


def test_parts_have_logits_only_where_the_last_stage_is_what_is_averaged():
    assert resnet8().sizes().regions
    assert not resnet8(stages=("layer1", "layer2")).sizes().regions
    assert not build(Model("convnet"), DataSpec(10, 3, 32, MEAN, STD)).sizes().regions
    assert not build(Model("wrn_16_2"), DataSpec(10, 3, 32, MEAN, STD)).sizes().regions


ROTATED = EVERYTHING | {"rotations"}


def test_says_of_rotations_what_it_says_of_the_rotated_images():
    tapped, pixels = resnet8().eval(), torch.rand(3, 3, 32, 32)
    said = tapped(pixels, ROTATED)
    plain = tapped(pixels, EVERYTHING)
    assert torch.equal(said.logits, plain.logits), "the same bits as where nothing is rotated"
    assert torch.equal(said.embedding, plain.embedding)
    assert len(said.features) == 3
    for quarters in (1, 2, 3):
        logits, embedding, _ = by_hand(tapped.network, pixels.rot90(quarters, (2, 3)))
        torch.testing.assert_close(said.rotations.logits[:, quarters - 1], logits)
        torch.testing.assert_close(said.rotations.embedding[:, quarters - 1], embedding)


def test_in_training_batch_norm_sees_images_and_rotations_together():
    tapped, pixels = resnet8().train(), torch.rand(5, 3, 32, 32)
    twin = copy.deepcopy(tapped)
    said = tapped(pixels, ROTATED)
    together = twin(torch.cat([pixels.rot90(quarters, (2, 3)) for quarters in range(4)]), EVERYTHING)
    torch.testing.assert_close(said.logits, together.logits[:5])
    torch.testing.assert_close(said.features[1], together.features[1][:5])
    torch.testing.assert_close(said.rotations.logits.mT.reshape(5, -1).sum(), together.logits[5:].sum())
    torch.testing.assert_close(said.rotations.embedding[:, 2], together.embedding[15:])
    assert torch.equal(tapped.network.bn1.num_batches_tracked, torch.tensor(1))
    torch.testing.assert_close(tapped.network.bn1.running_mean, twin.network.bn1.running_mean)


def test_an_image_that_is_no_square_is_rotated_as_the_network_sees_it():
    tapped, pixels = resnet8(size=16).eval(), torch.rand(2, 3, 24, 40)
    said = tapped(pixels, ROTATED)
    for quarters in (1, 2, 3):  # rotating and making it square come to the same
        expected = tapped(pixels.rot90(quarters, (2, 3))).logits
        torch.testing.assert_close(said.rotations.logits[:, quarters - 1], expected, rtol=1e-4, atol=1e-4)
