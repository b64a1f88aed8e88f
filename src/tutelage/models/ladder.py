"""Lists students for microcontrollers by what they take, and chooses the largest that fits a chip.

ladder.json beside it is measured by `python benchmarks/ladder.py`: every file was made by `--format mcu` from initial
weights (the numbers do not depend on weights) and run by TensorFlow Lite Micro. Imports no torch.
"""

import json
import re
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from tutelage.edge.bytes import Budget
from tutelage.errors import UserError
from tutelage.models import MODELS, Model

SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sides in pixels at which the rungs were measured."""
CLASSES = 10
"""With which they were."""
WIDTHS: dict[str, tuple[float, ...]] = {
    "resnet8": (8, 16, 24, 32, 48),
    "ds_cnn": (32, 64, 128),
    "mobilenet_v1": (0.25, 0.5, 0.75, 1.0),
}
"""Our own networks by width."""
DEFAULTS = {"resnet8": 16, "ds_cnn": 64, "mobilenet_v1": 1.0}
"""Their widths where none is given."""
LARGEST = 4_000_000
"""Parameters: what a larger network takes of a microcontroller is nobody's question."""
LEAST = 4096
"""Bytes: a budget below it was written without its unit."""
A_CLASS = ("model", "ram", "macs")
"""What one class more takes: bytes of the model and of the arena, and multiply-accumulates."""
OTHERS = (
    "timm:mobilenetv2_035",
    "timm:mobilenetv2_050",
    "timm:mobilenetv2_075",
    "timm:mobilenetv2_100",
    "timm:tf_efficientnet_lite0",
)
"""Networks with published weights; MobileNetV2 by width in percent."""


class Rung(NamedTuple):
    """A student at one input size, as a file of 8 bits for microcontrollers."""

    model: Model
    size: int
    """Side of its input in pixels, 3 channels."""
    flash: int
    """Bytes of the model, and of the operators' code: the latter are an estimate."""
    ram: int
    """Bytes of the tensor arena, with 64-bit pointers."""
    macs: int
    """Multiply-accumulates of an image."""

    def fits(self, budget: Budget) -> bool:
        """Whether both are there."""
        return self.flash <= budget.flash and self.ram <= budget.ram

    @property
    def name(self) -> str:
        """As a person writes it: resnet8, width 24."""
        return called(self.model)


class Choice(NamedTuple):
    """A rung that fits, between its neighbours by multiply-adds."""

    rung: Rung
    smaller: Rung | None
    """The next that fits; None: there is none."""
    larger: Rung | None
    """The next, which does not fit; None: there is none."""


def called(model: Model) -> str:
    """A network and its options in words."""
    shown = {name: f"{value:g}" if isinstance(value, int | float) else value for name, value in model.options.items()}
    return ", ".join([model.name, *(f"{name} {value}" for name, value in shown.items())])


def models() -> list[Model]:
    """The networks of the ladder."""
    own = [Model(name, options={"width": width}) for name, widths in WIDTHS.items() for width in widths]
    return own + [Model(name) for name in OTHERS]


def rungs(size: int, classes: int = CLASSES) -> list[Rung]:
    """The ladder for images of one size, by multiply-adds.

    Args:
        size: Side in pixels. Between two sizes that were measured, the numbers are the larger one's: an upper bound.
        classes: How many.

    Raises:
        UserError: the images are larger than all that was measured.
    """
    if size > SIZES[-1]:
        raise UserError(
            f"the ladder of students ends at images of {SIZES[-1]} pixels, and these have {size}",
            f"--data.size {SIZES[-1]} or less; --student takes any network",
        )
    measured_at = next(pixels for pixels in SIZES if pixels >= size)
    measured_rungs = [rung for model in models() if (rung := measured(model, measured_at, classes))]
    return sorted(measured_rungs, key=lambda rung: (rung.macs, rung.flash))


def measured(model: Model, size: int, classes: int = CLASSES) -> Rung | None:
    """What was measured of a network; None where it was not, or where TensorFlow Lite Micro lacks an operator of it.

    Args:
        model: Its name and options count.
        size: Side in pixels, of `SIZES`.
        classes: How many.
    """
    options = model.options or ({"width": DEFAULTS[model.name]} if model.name in DEFAULTS else {})
    row = _table().get(called(Model(model.name, options=options)), {})
    numbers = row.get("sizes", {}).get(str(size))
    if numbers is None or ("class" not in row and classes != CLASSES):
        return None
    more = {name: count * (classes - CLASSES) for name, count in row.get("class", dict.fromkeys(A_CLASS, 0)).items()}
    flash, ram = numbers["model"] + numbers["code"] + more["model"], numbers["head"] + numbers["tail"] + more["ram"]
    return Rung(model, size, flash, ram, numbers["macs"] + more["macs"])


def why_not(model: Model) -> str:
    """Why nothing is known of what a network takes, in a word or two."""
    lacks = _table().get(called(model), {}).get("lacks", "")
    lacking = re.findall(r"([A-Z][A-Z0-9_]+) \(of ", lacks)
    if lacks:
        return f"lacks {', '.join(lacking)}" if lacking else "not converted"
    return "too large" if model.name in MODELS and _is_large(model.name) else "not measured"


def choose(budget: Budget, size: int, classes: int) -> Choice:
    """The rung with the most multiply-adds that fits, which says nothing of accuracy.

    Args:
        budget: What the chip has for it.
        size: Side of the images in pixels.
        classes: How many.

    Raises:
        UserError: nothing fits; with the smallest need, and the size at which something would fit.
    """
    ladder = rungs(size, classes)
    fitting = [rung for rung in ladder if rung.fits(budget)]
    if not fitting:
        raise UserError(*_nothing_fits(budget, size, classes, ladder))
    chosen = fitting[-1]
    larger = next(iter(ladder[ladder.index(chosen) + 1 :]), None)
    return Choice(chosen, fitting[-2] if len(fitting) > 1 else None, larger)


def _nothing_fits(budget: Budget, size: int, classes: int, ladder: list[Rung]) -> tuple[str, str]:
    flash, ram = min(ladder, key=lambda rung: rung.flash), min(ladder, key=lambda rung: rung.ram)
    smaller = [
        pixels for pixels in SIZES if pixels < size and any(rung.fits(budget) for rung in rungs(pixels, classes))
    ]
    message = (
        f"nothing of the ladder fits {budget} with images of {size} pixels: least flash {flash.flash:,} bytes "
        f"({flash.name}), least RAM {ram.ram:,} bytes ({ram.name})"
    )
    if max(budget) < LEAST:
        return message, f"{budget} is in bytes: {budget.flash}k/{budget.ram}k is in units of 1,024"
    return message, f"--data.size {smaller[-1]} fits" if smaller else "a chip with more memory, or fewer classes"


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = resources.files("tutelage.models").joinpath("ladder.json").read_text(encoding="utf-8")
    return json.loads(text)["networks"]


def every() -> list[Model]:
    """The networks of the ladder, and those of MODELS that are not too large, at the first of `SIZES` alone."""
    return models() + [Model(name) for name in MODELS if name not in WIDTHS and not _is_large(name)]


def _is_large(name: str) -> bool:
    return MODELS[name].parameters * 1e6 > LARGEST
