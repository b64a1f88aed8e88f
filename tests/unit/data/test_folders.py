"""Folders as people, systems and servers leave them: what is not used is said, what is a split is known."""

import os

import pytest

import awkward
from tutelage.errors import UserError


def row(cells):
    return cells.split()


def double(root):
    awkward.folder(root, "seg_train/seg_train/cat", "seg_train/seg_train/dog", "seg_test/seg_test/cat",
                   "seg_test/seg_test/dog", "seg_pred/seg_pred", images=12)  # fmt: skip


def spelt(root):
    awkward.folder(root, "Training Images/cat", "Training Images/dog", "Test-Images/cat", "Test-Images/dog")


def years(root):
    awkward.folder(root, "train2017/cat", "train2017/dog", "val2017/cat", "val2017/dog")


def thumbnails(root):
    awkward.folder(root, "cat", "dog", "cat/@eaDir/00.png", "cat/@eaDir/01.png", images=12)


def notebook(root):
    awkward.folder(root, "cat", "dog", "dog/.ipynb_checkpoints", images=12)


def resources(root):
    awkward.folder(root, "cat", "dog", images=12)
    for number in range(3):
        (root / f"cat/._{number:02d}.png").write_bytes(b"\0\5\x16\7")
    (root / "dog/Thumbs.db").write_bytes(b"\xd0\xcf")


def beside(root):
    awkward.folder(root, "cat", "dog", ".", images=12)


def heic(root):
    awkward.folder(root, "cat", "dog", images=12)
    (root / "fox").mkdir()
    for number in range(7):
        (root / f"fox/{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")


def no_ending(root):
    awkward.folder(root, "cat", "dog", images=12)
    for number in range(4):
        awkward.picture(root / f"dog/more{number}.png").rename(root / f"dog/more{number}")


def underscores(root):
    awkward.folder(root, "cat", "dog", "__background__", images=12)


def spelling(root):
    awkward.folder(root, "Cat", "cat", "cat ", "dog", images=12)


def accents(root):
    awkward.folder(root, "caf\u00e9", "cafe\u0301", "dog", images=12)


def upwards(root):
    awkward.folder(root, "cat", "dog", images=12)
    (root / "cat/all").symlink_to(root)


def nowhere(root):
    awkward.folder(root, "cat", "dog", images=12)
    (root / "horse").symlink_to("/gone/horse")


def classes_named_like_splits(root):
    awkward.folder(root, "bus", "car", "train", "test", images=12)


def two_flat_splits(root):
    awkward.folder(root, "train", "test", images=12)


def no_train(root):
    awkward.folder(root, "valid/cat", "valid/dog", "test/cat", "test/dog", images=12)


def a_table_beside(root):
    awkward.folder(root, "cat", "dog", images=12)
    (root / "labels.csv").write_text("path,label\ncat/00.png,tiger\n")


def one_more_folder(root):
    awkward.folder(root, "photos/cat", "photos/dog", images=12)


def other_split(root):
    awkward.folder(root, "train/cat", "train/dog", "holdout/cat", "holdout/dog", images=12)


def second_download(root):
    awkward.folder(root, "Train (1)/cat", "Train (1)/dog", "Test (1)/cat", "Test (1)/dog")


def split_in_a_name(root):
    awkward.folder(root, "pets_train/cat", "pets_train/dog", "pets_test/cat", "pets_test/dog", images=12)


def split_in_spanish(root):
    awkward.folder(root, "Validaci\u00f3n/cat", "Validaci\u00f3n/dog", "Prueba/cat", "Prueba/dog", images=12)


def split_in_chinese(root):
    awkward.folder(
        root, *(f"{part}/{kind}" for part in ("\u8bad\u7ec3\u96c6", "\u6d4b\u8bd5\u96c6") for kind in ("cat", "dog"))
    )


def splits_within_classes(root):
    awkward.folder(root, "cat/train", "cat/test", "dog/train", "dog/test", images=12)


def alike_within(root):
    awkward.folder(root, "cat/day", "cat/night", "dog/day", "dog/night", images=12)


def kinds_within(root):
    awkward.folder(root, "animals/cat", "animals/dog", "cars/vw", "cars/bmw")


def images_within_splits(root):
    awkward.folder(root, "train/images/cat", "train/images/dog", "val/images/cat", "val/images/dog")


AWKWARD = {
    second_download: [row("cat 9 1 10")],
    split_in_a_name: ["may be splits (pets_test, pets_train)", "--data.splits train=A"],
    split_in_spanish: ["may be splits (Prueba, Validaci\u00f3n)"],
    split_in_chinese: ["may be splits", "each holds cat, dog"],
    splits_within_classes: ["(cat, dog) holds folders of splits (test, train)", "train/CLASS"],
    alike_within: ["taken for classes: cat, dog", "(day, night)", row("cat 17 2 5")],
    kinds_within: ["taken for classes: animals, cars, each with all folders in it (cat, dog)", row("all 29 3 8")],
    images_within_splits: [row("cat 8 10 2")],
    double: [row("cat 11 1 12"), "12 pictures in seg_pred left out"],
    spelt: [row("cat 9 1 10")],
    years: [row("cat 8 10 2")],
    thumbnails: ["24 files that belong to systems", row("all 17 2 5")],
    notebook: ["12 files that belong to systems", ".ipynb_checkpoints"],
    resources: ["left out: 4 files that belong to systems", "._* 3", "Thumbs.db 1"],
    beside: ["12 pictures beside the folders of classes"],
    heic: ["fox", ".heic 7"],
    no_ending: ["4 files that begin like pictures, but have other endings (no ending 4)"],
    underscores: [row("__background__ 9 1 2")],
    spelling: ["'Cat' 12 / 'cat' 12 / 'cat ' 12"],
    accents: ["differ in case, spaces or accents alone"],
    upwards: ["the link all leads back to a folder above it", row("all 17 2 5")],
    nowhere: ["the link horse leads nowhere"],
    classes_named_like_splits: [row("train 8 1 3"), "--data.splits train=A"],
    two_flat_splits: ["without folders of classes in them", "--data.splits none"],
    no_train: ["none of them is train"],
    a_table_beside: ["the table labels.csv is not read"],
    one_more_folder: ["holds one folder, photos, with others in it"],
    other_split: ["beside others: holdout", "--data.splits train=A,val=B,test=C"],
}
"""What `data check` says: words in a line, or cells of its table."""


@pytest.mark.parametrize("made", AWKWARD, ids=lambda made: made.__name__)
def test_nothing_is_left_out_without_a_word(made, tmp_path, capfd, monkeypatch):
    made(tmp_path / "set")
    text = awkward.said(["data", "check", "./set"], tmp_path, capfd, monkeypatch)
    rows = [line.split() for line in text.splitlines()]
    for expected in AWKWARD[made]:
        assert expected in (text if isinstance(expected, str) else rows), text


def test_training_says_the_same_and_names_what_it_learns_from(tmp_path, capfd, monkeypatch, caplog):
    from tutelage import data
    from tutelage.data import Data

    awkward.folder(tmp_path / "set", "cat", "dog", ".", images=12)
    with caplog.at_level("INFO"):
        data.load(Data(str(tmp_path / "set"), keep="memory"))
    assert "12 pictures beside the folders of classes" in caplog.text
    assert "set: 24 images of 2 classes (cat, dog): train 17, val 2, test 5" in caplog.text


def split_counts(root, splits):
    from tutelage.data import places

    told = places.listing(root, splits=splits)
    return sorted({(p.split, p.label) for p in told.places}), told.notes


def test_splits_as_the_flag_says(tmp_path):
    awkward.folder(tmp_path, "learn/cat", "kept/cat", "rest/cat", "deep/er/cat", images=2)
    found, notes = split_counts(tmp_path, "train=learn,test=kept,val=deep/er")
    assert found == [("test", "cat"), ("train", "cat"), ("val", "cat")]
    assert notes == [
        "2 pictures in rest left out: it is not named in data.splits; "
        f"--data.unlabeled {tmp_path}/rest lets a teacher answer them"
    ]
    found, notes = split_counts(tmp_path, "none")
    assert [label for _, label in found] == ["deep", "kept", "learn", "rest"]
    assert not notes


def test_the_flag_changes_no_name_but_by_what_it_changes(tmp_path):
    """The same images in the same splits are the same recipe, whatever the folders are called."""
    from tutelage.data import Data

    awkward.folder(tmp_path / "usual", "train/cat", "train/dog", "test/cat", "test/dog", images=2)
    (tmp_path / "other").mkdir()
    for usual, other in (("train", "learn"), ("test", "kept")):
        (tmp_path / "other" / other).symlink_to(tmp_path / "usual" / usual)
    usual = Data(str(tmp_path / "usual")).identity
    assert Data(str(tmp_path / "other"), splits="train=learn,test=kept").identity == usual
    assert Data(str(tmp_path / "other"), splits="none").identity != usual


@pytest.mark.parametrize("splits", ["learn", "train", "train=", "train=../x", "test=a", "learn=a", "train=a,val=a"])
def test_a_flag_that_is_not_understood(splits):
    from tutelage.data import Data

    with pytest.raises(UserError, match=r"data\.splits"):
        Data("./photos", splits=splits)


def test_a_split_that_is_not_there(tmp_path):
    awkward.folder(tmp_path, "learn/cat", images=1)
    with pytest.raises(UserError, match="names gone, and there is no such folder"):
        split_counts(tmp_path, "train=gone")


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    from tutelage.data import places

    awkward.folder(tmp_path, "cat/deep", "dog", images=1)
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError, match="deep"):
        places.listing(tmp_path)
