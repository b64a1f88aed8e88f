"""Holds the built-in recipes, one function each; `tutelage recipe NAME` writes them as TOML."""

from dataclasses import replace
from typing import Any

from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods.base import Method
from tutelage.methods.finding import find_method
from tutelage.models import Model
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec


def _kd(temperature: float, alpha: float = 0.9) -> Method:
    numbers: dict[str, Any] = {"temperature": temperature, "alpha": alpha}
    return find_method("kd")(**numbers)


def digits() -> Recipe:
    """Seconds: three epochs, in which a student that is taught learns faster than one alone."""
    return Recipe(
        data=Data("digits"),
        student=Model("resnet8"),
        teacher=TeacherSpec(
            Model("resnet20"), tune="full", fit=Fit(epochs=15, batch_size=64, learning_rate=0.1, weight_decay=5e-4)
        ),
        method=_kd(temperature=4.0, alpha=0.9),
        augment=Augment(crop_padding=1, flip="none"),
        fit=Fit(epochs=3, batch_size=64, learning_rate=0.1, weight_decay=1e-4),
    )


def cifar10() -> Recipe:
    """About ten minutes a student on one core; the teacher is trained first unless its weights are given.

    Optimiser and temperature: docs/results/optimizers.md.
    """
    return Recipe(
        data=Data("cifar10"),
        student=Model("resnet8"),
        teacher=TeacherSpec(Model("resnet56"), tune="full", fit=Fit(epochs=120, batch_size=128, learning_rate=0.1)),
        method=_kd(temperature=8.0, alpha=0.9),
        fit=_by_muon(epochs=20),
    )


def _by_muon(epochs: int) -> Fit:
    return Fit(epochs, 128, optimizer="muon", learning_rate=0.05, weight_decay=0.01, schedule="linear")


def mlperf_tiny() -> Recipe:
    """The network that microcontrollers are measured with; three quarters of an hour on one core.

    Optimiser and temperature: docs/results/ninety.md; with 200 epochs and 16 views: docs/results/headline.md.
    """
    teacher = TeacherSpec(Model("resnet20"), tune="full", fit=Fit(epochs=120, batch_size=128, learning_rate=0.1))
    return replace(cifar10(), student=Model("mlperf_tiny_resnet8"), teacher=teacher, fit=_by_muon(epochs=60))


def cifar100() -> Recipe:
    """The same for a hundred classes, at the temperature of the literature; not measured."""
    return replace(cifar10(), data=Data("cifar100"), method=_kd(temperature=4.0), fit=_by_muon(epochs=30))


def fashion_mnist() -> Recipe:
    """28 x 28 grey."""
    small = Model("convnet", options={"widths": [8, 16], "hidden": 16})
    teacher = TeacherSpec(Model("resnet20"), tune="full", fit=Fit(epochs=20, batch_size=128, learning_rate=0.1))
    return Recipe(
        data=Data("fashion_mnist"),
        student=small,
        teacher=teacher,
        method=_kd(temperature=4.0),
        augment=Augment(crop_padding=2),
        fit=Fit(epochs=30, batch_size=128, learning_rate=0.1, weight_decay=1e-4),
    )


_TUTORIALS = Fit(
    epochs=20, batch_size=64, optimizer="adam", learning_rate=1e-3, weight_decay=0.0, schedule="constant", warm_up=0.0
)


def tutorial() -> Recipe:
    """The student, temperature, share and optimiser of the popular tutorial, on 32-pixel images."""
    return replace(cifar10(), student=Model("convnet"), method=_kd(temperature=1.0, alpha=0.5), fit=_TUTORIALS)


def article() -> Recipe:
    """The popular tutorial whole, as it was meant: docs/guides/article.md goes through it line by line.

    Without augmentation every view is the image itself, so one view says all; only the teacher's head is trained, so
    its backbone sees every image once.
    """
    resnet50 = Model("torchvision:resnet50", weights="pretrained", size=224)
    return replace(
        tutorial(),
        student=Model("convnet", size=224),
        teacher=TeacherSpec(resnet50, tune="head", fit=replace(_TUTORIALS, epochs=10)),
        augment=Augment(crop_padding=0, flip="none"),
        views=1,
    )


def article_fast() -> Recipe:
    """`article` with the student at the images' own 32 pixels."""
    return replace(article(), student=Model("convnet"))


def visual_wake_words() -> Recipe:
    """MLPerf Tiny's person detection, taught: its network and its 96 pixels; the table is of `data wake-words`."""
    return Recipe(
        data=Data("visual_wake_words.csv", size=96),
        student=Model("mobilenet_v1", options={"width": 0.25}),
        teacher=TeacherSpec(
            Model("timm:resnet50", weights="pretrained"),
            tune="head",
            fit=Fit(epochs=10, batch_size=64, learning_rate=0.01, weight_decay=1e-4),
        ),
        method=_kd(temperature=4.0, alpha=0.9),
        augment=Augment(crop_padding=0, crop_scale=0.35, jitter=0.2),
        fit=Fit(epochs=60, batch_size=32, learning_rate=0.05, weight_decay=1e-4, clip_norm=1.0),
    )
