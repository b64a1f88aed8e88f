"""What several tests share: the digits, networks of a few hundred parameters, recipes that take a second."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from safetensors.torch import save_file

from tutelage import data
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.data.splits import DataSet
from tutelage.methods.kd import KD
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.tap import Tapped
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace

AUGMENT = Augment(crop_padding=1, flip="none")
STUDENT = Model("convnet", options={"widths": [4, 8], "hidden": 8})
TEACHER = Model("convnet", options={"widths": [16, 32], "hidden": 16})
NORMED = Model("resnet8")
"""A network with BatchNorm."""
CPU = Engine(device="cpu", precision="fp32", threads=1)


def workspace(runs: Path) -> Workspace:
    """Runs under a folder, on one thread."""
    return Workspace(runs, engine=CPU)


@lru_cache(maxsize=4)
def digits(part: int = 0) -> DataSet:
    """The digits, read once; `part` of the training images."""
    return data.load(Data("digits", part=part))


def network(model: Model = TEACHER, seed: int = 0) -> Tapped:
    """A network with random weights for the digits."""
    dataset = digits()
    return build(model, DataSpec(10, 1, 8, dataset.mean, dataset.std), seed=seed).eval()


def weights(path: Path, model: Model = TEACHER, seed: int = 0) -> Path:
    """A file of random weights, made larger so that the answers are not nearly uniform."""
    state = {name: tensor.clone() for name, tensor in network(model, seed).network.state_dict().items()}
    for name in state:
        if name.split(".")[0] in ("fc2", "linear"):
            state[name] *= 5
    save_file(state, path)
    return path


def taught(
    folder: Path, *, teacher: Model = TEACHER, storage: str = "float16", live: bool = False, **changes
) -> Recipe:
    """A recipe with a teacher of random weights: 3 epochs of 10 steps unless `changes` say otherwise."""
    file = weights(folder / "teacher.safetensors", teacher)
    spec = TeacherSpec(
        Model(teacher.name, weights=str(file), options=teacher.options),
        live=live,
        storage=storage,  # ty: ignore[invalid-argument-type]
    )
    values = {
        "data": Data("digits"),
        "student": STUDENT,
        "teacher": spec,
        "method": KD(temperature=4.0, alpha=0.9),
        "augment": AUGMENT,
        "fit": Fit(epochs=3, batch_size=128, learning_rate=0.05),
        "views": 2,
    }
    return Recipe(**values | changes)


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Equal names, and equal bits under each."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def photos(folder: Path, images: int = 20, splits: tuple[str, ...] = (), size: tuple[int, int] = (12, 10)) -> Path:
    """A folder of noisy PNGs in three classes that differ in colour; the same `images` of each class in every split."""
    generator = np.random.default_rng(0)
    for split in splits or (".",):
        for colour, name in enumerate(("blue", "green", "red")):
            (folder / split / name).mkdir(parents=True)
            for number in range(images):
                pixels = generator.integers(0, 100, (*size, 3), dtype=np.uint8)
                pixels[:, :, 2 - colour] += 120
                Image.fromarray(pixels).save(folder / split / name / f"{number:02d}.png")
    return folder


def bursts(folder: Path, every: int = 2) -> Path:
    """Real photos: pieces of the two that scikit-learn ships, a class each; of every second one a burst of six.

    Files are called PHOTO_SHOT.jpg; the shots of one photo are itself, shifted, zoomed, brighter, darker and blurred.
    """
    from sklearn.datasets import load_sample_images

    side, room = 80, 13
    for name, whole in zip(("china", "flower"), load_sample_images().images, strict=True):
        (folder / name).mkdir(parents=True)
        pieces = [whole[y : y + 106, x : x + 106] for y in range(0, 320, 106) for x in range(0, 530, 106)]
        pieces = [piece for piece in pieces if piece.mean(2).std() > 8]  # no empty sky
        for number, piece in enumerate(pieces):
            photo = Image.fromarray(piece)
            middle = photo.crop((room, room, room + side, room + side))
            shots = [middle] if number % every else [middle, *_shots(photo, middle, room, number)]
            for shot, picture in enumerate(shots):
                picture.save(folder / name / f"{number:04d}_{shot:04d}.jpg", quality=90)
    return folder


def _shots(photo: Image.Image, middle: Image.Image, room: int, number: int) -> list[Image.Image]:
    side, off = middle.width, 4 + number % 5
    inner = middle.crop((off, off, side - off, side - off))
    return [
        photo.crop((room + off, room - off // 2, room + off + side, room - off // 2 + side)),
        inner.resize(middle.size, Image.Resampling.BICUBIC),
        ImageEnhance.Brightness(middle).enhance(1.35),
        ImageEnhance.Brightness(middle).enhance(0.6),
        middle.filter(ImageFilter.GaussianBlur(1.2)),
    ]
