"""Makes one view of one photo: the transforms of torchvision, each drawing from a generator seeded by the address.

The seed of a transform is the address and its name, so switching one on or off leaves what the others draw as it was.
Sources: random resized crop Szegedy et al. 2015, arXiv:1409.4842; TrivialAugment Mueller & Hutter 2021,
arXiv:2103.10158; random erasing Zhong et al. 2020, arXiv:1708.04896.
Departures: erased boxes show the mean colour of ImageNet; jitter leaves the hue alone.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from tutelage import rng
from tutelage.data.augment import Augment
from tutelage.errors import UserError

MEAN_COLOUR = (124, 116, 104)
"""ImageNet's, of 255."""
Photo = UInt8[Tensor, "3 _ _"]


def centred(photo: Photo, side: int) -> Photo:
    """The largest square in the middle, resized: what an unaugmented photo shows."""
    height, width = photo.shape[1:]
    if height == width == side:
        return photo
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return F.resized_crop(photo, top, left, square, square, [side, side], antialias=True)


def views(
    photos: Callable[[int], Photo],
    sample: Int64[Tensor, " B"],
    view: Int64[Tensor, " B"],
    augment: Augment,
    side: int,
) -> UInt8[Tensor, "B 3 side side"]:
    """Photos under their addresses, nothing mixed in.

    Args:
        photos: The photo of a sample.
        sample: Positions.
        view: View numbers.
        augment: Which views exist.
        side: Of the views, in pixels.

    Raises:
        UserError: the views are too small for the padding, or `augment` asks for what photos do not have.
    """
    _check(augment, side)
    stages = _stages(augment, side)
    seeds = [_seeds(augment.seed, sample, view, purpose) for purpose, _ in stages]
    if augment.flip == "alternate":
        first = rng.uniform(rng.key(augment.seed, sample, "flip"), 1)[:, 0] < 0.5
        mirrored = (first ^ (view % 2 == 1)).tolist()
    else:
        mirrored = [False] * len(sample)
    shown = []
    with rng.seeded(0):
        for i, number in enumerate(sample.tolist()):
            photo = photos(number)
            photo = photo if augment.crop_scale else centred(photo, side)
            for seed, (_, transform) in zip(seeds, stages, strict=True):
                torch.default_generator.manual_seed(seed[i])
                photo = transform(photo)
            shown.append(F.horizontal_flip(photo) if mirrored[i] else photo)
    return torch.stack(shown)


@lru_cache(maxsize=8)
def _stages(augment: Augment, side: int) -> tuple[tuple[str, Any], ...]:
    stages: list[tuple[str, Any]] = []
    colour: Any = list(MEAN_COLOUR)  # the annotation in torchvision forgets lists
    if augment.crop_scale:
        stages.append(("crop", v2.RandomResizedCrop(side, scale=(augment.crop_scale, 1.0), antialias=True)))
    elif augment.crop_padding:
        mode = "reflect" if augment.padding == "reflect" else "constant"
        stages.append(("crop", v2.RandomCrop(side, padding=augment.crop_padding, padding_mode=mode)))
    if augment.flip == "random":
        stages.append(("flip", v2.RandomHorizontalFlip()))
    if augment.jitter:
        stages.append(("jitter", v2.ColorJitter(augment.jitter, augment.jitter, augment.jitter)))
    if augment.trivial:
        stages.append(("trivial", v2.TrivialAugmentWide()))
    if augment.erasing:
        stages.append(("erasing", v2.RandomErasing(augment.erasing, value=colour)))
    return tuple(stages)


def _seeds(seed: int, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], purpose: str) -> list[int]:
    return ((rng.key(seed, sample, view, purpose) >> 1) & ((1 << 62) - 1)).tolist()


def _check(augment: Augment, side: int) -> None:
    if augment.cutout:
        raise UserError("augment.cutout is for small images in memory", "use augment.erasing for photos")
    if not augment.crop_scale and augment.padding == "reflect" and augment.crop_padding >= side:
        raise UserError(
            f"augment.crop_padding is {augment.crop_padding}, but photos of {side} pixels can be mirrored by at most "
            f"{side - 1}",
            "choose a smaller crop_padding, or augment.crop_scale",
        )
