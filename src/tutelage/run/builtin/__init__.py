"""Lists the built-in recipes; RECIPES is the only list, and each is a function of `recipes` that returns a Recipe."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.data import Data
from tutelage.errors import UserError, unknown

if TYPE_CHECKING:
    from tutelage.run.recipe import Recipe

RECIPES = {
    "digits": "handwritten digits, 8 x 8: resnet8 taught by resnet20 for three epochs, in a minute",
    "cifar10": "CIFAR-10: resnet8 taught by resnet56",
    "cifar100": "CIFAR-100: resnet8 taught by resnet56",
    "mlperf_tiny": "CIFAR-10: MLPerf Tiny's ResNet-8 taught by resnet20, patiently",
    "visual_wake_words": "photos with and without a person (tutelage data wake-words): MobileNetV1 0.25 at 96 pixels",
    "fashion_mnist": "Fashion-MNIST: a small convnet taught by resnet20",
    "tutorial": "CIFAR-10: the popular tutorial's student and numbers (convnet, T = 1, alpha = 0.5), done right",
    "article": "that with its teacher, ImageNet's ResNet-50 under a new head; both see 224 pixels",
    "article_fast": "article with the student at the images' own 32 pixels",
}

ENDINGS = (".json", ".toml", ".yaml", ".yml")
"""Of files that are recipes, or meant to be: YAML is refused as a recipe, not as images."""


def built_in(name: str) -> "Recipe":
    """A built-in recipe.

    Raises:
        UserError: there is none of that name; the hint names the nearest.
    """
    if name not in RECIPES:
        folders = [path.name for path in Path().iterdir() if path.is_dir() and not path.name.startswith(".")]
        error = unknown("recipe", name, [*RECIPES, *folders], "tutelage list recipes")
        raise UserError(f"{error.message}, and no file or folder of that name is here", error.hint)
    return getattr(importlib.import_module("tutelage.run.builtin.recipes"), name)()


def is_short_for_photos(name: str) -> bool:
    """Whether a name is a path of images, and not a recipe's file or a run."""
    path = Path(name)
    return Data(name).is_path and path.suffix.lower() not in ENDINGS and not (path / "recipe.json").is_file()


def read(name: str) -> "Recipe":
    """A recipe by the name of a built-in one, a TOML or JSON file, a run's folder, or the path of its images.

    Raises:
        UserError: there is none of that name, or the file does not hold a recipe.
    """
    from tutelage.run.recipe import from_file

    path = Path(name)
    if path.is_dir() and (path / "recipe.json").is_file():
        path = path / "recipe.json"
    elif is_short_for_photos(name):
        from tutelage.run.builtin.photos import photos

        return photos(name)
    if path.suffix.lower() in ENDINGS or path.is_file():
        return from_file(path)
    return built_in(name)
