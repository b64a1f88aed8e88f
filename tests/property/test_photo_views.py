"""A view of a photo is a pure function of its address, whoever makes it, and shows what torchvision shows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

import small
from tutelage import data, rng
from tutelage.data import Data, photo
from tutelage.data.augment import Augment
from tutelage.errors import UserError

SIDE = 8
PLAIN = Augment(crop_padding=0, flip="none")
PHOTO = Augment(crop_padding=0, crop_scale=0.35, jitter=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of different shapes."""
    made = small.photos(tmp_path_factory.mktemp("photos"), images=16)
    generator = np.random.default_rng(1)
    for number, file in enumerate(sorted(made.rglob("*.png"))):
        shape = (10 + number % 5, 10 + number % 3 * 8, 3)
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(file)
    return made


@pytest.fixture(scope="module")
def images(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUTELAGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return {keep: data.load(Data(str(folder), size=SIDE, keep=keep)) for keep in ("file", "memory", "none")}


# A dictionary, not st.builds(Augment): the type checker draws random numbers, which hypothesis minds in a strategy.
augments = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "crop_padding": st.integers(0, 3),
        "padding": st.sampled_from(["reflect", "zero"]),
        "flip": st.sampled_from(["random", "alternate", "none"]),
        "mix": st.sampled_from(["none", "mixup", "cutmix"]),
        "mix_alpha": st.sampled_from([0.2, 1.0]),
        "crop_scale": st.sampled_from([0.0, 0.35, 0.9]),
        "jitter": st.sampled_from([0.0, 0.3]),
        "trivial": st.booleans(),
        "erasing": st.sampled_from([0.0, 0.5]),
    }
)
addresses = st.lists(st.tuples(st.integers(0, 33), st.integers(0, 50)), min_size=1, max_size=9)


def look(images, pairs, augment):
    sample, view = torch.tensor(pairs).T
    return images.view(sample.contiguous(), view.contiguous(), augment)


def same(one, other):
    """Equal bit for bit; a mixture's partner and share too."""
    return all(a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True))


def row(views, i):
    return [None if part is None else part[i : i + 1] for part in views]


@settings(deadline=None, max_examples=25)
@given(fields=augments, pairs=addresses, other=addresses)
def test_no_other_image_of_the_batch_matters(images, fields, pairs, other):
    augment = Augment(**fields)
    together = look(images["file"].train, pairs + other, augment)
    for i, pair in enumerate(pairs):
        assert same(row(together, i), look(images["file"].train, [pair], augment))
    assert together.pixels.shape == (len(pairs + other), 3, SIDE, SIDE)
    assert 0 <= together.pixels.min() <= together.pixels.max() <= 1


@settings(deadline=None, max_examples=30)
@given(fields=augments, pairs=addresses, keep=st.sampled_from(["memory", "none"]))
def test_where_the_pixels_are_kept_does_not_matter(images, fields, pairs, keep):
    augment = Augment(**fields)
    assert same(look(images["file"].train, pairs, augment), look(images[keep].train, pairs, augment))
    assert images[keep].train.digest == images["file"].train.digest


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mix", ["none", "cutmix"])
def test_neither_workers_nor_the_first_step_matter(images, workers, mix):
    train, augment = images["file"].train, Augment(crop_padding=0, crop_scale=0.5, trivial=True, mix=mix)
    steps = [(torch.arange(step, step + 5), torch.full((5,), step)) for step in range(6)]
    alone = [train.view(*step, augment) for step in steps]
    made = list(train.stream(iter(steps), augment, workers))
    assert len(made) == 6
    assert all(same(one, other) for one, other in zip(made, alone, strict=True))
    later = list(train.stream(iter(steps[3:]), augment, workers))
    assert all(same(one, other) for one, other in zip(later, alone[3:], strict=True))


@settings(deadline=None, max_examples=30)
@given(fields=augments, state=st.integers(0, 1000))
def test_torchs_own_generator_is_left_alone(images, fields, state):
    torch.manual_seed(state)
    expected = torch.rand(3)
    torch.manual_seed(state)
    first = look(images["file"].train, [(0, 0)], Augment(**fields))
    assert torch.equal(torch.rand(3), expected)
    assert same(first, look(images["file"].train, [(0, 0)], Augment(**fields)))


@settings(deadline=None, max_examples=20)
@given(fields=augments)
def test_views_differ_and_so_do_seeds(images, fields):
    fields |= {"crop_scale": 0.35, "trivial": False}  # TrivialAugment makes some views black
    augment = Augment(**fields)
    views = look(images["file"].train, [(0, view) for view in range(6)], augment).pixels
    assert len({tuple(view.flatten().tolist()) for view in views}) > 4
    other = Augment(**(fields | {"seed": fields["seed"] + 1}))
    assert not torch.equal(views, look(images["file"].train, [(0, view) for view in range(6)], other).pixels)


def test_a_view_is_what_torchvisions_transforms_show_with_these_seeds(images):
    train = images["file"].train
    augment = Augment(seed=3, crop_padding=0, crop_scale=0.35, jitter=0.2, trivial=True, erasing=0.7)
    transforms = {
        "crop": v2.RandomResizedCrop(SIDE, scale=(0.35, 1.0), antialias=True),
        "flip": v2.RandomHorizontalFlip(0.5),
        "jitter": v2.ColorJitter(0.2, 0.2, 0.2),
        "trivial": v2.TrivialAugmentWide(),
        "erasing": v2.RandomErasing(0.7, value=[124, 116, 104]),
    }
    for sample, view in ((0, 0), (5, 2), (30, 7)):
        shown = train.photos(sample)
        for purpose, transform in transforms.items():
            key = rng.key(3, torch.tensor([sample]), torch.tensor([view]), purpose).item() % 2**64
            torch.manual_seed((key >> 1) % 2**62)
            shown = transform(shown)
        seen = look(train, [(sample, view)], augment).pixels[0]
        assert torch.equal(seen, shown.float() * (1 / 255))


def test_switching_one_transform_on_leaves_the_others(images):
    train = images["file"].train
    pairs = [(sample, 0) for sample in range(30)]
    without = look(train, pairs, Augment(crop_padding=0, crop_scale=0.35)).pixels
    erased = look(train, pairs, Augment(crop_padding=0, crop_scale=0.35, erasing=1.0)).pixels
    untouched = (without == erased).all(1)
    assert (untouched.float().mean((1, 2)) > 0.5).all()
    colour = torch.tensor([124, 116, 104]) / 255
    assert torch.allclose(erased.permute(0, 2, 3, 1)[~untouched], colour)


def test_alternating_flips_alternate(images):
    train, augment = images["file"].train, Augment(crop_padding=0, flip="alternate")
    for sample in range(5):
        zero, one, two = (look(train, [(sample, view)], augment).pixels for view in range(3))
        assert torch.equal(one, zero.flip(3))
        assert torch.equal(two, zero)
        unmoved = look(train, [(sample, 0)], PLAIN).pixels
        assert any(torch.equal(v, unmoved) for v in (zero, one))


def test_without_augmentation_a_view_is_the_middle_of_the_photo(images, folder):
    val, train = images["file"].val, images["file"].train
    position = torch.arange(len(val))
    assert torch.equal(val.view(position, position, PLAIN).pixels, val.plain(position))
    position = torch.arange(len(train))
    apart = train.view(position, position, PLAIN).pixels - train.plain(position)
    assert 0 < apart.abs().mean() < 0.1, "training views are of pixels that were shrunk twice"


def test_val_is_the_middle_square_shrunk_as_pillow_does(images, folder):
    from tutelage.data import index

    loaded = images["file"]
    sound = index.read(str(folder)).sound
    for i, position in enumerate(loaded.val_positions.tolist()):
        image = Image.open(folder / sound[position].place.file)
        left, top = ((side - min(image.size)) // 2 for side in image.size)
        square = image.crop((left, top, image.width - left, image.height - top))
        expected = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 255
        seen = loaded.val.plain(torch.tensor([i]))[0].permute(1, 2, 0).numpy()
        assert np.abs(seen - expected).max() < 0.06, sound[position].place.file


def test_kept_photos_have_a_margin_and_are_not_too_long(folder, images):
    shapes = images["file"].train.photos.shapes
    assert shapes.min() == math.ceil(1.15 * SIDE)
    assert (shapes.max(1) <= 2 * shapes.min(1)).all()


def test_mixed_views_are_mixtures(images):
    train = images["file"].train
    pairs = [(sample, 1) for sample in range(20)]
    own = look(train, pairs, PHOTO).pixels
    for mix in ("mixup", "cutmix"):
        mixed = look(train, pairs, Augment(crop_padding=0, crop_scale=0.35, jitter=0.2, mix=mix))
        other = look(train, [(int(partner), 1) for partner in mixed.partner], PHOTO).pixels
        share = mixed.partner_share[:, None, None, None]
        if mix == "mixup":
            assert torch.allclose(mixed.pixels, torch.lerp(own, other, share), atol=1e-6)
        else:
            pasted = (mixed.pixels == other).all(1)
            assert ((mixed.pixels == own).all(1) | pasted).all()
            assert torch.allclose(pasted.float().mean((1, 2)), mixed.partner_share, atol=0.05)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (Augment(cutout=3), "augment.cutout is for small images"),
        (Augment(crop_padding=8), "can be mirrored by at most 7"),
    ],
)
def test_what_photos_do_not_have_is_refused(images, augment, message):
    with pytest.raises(UserError, match=message):
        look(images["file"].train, [(0, 0)], augment)


@pytest.mark.parametrize(
    ("field", "value"), [("crop_scale", 0.5), ("jitter", 0.5), ("erasing", 0.5), ("trivial", True)]
)
def test_images_in_memory_refuse_what_is_for_photos(field, value):
    with pytest.raises(UserError, match=f"augment.{field} is for folders of photos"):
        look(small.digits().train, [(0, 0)], Augment(crop_padding=0, **{field: value}))


def test_earlier_identities_stay():
    assert Augment().identity.keys() == {
        *("seed", "crop_padding", "padding", "flip", "cutout", "mix", "mix_alpha"),
    }
    assert Augment(jitter=0.1).identity["jitter"] == 0.1
    assert tuple(round(255 * m) for m in (0.485, 0.456, 0.406)) == photo.MEAN_COLOUR
