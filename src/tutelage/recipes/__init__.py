"""The built-in recipes: functions that return a complete Recipe. RECIPES is the only list."""

from collections.abc import Callable
from dataclasses import replace

from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.optim import Fit
from tutelage.recipe import Recipe, TeacherSpec


def digits() -> Recipe:
    """Handwritten digits, 8 x 8: a convnet taught by a wider one, in seconds."""
    return Recipe(
        data=Data("digits"),
        student=Model("convnet", options={"widths": [4, 8], "hidden": 8}),
        teacher=TeacherSpec(
            Model("convnet", options={"widths": [32, 64], "hidden": 64}),
            tune="full",
            fit=Fit(epochs=30, batch_size=64, optimizer="adam", learning_rate=3e-3, weight_decay=0.0),
        ),
        method=KD(temperature=4.0, alpha=0.9),
        augment=Augment(crop_padding=1, flip="none"),
        fit=Fit(epochs=20, batch_size=64, optimizer="adam", learning_rate=5e-3, weight_decay=0.0),
    )


def cifar10() -> Recipe:
    """CIFAR-10: resnet8 taught by resnet56."""
    return Recipe(
        data=Data("cifar10"),
        student=Model("resnet8"),
        teacher=TeacherSpec(Model("resnet56"), tune="full", fit=Fit(epochs=120, batch_size=128, learning_rate=0.1)),
        method=KD(temperature=4.0, alpha=0.9),
        augment=Augment(),
        fit=Fit(epochs=30, batch_size=128, learning_rate=0.1, weight_decay=1e-4),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "digits": digits,
    "cifar10": cifar10,
}
