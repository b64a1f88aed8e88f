"""A view is a pure function of its address, and shows what a naive reference, image by image, says it shows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages
from tutelage.errors import UserError

SAMPLES = 23
MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def make_images(shape=(3, 10, 8), samples=SAMPLES, seed=0):
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (samples, *shape), dtype=np.uint8)
    return MemoryImages(torch.from_numpy(pixels), torch.arange(samples) % 5)


IMAGES = make_images()
GREY = make_images((1, 8, 8))

# A dictionary, not st.builds(Augment): the type checker draws random numbers, which hypothesis minds in a strategy.
augments = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "crop_padding": st.integers(0, 4),
        "padding": st.sampled_from(["reflect", "zero"]),
        "flip": st.sampled_from(["random", "alternate", "none"]),
        "cutout": st.integers(0, 5),
        "mix": st.sampled_from(["none", "mixup", "cutmix"]),
        "mix_alpha": st.sampled_from([0.2, 1.0, 3.0]),
    }
)
addresses = st.lists(st.tuples(st.integers(0, SAMPLES - 1), st.integers(0, 50)), min_size=1, max_size=12)


def look(images, pairs, augment):
    sample, view = torch.tensor(pairs).T
    return images.view(sample.contiguous(), view.contiguous(), augment)


def same(one, other):
    """Equal bit for bit; a mixture's partner and share too."""
    return all(a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- the naive reference: Python's integers for the draws, one image at a time, no code of ours


def splitmix64(state):
    z = (state + GAMMA) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def crc32(text):
    crc = 0xFFFFFFFF
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def address_key(*parts):
    state = splitmix64(parts[0] & MASK)
    for part in parts[1:]:
        state = splitmix64(state ^ (crc32(part) if isinstance(part, str) else part))
    return state


def draw(key, i):
    return (splitmix64((key + (i + 1) * GAMMA) & MASK) >> 40) / 2**24


def box_mask(height, width, centre_row, centre_column, box_height, box_width):
    mask = np.zeros((height, width), dtype=bool)
    for row in range(centre_row - box_height // 2, centre_row - box_height // 2 + box_height):
        for column in range(centre_column - box_width // 2, centre_column - box_width // 2 + box_width):
            if 0 <= row < height and 0 <= column < width:
                mask[row, column] = True
    return mask


def naive_unmixed(pixels, sample, view, augment):
    """uint8 [C, H, W]: numpy's pad, a slice, a mirrored axis, a painted square."""
    _, height, width = pixels.shape[1:]
    key = address_key(augment.seed, sample, view)
    image = pixels[sample]
    p = augment.crop_padding
    mode = {"reflect": {"mode": "reflect"}, "zero": {"mode": "constant", "constant_values": 0}}[augment.padding]
    top, left = math.floor(draw(key, 0) * (2 * p + 1)), math.floor(draw(key, 1) * (2 * p + 1))
    image = np.pad(image, ((0, 0), (p, p), (p, p)), **mode)[:, top : top + height, left : left + width]
    if augment.flip == "random":
        flip = draw(key, 2) < 0.5
    elif augment.flip == "alternate":
        flip = (draw(address_key(augment.seed, sample, "flip"), 0) < 0.5) != (view % 2 == 1)
    else:
        flip = False
    image = image[:, :, ::-1].copy() if flip else image.copy()
    if augment.cutout:
        row, column = math.floor(draw(key, 3) * height), math.floor(draw(key, 4) * width)
        colour = np.rint(pixels.astype(np.float64).mean((0, 2, 3))).astype(np.uint8)
        hole = box_mask(height, width, row, column, augment.cutout, augment.cutout)
        image[:, hole] = colour[:, None]
    return image


def naive_view(pixels, sample, view, augment):
    """float64 pixels, the partner and its share."""
    own = naive_unmixed(pixels, sample, view, augment) / 255.0
    if augment.mix == "none":
        return own, None, None
    _, height, width = own.shape
    key = address_key(augment.seed, sample, view)
    partner = (splitmix64(address_key(augment.seed, sample, view, "partner")) >> 1) % len(pixels)
    other = naive_unmixed(pixels, partner, view, augment) / 255.0
    share = draw(key, 5)
    if augment.mix_alpha != 1:
        midpoint = (math.floor(share * 4096) + 0.5) / 4096
        share = min(round(beta(augment.mix_alpha, augment.mix_alpha).ppf(midpoint) * 4096), 4095) / 4096
    if augment.mix == "mixup":
        return (1 - share) * own + share * other, partner, share
    row, column = math.floor(draw(key, 6) * height), math.floor(draw(key, 7) * width)
    box = box_mask(height, width, row, column, int(height * math.sqrt(share)), int(width * math.sqrt(share)))
    return np.where(box, other, own), partner, box.mean()


@settings(deadline=None, max_examples=150)
@given(augment=augments, pairs=addresses)
def test_views_equal_the_naive_reference(augment, pairs):
    augment = Augment(**augment)
    for images in (IMAGES, GREY):
        views = look(images, pairs, augment)
        pixels = images.images.numpy()
        for i, (sample, view) in enumerate(pairs):
            expected, partner, share = naive_view(pixels, sample, view, augment)
            np.testing.assert_allclose(views.pixels[i].double().numpy(), expected, rtol=0, atol=2e-7)
            if partner is None:
                assert views.partner is None
                assert views.partner_share is None
            else:
                assert views.partner[i] == partner
                assert views.partner_share[i] == np.float32(share)


@settings(deadline=None, max_examples=100)
@given(augment=augments, pairs=addresses, data=st.data())
def test_the_same_address_gives_the_same_bits_in_any_batch(augment, pairs, data):
    """Any order, subset, repetition and batch size."""
    augment = Augment(**augment)
    whole = look(IMAGES, pairs, augment)
    chosen = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=20))
    part = look(IMAGES, [pairs[i] for i in chosen], augment)
    assert same(part, [None if field is None else field[chosen] for field in whole])


@settings(deadline=None, max_examples=100)
@given(augment=augments, pairs=addresses)
def test_pixels_lie_in_the_unit_interval_and_shares_below_one(augment, pairs):
    augment = Augment(**augment)
    views = look(IMAGES, pairs, augment)
    assert views.pixels.min() >= 0
    assert views.pixels.max() <= 1
    if augment.mix != "none":
        assert views.partner_share.min() >= 0
        assert views.partner_share.max() < 1


@settings(deadline=None, max_examples=50)
@given(augment=augments, pairs=addresses)
def test_equal_images_and_shares_make_white_stay_white(augment, pairs):
    """Rounding never leaves [0, 1]: a mixture of white and white is white, exactly."""
    augment = Augment(**augment)
    white = MemoryImages(
        torch.full((SAMPLES, 2, 10, 8), 255, dtype=torch.uint8), torch.zeros(SAMPLES, dtype=torch.long)
    )
    if augment.padding == "reflect":
        assert torch.equal(look(white, pairs, augment).pixels, torch.ones(len(pairs), 2, 10, 8))


def test_no_augmentation_is_the_plain_image():
    augment = Augment(crop_padding=0, flip="none")
    sample = torch.arange(SAMPLES)
    for view in (0, 3):
        pixels = IMAGES.view(sample, torch.full_like(sample, view), augment).pixels
        assert torch.equal(pixels, IMAGES.plain(sample))
    np.testing.assert_allclose(IMAGES.plain(sample).double(), IMAGES.images.numpy() / 255.0, atol=1e-7)


def test_alternating_flips_alternate_and_start_by_a_coin():
    augment = Augment(crop_padding=0, flip="alternate")
    plain = IMAGES.plain(torch.arange(SAMPLES))
    flipped = torch.stack(
        [
            (IMAGES.view(torch.arange(SAMPLES), torch.full((SAMPLES,), view), augment).pixels != plain)
            .flatten(1)
            .any(1)
            for view in range(6)
        ]
    )
    assert torch.equal(flipped[1:], ~flipped[:-1])
    assert 0 < flipped[0].sum() < SAMPLES


def test_every_crop_and_flip_occurs_equally_often():
    """A 5 x 5 image that names its pixels: offset and flip are read off the first row and column."""
    image = torch.arange(25, dtype=torch.uint8).view(1, 1, 5, 5)
    images = MemoryImages(image, torch.zeros(1, dtype=torch.long))
    view = torch.arange(36_000)
    pixels = images.view(torch.zeros_like(view), view, Augment(crop_padding=1, padding="zero", flip="random")).pixels
    seen, counts = pixels.flatten(1).unique(dim=0, return_counts=True)
    assert len(seen) == 18
    assert abs(counts - 2000).max() < 5 * math.sqrt(2000)


def test_seed_sample_and_view_each_change_the_view():
    augment = Augment(mix="mixup")
    base = look(IMAGES, [(4, 2)], augment).pixels
    for other in (look(IMAGES, [(4, 3)], augment), look(IMAGES, [(5, 2)], augment)):
        assert not torch.equal(base, other.pixels)
    assert not torch.equal(base, look(IMAGES, [(4, 2)], Augment(seed=1, mix="mixup")).pixels)


def test_turning_mixing_on_changes_nothing_else():
    """The partner is mixed into the very view that exists without mixing: with a share of 0 it is that view."""
    pairs = [(sample, view) for sample in range(SAMPLES) for view in range(40)]
    mixed = look(IMAGES, pairs, Augment(mix="cutmix", mix_alpha=0.1))
    unmixed = look(IMAGES, pairs, Augment())
    untouched = mixed.partner_share == 0
    assert 0 < untouched.sum() < len(pairs)
    assert torch.equal(mixed.pixels[untouched], unmixed.pixels[untouched])


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_shares_follow_the_beta_distribution(alpha):
    sample, view = torch.zeros(20_000, dtype=torch.long), torch.arange(20_000)
    shares = IMAGES.view(sample, view, Augment(mix="mixup", mix_alpha=alpha)).partner_share.double().sort().values
    grid = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    empirical = torch.searchsorted(shares, grid) / len(shares)
    np.testing.assert_allclose(empirical, beta(alpha, alpha).cdf(grid.numpy()), atol=0.015)


def test_partners_are_drawn_from_all_images():
    sample, view = torch.arange(SAMPLES).repeat(500), torch.arange(500).repeat_interleave(SAMPLES)
    counts = IMAGES.view(sample, view, Augment(mix="mixup")).partner.bincount(minlength=SAMPLES)
    assert abs(counts - 500).max() < 5 * math.sqrt(500)


def test_views_are_stored_channels_last():
    pixels = look(IMAGES, [(0, 0), (1, 0)], Augment()).pixels
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert IMAGES.plain(torch.tensor([1, 2])).is_contiguous(memory_format=torch.channels_last)


def test_padding_wider_than_the_image_is_refused_unless_black():
    pairs = [(0, 0)]
    with pytest.raises(UserError, match="crop_padding is 8, but images of 10 x 8 pixels can be mirrored by at most 7"):
        look(IMAGES, pairs, Augment(crop_padding=8))
    look(IMAGES, pairs, Augment(crop_padding=7))
    look(IMAGES, pairs, Augment(crop_padding=8, padding="zero"))


def test_cutout_larger_than_the_image_is_refused():
    look(IMAGES, [(0, 0)], Augment(cutout=8))
    with pytest.raises(UserError, match="cutout is 9, but the images have 10 x 8 pixels"):
        look(IMAGES, [(0, 0)], Augment(cutout=9))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mix", ["none", "mixup", "cutmix"])
@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("flip", ["random", "alternate"])
def test_a_gpu_gives_the_same_bits(mix, padding, flip):
    augment = Augment(padding=padding, flip=flip, cutout=3, mix=mix, mix_alpha=0.4)
    sample, view = torch.arange(SAMPLES).repeat(20), torch.arange(20).repeat_interleave(SAMPLES)
    there = IMAGES.to("cuda").view(sample.cuda(), view.cuda(), augment)
    here = IMAGES.view(sample, view, augment)
    assert same(here, [None if field is None else field.cpu() for field in there])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (32, 32), (10, 8), (96, 64), (37, 41)])
def test_a_reciprocal_in_float64_gives_the_shares_of_an_exact_division(height, width):
    """CUDA divides by a number through its reciprocal, which shows in float32."""
    area = torch.arange(height * width + 1)
    exact = torch.from_numpy((area.numpy().astype(np.float32)) / np.float32(height * width))
    assert torch.equal((area.double() * (1.0 / (height * width))).float(), exact)
    assert torch.equal((area.double() / (height * width)).float(), exact)
