"""Splits of a path: as it says, or carved by class; the test split behind the turnstile."""

import dataclasses
import os
import shutil
from collections import Counter

import pytest
import torch
from PIL import Image

import small
from tutelage import data
from tutelage.data import Data, index, photos
from tutelage.data.augment import Augment
from tutelage.data.test_split import open_test, openings, positions
from tutelage.errors import UserError
from tutelage.run.network import build_for
from tutelage.run.recipe import Recipe
from tutelage.teacher import asking, cache
from tutelage.teacher.identity import identity


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.photos(tmp_path_factory.mktemp("folder") / "colours", images=20)


def shas(told, positions):
    return {told.sound[i].facts.sha for i in positions.tolist()}


def parts(told, asked) -> dict[str, torch.Tensor]:
    """All three, by name."""
    return photos.pieces(told, asked)._asdict() | {"test": positions(told, asked)}


def test_without_splits_both_are_carved_by_class(folder):
    told = index.read(str(folder))
    cut = parts(told, Data(str(folder)))
    assert {name: len(part) for name, part in cut.items()} == {"train": 43, "val": 5, "test": 12}
    assert len(set().union(*(part.tolist() for part in cut.values()))) == 60
    for part in cut.values():
        counts = Counter(told.sound[i].place.label for i in part.tolist())
        assert max(counts.values()) - min(counts.values()) <= 1


def test_splits_that_are_there_are_kept(tmp_path):
    made = small.photos(tmp_path, images=6, splits=("train", "val", "test"))
    told = index.read(str(made))
    for name, part in parts(told, Data(str(made))).items():
        assert {told.sound[i].place.split for i in part.tolist()} == {name}
        assert len(part) == 18
    loaded = data.load(Data(str(made)))
    assert len(loaded.train) == len(loaded.val) == 18


def test_a_split_that_is_absent_is_carved_from_train(tmp_path):
    made = small.photos(tmp_path, images=20, splits=("train", "test"))
    told = index.read(str(made))
    cut = photos.pieces(told, Data(str(made)))
    assert [len(part) for part in cut] == [54, 6]
    assert len(positions(told, Data(str(made)))) == 60
    assert {told.sound[i].place.split for i in torch.cat([cut.train, cut.val]).tolist()} == {"train"}


def test_the_data_set_is_what_the_files_hold(folder):
    loaded = data.load(Data(str(folder)))
    assert loaded.name == "colours"
    assert loaded.classes == ("blue", "green", "red")
    assert loaded.train.shape == (3, 10, 10)
    for split in (loaded.train, loaded.val):
        pixels = split.plain(torch.arange(len(split)))
        brightest = pixels.mean((2, 3)).argmax(1)
        assert torch.equal(brightest, 2 - split.labels)


def test_a_smaller_part_lies_in_a_larger(folder):
    parts = [set(data.load(Data(str(folder), part=part)).train_positions.tolist()) for part in (6, 20, 0)]
    assert parts[0] < parts[1] < parts[2]
    labels = data.load(Data(str(folder), part=6)).train.labels
    assert labels.bincount().tolist() == [2, 2, 2]
    with pytest.raises(UserError, match="expected 3 to 43 training images"):
        data.load(Data(str(folder), part=44))


def test_the_test_split_opens_on_the_record(folder, tmp_path):
    loaded = data.load(Data(str(folder)))
    test = open_test(loaded, tmp_path / "ledger.jsonl", run="r", reason="because")
    assert len(test) == 12
    assert len(openings(tmp_path / "ledger.jsonl")) == 1
    told = index.read(str(folder))
    cut, aside = photos.pieces(told, Data(str(folder))), positions(told, Data(str(folder)))
    assert not shas(told, aside) & shas(told, torch.cat([cut.train, cut.val]))
    assert torch.equal(test.labels, photos.labels_of(told.sound.take(aside.numpy()), told.classes))
    with pytest.raises(UserError, match=r"photos.set_aside was asked for test images"):
        photos.set_aside(told, Data(str(folder)))


def test_a_broken_file_stops_or_is_left_out(tmp_path):
    made = small.photos(tmp_path, images=20)
    before = data.load(Data(str(made)))
    (made / "red" / "zz.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1 of 61 images cannot be used: red/zz.jpg: not an image of a known format"):
        data.load(Data(str(made)))
    assert data.load(Data(str(made), on_bad="skip")).digest == before.digest


def test_a_recipe_is_named_by_content(folder, tmp_path):
    recipe = Recipe(data=Data(str(folder)))
    moved = tmp_path / "colours"
    shutil.copytree(folder, moved)
    assert dataclasses.replace(recipe, data=Data(str(moved))).name == recipe.name
    assert recipe.name.startswith("colours-baseline-resnet8-s0-")
    Image.new("RGB", (10, 10), "red").save(moved / "red" / "new.png")
    assert dataclasses.replace(recipe, data=Data(str(moved))).name != recipe.name


def test_a_teacher_says_the_same_of_photos_that_workers_made(folder, tmp_path, monkeypatch):
    dataset = data.load(Data(str(folder), size=8))
    teacher = build_for(small.STUDENT, dataset, 0)
    kept = []
    for workers in (0, 2):
        monkeypatch.setattr(asking, "workers_beside", lambda device, workers=workers: workers)
        monkeypatch.setattr(asking, "FILL_BATCH", 16)
        manifest = identity(teacher, "t", dataset.train, Augment(crop_padding=0), "fp32", "float32")
        filled = cache.TeacherCache(tmp_path / str(workers), manifest)
        assert filled.fill(teacher, dataset.train, Augment(crop_padding=0), [0, 1]) == 2 * 43
        kept.append({path.name + path.parent.name: path.read_bytes() for path in filled.folder.rglob("*.npy")})
    assert len(kept[0]) == 2
    assert kept[0] == kept[1]


def test_another_size_is_another_cache(folder):
    one, other = (data.load(Data(str(folder), size=size)) for size in (8, 6))
    assert one.train.shape == (3, 8, 8)
    assert one.train.digest != other.train.digest


def test_a_file_that_changed_under_a_run_is_named(folder, tmp_path):
    moved = tmp_path / "colours"
    shutil.copytree(folder, moved)
    loaded = data.load(Data(str(moved), keep="none"))
    for file in moved.rglob("*.png"):
        os.truncate(file, 50)
    with pytest.raises(UserError, match="could be read before, and cannot now"):
        loaded.train.plain(torch.tensor([0]))


@pytest.mark.parametrize(
    ("splits", "images", "message"),
    [((), 2, "6 images of 3 classes are too few to set 20 % of them aside for test"),
     (("train", "val", "test"), 0, "there are no images in")],
)  # fmt: skip
def test_too_few_images_are_named(tmp_path, splits, images, message):
    with pytest.raises(UserError, match=message):
        data.load(Data(str(small.photos(tmp_path, images=images, splits=splits))))


def test_a_class_that_is_not_in_train_is_named(tmp_path):
    made = small.photos(tmp_path, images=20, splits=("train", "test"))
    shutil.rmtree(made / "train" / "red")
    with pytest.raises(UserError, match="no training image of red"):
        data.load(Data(str(made)))


def test_one_class_is_named(tmp_path):
    made = small.photos(tmp_path, images=4)
    for name in ("red", "green"):
        shutil.rmtree(made / name)
    with pytest.raises(UserError, match="has 1 class: blue"):
        data.load(Data(str(made)))


def test_classes_of_which_no_image_can_be_used_are_not_said_to_lack_a_folder(tmp_path):
    made = small.photos(tmp_path, images=4)
    for name in ("red", "green"):
        for file in (made / name).iterdir():
            file.write_bytes(b"")
    with pytest.raises(
        UserError, match="has 1 class: blue\nnote: 8 images cannot be used; the first is green/"
    ) as error:
        data.load(Data(str(made), on_bad="skip"))
    assert error.value.hint.startswith("look at these files")


@pytest.mark.parametrize(
    ("name", "path"),
    [("digits", False), ("./digits", True), ("a/b", True), ("x.csv", True), ("no", False)],
)
def test_what_is_a_path(name, path):
    assert Data(name).is_path == path


def test_copies_are_never_cut_apart_and_then_the_recipe_has_another_name(tmp_path):
    made = small.photos(tmp_path / "p", images=20)
    plain = Data(str(made))
    alone = plain.identity
    told = index.read(str(made))
    cut = parts(told, plain)
    assert "group" not in alone
    of = {told.sound[i].place.file: name for name, part in cut.items() for i in part.tolist()}
    tested = next(file for file, name in sorted(of.items()) if name == "test")
    label = tested.split("/")[0]
    Image.open(made / tested).save(made / label / f"{tested.split('/')[1][:2]}_again.bmp")
    found = index.read(str(made))
    again = {found.sound[i].place.file: name for name, part in parts(found, plain).items() for i in part.tolist()}
    copies = [name for file, name in again.items() if file == tested or file.endswith("_again.bmp")]
    assert len(copies) == 2
    assert len(set(copies)) == 1


def test_a_group_changes_the_name_of_a_recipe_and_another_pattern_for_the_same_does_not(tmp_path):
    made = small.bursts(tmp_path / "p")
    names = {
        group: Recipe(data=Data(str(made), group=group)).name
        for group in ("", r"(.*\D)\d+\.\w+$", r"(\w+/\d+)_", r"(\w+)/0")
    }
    assert names[r"(.*\D)\d+\.\w+$"] == names[r"(\w+/\d+)_"]
    assert len(set(names.values())) == 3
