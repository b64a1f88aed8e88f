"""What was validated is what a device sees: a run's stored answers on val, and `predict` on the very files."""

import itertools
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import small
from tutelage import data
from tutelage.cli import main
from tutelage.data import Data, index
from tutelage.edge.pixels import read_picture
from tutelage.edge.runtimes import open_file
from tutelage.export import export
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.training import predictions
from tutelage.training.loop import train

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "deploy" / "classify.py"
SIDE = 16
CLASSES = ("one", "two")
KINDS = {"jpg": {"quality": 92}, "png": {}, "webp": {"quality": 90}, "avif": {"quality": 90}, "tif": {}}
SIZES = [(16, 16), (11, 16), (9, 14), (70, 41), (41, 70), (96, 64), (131, 130)]
"""Equal to the input, smaller, larger; even and odd sides, an odd difference of the sides among them."""


def drawn(size: tuple[int, int], seed: int) -> Image.Image:
    """Coloured areas with hard edges and a little noise: what another crop or filter would show otherwise."""
    generator = np.random.default_rng(seed)
    areas = generator.integers(0, 256, (5, 4, 3), np.uint8)
    shown = np.asarray(Image.fromarray(areas).resize(size, Image.Resampling.NEAREST), np.int16)
    return Image.fromarray(np.clip(shown + generator.integers(-20, 21, shown.shape), 0, 255).astype(np.uint8))


def turned(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def written(folder: Path) -> list[Path]:
    """One file of every kind, in turn of both classes."""
    numbers = itertools.count()

    def save(picture: Image.Image, ending: str, **more) -> None:
        number = next(numbers)
        picture.save(folder / CLASSES[number % 2] / f"{number:03}.{ending}", **more)

    for ending, size in itertools.product(KINDS, SIZES):
        save(drawn(size, next(numbers)), ending, **KINDS[ending])
    for ending, orientation in itertools.product(("jpg", "png", "webp"), range(1, 9)):
        save(drawn((50, 37), orientation), ending, exif=turned(orientation), **KINDS[ending])
    wide = drawn((77, 40), 1)
    for ending in KINDS:
        save(wide.convert("L"), ending, **KINDS[ending])
    for ending in ("jpg", "tif"):
        save(wide.convert("CMYK"), ending)
    shade = Image.linear_gradient("L").resize(wide.size)
    for ending in ("png", "webp", "avif", "tif"):
        save(Image.merge("RGBA", (*wide.split(), shade)), ending)
    save(Image.merge("LA", (wide.convert("L"), shade)), "png")
    save(wide.quantize(17), "png")
    save(wide.quantize(17), "gif")
    save(wide.quantize(17), "png", transparency=3)
    save(wide.convert("1"), "png")
    deep = np.asarray(wide.convert("L"), np.uint16) * 257
    for ending in ("png", "tif"):
        save(Image.fromarray(deep), ending)
    return sorted(folder.rglob("*.*"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("same")
    for split, name in itertools.product(("train", "val", "test"), CLASSES):
        (root / "photos" / split / name).mkdir(parents=True)
        # More red or more blue: what is learnt makes the answers to val differ.
        tint = Image.new("RGB", (40, 30), "red" if name == "one" else "blue")
        for number in range(0 if split == "val" else 8):
            path = root / "photos" / split / name / f"0{number}.png"
            Image.blend(drawn((40, 30), number), tint, 0.2).save(path)
    assert len(written(root / "photos" / "val")) > 75
    recipe = Recipe(
        data=Data(str(root / "photos"), size=SIDE),
        student=small.STUDENT,
        augment=small.AUGMENT,
        fit=Fit(epochs=12, batch_size=4),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUTELAGE_CACHE", str(root / "cache"))
        done = train(recipe, small.workspace(root / "runs"))
        told = export(done, data.load(recipe.data), ("onnx", "onnx-int8"), force=True)
        dataset = data.load(recipe.data)
        yield done, dataset, told


def test_the_answers_to_files_are_those_of_validation(run, capsys):
    done, dataset, _ = run
    sound = index.read(dataset.data.name).sound
    files = [Path(dataset.data.name) / sound[i].place.file for i in dataset.val_positions.tolist()]
    stored = predictions.on_val(done, dataset).logits.numpy()
    student = open_file(done.path / "student.onnx")
    said = np.concatenate([student.infer(read_picture(path, student.card())) for path in files])
    apart = np.abs(said - stored).max(1)
    assert apart.max() < 1e-3, files[int(apart.argmax())]
    main(["predict", str(done.path), *map(str, files), "--json"])
    best = [one["top"][0]["class"] for one in json.loads(capsys.readouterr().out)]
    assert best == [dataset.classes[i] for i in stored.argmax(1)]
    assert len(set(best)) == 2, "a network that always says the same shows nothing"


def test_every_pixel_is_the_same(run):
    """To `predict`, and to the example in Python."""
    _, dataset, _ = run
    example = runpy.run_path(str(EXAMPLE))
    sound = index.read(dataset.data.name).sound
    card = open_file(run[0].path / "student.onnx").card()
    asked = json.loads((run[0].path / "card.json").read_text())["input"]
    for i, position in enumerate(dataset.val_positions.tolist()):
        path = Path(dataset.data.name) / sound[position].place.file
        seen = dataset.val.plain(torch.tensor([i])).contiguous().numpy()
        assert np.array_equal(seen, read_picture(path, card)), path
        assert np.array_equal(seen, example["prepared"](path, asked)), path


def test_the_export_says_so(run):
    _, dataset, told = run
    for name, one in told.items():
        again = one["from_files"]
        assert (again["images"], again["changed"], again["wrong"]) == (len(dataset.val), 0, 0), name
        assert again["top1"] == one["val_top1"]
