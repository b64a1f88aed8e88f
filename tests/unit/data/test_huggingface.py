"""Data sets of Hugging Face, saved by `datasets` itself: the same images as in a folder, under the same names."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

import small
from tutelage import data, files
from tutelage.data import Data, index, places
from tutelage.data.augment import Augment
from tutelage.errors import UserError

datasets = pytest.importorskip("datasets", reason="pip install tutelage[datasets]")
pa = pytest.importorskip("pyarrow")

NAMES = ["red", "green", "blue"]
"""Not in alphabetical order, as the class names of many data sets."""


def of_folder(folder: Path, **more: list) -> "datasets.Dataset":
    """The photos of a folder for each class as a data set, in another order than ours."""
    files = sorted(folder.rglob("*.png"), key=lambda file: (file.stem, file.parent.name))
    columns = {"number": datasets.Value("int64"), "picture": datasets.Image(), "kind": datasets.ClassLabel(names=NAMES)}
    values = {"number": list(range(len(files))), "picture": [str(file) for file in files]}
    values["kind"] = [NAMES.index(file.parent.name) for file in files]
    return datasets.Dataset.from_dict(values | more, features=datasets.Features(columns))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "cache"))
    return small.photos(tmp_path / "folder")


def test_the_same_pixels_as_in_a_folder(folder, tmp_path):
    of_folder(folder).save_to_disk(str(tmp_path / "saved"), num_shards=3)
    one, other = (data.load(Data(str(tmp_path / name), size=8)) for name in ("folder", "saved"))
    assert index.read(str(folder)).digest == index.read(str(tmp_path / "saved")).digest
    assert one.classes == other.classes == ("blue", "green", "red")
    everyone = torch.arange(len(one.train))
    augment = Augment(crop_padding=0, crop_scale=0.4)
    for split in ("train", "val"):
        mine, theirs = getattr(one, split), getattr(other, split)
        assert torch.equal(mine.labels, theirs.labels)
        assert torch.equal(mine.plain(torch.arange(len(mine))), theirs.plain(torch.arange(len(mine))))
    shown = [d.train.view(everyone, everyone % 3, augment).pixels for d in (one, other)]
    assert torch.equal(*shown)
    assert not list((tmp_path / "saved").rglob("*.png")), "nothing is unpacked"


def test_splits_are_those_of_the_data_set(folder, tmp_path):
    whole = of_folder(folder)
    parts = {"train": whole.select(range(36)), "validation": whole.select(range(36, 48)), "test": whole.select([59])}
    datasets.DatasetDict(parts | {"extra": whole.select(range(4))}).save_to_disk(str(tmp_path / "saved"))
    listing = places.listing(tmp_path / "saved")
    assert Counter(place.split for place in listing.places) == {"train": 36, "val": 12, "test": 1}
    assert listing.left_out == {'rows of the split "extra"': 4}
    (last,) = (place for place in listing.places if place.split == "test")
    assert last.label == "red"
    (image,) = [Path(listing.root, last.file).read_bytes()[last.offset : last.offset + last.length]]
    assert image == (folder / "red" / "19.png").read_bytes()
    unlabelled = places.listing(tmp_path / "saved", labelled=False)
    assert Counter(place.label for place in unlabelled.places) == {"": 53}


def test_rows_without_image_or_class_are_counted(folder, tmp_path):
    kind = [0, -1, None] + [1] * 57
    picture = [str(folder / "red" / "00.png")] * 59 + [None]
    of_folder(folder, kind=kind, picture=picture).save_to_disk(str(tmp_path / "saved"))
    listing = places.listing(tmp_path / "saved")
    assert Counter(place.label for place in listing.places) == {"red": 1, "green": 56}
    assert listing.left_out == {"rows without a class": 2, "rows without an image": 1}


def spoil(saved: Path, what: str) -> None:
    about = json.loads((saved / "dataset_info.json").read_text())
    shard = saved / "data-00000-of-00001.arrow"
    match what:
        case "no images":
            about["features"].pop("picture")
        case "two classes":
            about["features"]["coarse"] = about["features"]["kind"]
        case "half":
            (saved / "state.json").write_text("{")
        case "cut":
            shard.write_bytes(shard.read_bytes()[:3000])
        case "compressed":
            table = pa.ipc.open_stream(shard.read_bytes()).read_all()
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.OSFile(str(shard), "wb") as file, pa.ipc.new_stream(file, table.schema, options=options) as out:
                out.write_table(table)
    (saved / "dataset_info.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("what", "message", "hint"),
    [
        ("no images", "has no columns of the type Image: number (Value), kind (ClassLabel)", "cast_column"),
        ("two classes", "has 2 columns of the type ClassLabel: number (Value), picture (Image)", "remove_columns"),
        ("half", "is not whole", "save the data set anew"),
        ("cut", "is not a sound Arrow file", "save the data set anew"),
        ("compressed", "is compressed", "save the data set anew"),
    ],
)
def test_mistakes_are_named(folder, tmp_path, what, message, hint):
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    spoil(tmp_path / "saved", what)
    with pytest.raises(UserError) as caught:
        places.listing(tmp_path / "saved")
    assert message in caught.value.message
    assert hint in caught.value.hint


def flipped(file: Path, sound: bytes, place: int, bit: int) -> None:
    """The file with one bit turned; under a new inode, since the old one may be mapped."""
    data = bytearray(sound)
    data[place] ^= 1 << bit
    file.unlink()
    file.write_bytes(data)


def test_one_flipped_bit_between_the_pictures_is_a_sentence(folder, tmp_path):
    """A class may become another of the set's, which an Arrow file cannot show; nothing else may go through."""
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    shard = tmp_path / "saved" / "data-00000-of-00001.arrow"
    sound = shard.read_bytes()
    pictures = places.listing(tmp_path / "saved").places
    inside = {place for p in pictures for place in range(p.offset, p.offset + p.length)}
    between = [place for place in range(len(sound)) if place not in inside]
    refused = 0
    for number, place in enumerate(between[:: len(between) // 150]):
        flipped(shard, sound, place, number % 8)
        try:
            listing = places.listing(tmp_path / "saved")
        except UserError:
            refused += 1
            continue
        assert {p.label for p in listing.places} <= set(NAMES)
        assert all(0 < p.offset < p.offset + p.length <= len(sound) for p in listing.places)
    assert refused > 30


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dataset_info.json", {"features": {"picture": {"_type": "Image"}, "kind": {"_type": "ClassLabel"}}}, "called"),
        ("dataset_info.json", {"features": 7}, "is not whole"),
        ("dataset_info.json", {}, "its JSON lacks 'features'"),
        ("state.json", [], "is not whole"),
        ("dataset_dict.json", {"split": []}, "its JSON lacks 'splits'"),
        ("dataset_dict.json", {"splits": 3}, "is not whole"),
    ],
)
def test_json_that_lacks_what_is_asked_of_it(folder, tmp_path, file, content, message):
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / file).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        places.listing(tmp_path / "saved")


def test_a_column_of_lists_is_no_obstacle(folder, tmp_path):
    """Older files write a list of values as a list of one feature."""
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    about = json.loads((tmp_path / "saved" / "dataset_info.json").read_text())
    about["features"]["number"] = [{"dtype": "int64", "_type": "Value"}]
    (tmp_path / "saved" / "dataset_info.json").write_text(json.dumps(about))
    assert len(places.listing(tmp_path / "saved").places) == 60


def test_a_file_outside_of_the_folder_is_never_named(folder, tmp_path):
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    of_folder(folder).save_to_disk(str(tmp_path / "other"))
    (tmp_path / "saved" / "state.json").write_text(
        '{"_data_files": [{"filename": "../other/data-00000-of-00001.arrow"}]}'
    )
    assert {place.file for place in places.listing(tmp_path / "saved").places} == {"data-00000-of-00001.arrow"}


def test_a_name_of_the_hub_is_fetched_once(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *words: asked.append(words) or of_folder(folder))
    assert Data("hf:ann/colours").is_path
    assert Data("hf:colours:small").is_path
    assert Data("hf:ann/colours").title == "colours"
    for _ in range(2):
        assert len(data.load(Data("hf:ann/colours", size=8)).train) == 43
        assert index.read("hf:colours:small").digest == index.read(str(folder)).digest
    assert asked == [("ann/colours", None), ("colours", "small")]
    saved = files.cache_folder() / "hub"
    assert sorted(path.name for path in saved.iterdir()) == ["ann--colours", "colours--small"]


def test_without_a_network_it_says_what_to_do(folder, monkeypatch):
    def offline(*words):
        raise ConnectionError("Couldn't reach 'ann/colours' on the Hub (OfflineModeIsEnabled)\nmore")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(UserError) as caught:
        index.read("hf:ann/colours")
    assert caught.value.message == (
        "cannot fetch hf:ann/colours: Couldn't reach 'ann/colours' on the Hub (OfflineModeIsEnabled)"
    )
    assert "load_dataset('ann/colours').save_to_disk('photos')" in caught.value.hint
    assert not list((files.cache_folder() / "hub").glob("*")), "nothing half-written"


def test_without_the_package_it_says_which(folder, tmp_path, monkeypatch):
    of_folder(folder).save_to_disk(str(tmp_path / "saved"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert len(places.listing(tmp_path / "saved").places) == 60, "a saved folder needs pyarrow alone"
    with pytest.raises(UserError, match="needs the package datasets") as caught:
        index.read("hf:ann/colours")
    assert caught.value.hint == 'pip install "tutelage[datasets]"'
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="needs pyarrow"):
        places.listing(tmp_path / "saved")
