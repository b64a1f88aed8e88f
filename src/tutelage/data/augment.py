"""Holds the settings by which views are drawn: random crops, flips, erasures and mixtures.

The draws themselves are made where the pixels are (`memory.py`, `photo.py`): a view is a pure function of
(augment.seed, sample, view number) and of the settings here.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from tutelage.errors import UserError

LATER = ("crop_scale", "jitter", "trivial", "erasing")
"""Fields for photos, whose views are made image by image (`photo.py`)."""


@dataclass(frozen=True)
class Augment:
    """Which views exist: part of every cache's identity."""

    seed: int = 0
    """Decides which views are drawn; shared by all runs of a study, apart from a run's own seed."""
    crop_padding: int = 4
    """Pixels added on each side before a random crop of the original size; 0: no crop."""
    padding: Literal["reflect", "zero"] = "reflect"
    """What the added pixels show: the image mirrored at its border (the border pixel not repeated), or black."""
    flip: Literal["random", "alternate", "none"] = "random"
    """Mirror left and right: by a coin per view; by a coin for view 0 and alternating from there (airbench); never."""
    cutout: int = 0
    """Side in pixels of the square painted over with the images' mean colour, clipped at the border; 0: none."""
    mix: Literal["none", "mixup", "cutmix"] = "none"
    """Mix in the same view of a second image: mixup blends the pixels, CutMix pastes a box."""
    mix_alpha: float = 1.0
    """The second image's share is drawn from Beta(mix_alpha, mix_alpha), above 0; 1: uniform, smaller: more extreme."""
    crop_scale: float = 0.0
    """Photos: a random crop of this share of the area or more, resized (instead of crop_padding); 0: none."""
    jitter: float = 0.0
    """Photos: brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter each."""
    trivial: bool = False
    """Photos: one operation of TrivialAugment, at any strength (Mueller & Hutter 2021)."""
    erasing: float = 0.0
    """Photos: how often a box of 2 to 33 % of the area is painted over with the mean colour, in [0, 1]."""

    def __post_init__(self) -> None:
        """Raises UserError where a value is out of range; what an image's size allows is checked with the images."""
        for name in ("crop_padding", "cutout"):
            if getattr(self, name) < 0:
                raise UserError(f"augment.{name} is {getattr(self, name)}, expected 0 or more pixels", "0 turns it off")
        for field in fields(self):
            allowed, value = get_args(field.type), getattr(self, field.name)
            if allowed and value not in allowed:
                raise UserError(f'augment.{field.name} is "{value}"', "expected one of: " + ", ".join(allowed))
        for name in ("crop_scale", "jitter", "erasing"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"augment.{name} is {getattr(self, name):g}, expected 0 to 1", "0 turns it off")
        if not 0 < self.mix_alpha < float("inf"):
            raise UserError(f"augment.mix_alpha is {self.mix_alpha:g}, expected a number above 0", "1 draws uniformly")

    @property
    def identity(self) -> dict[str, Any]:
        """Its fields as JSON values; those that came later only where they are used: no earlier view changes."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in LATER or self.uses(f.name)}

    def uses(self, name: str) -> bool:
        """Whether a field differs from its default."""
        return getattr(self, name) != type(self).__dataclass_fields__[name].default
