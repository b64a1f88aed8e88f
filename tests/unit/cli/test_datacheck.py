"""`tutelage data check`: what it counts in a folder, and what it warns of."""

import json
import re
import shlex
import shutil

import pytest
from PIL import Image

import small
from tutelage import cli
from tutelage.cli.datacheck import SHOWN, in_words


def checked(capsys, *words):
    """What --json prints."""
    cli.main(["data", "check", *map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


def test_every_image_is_counted_in_its_class_and_split(tmp_path, capsys):
    found = checked(capsys, small.photos(tmp_path / "colours", images=20))
    assert found["images"] == 60
    assert list(found["classes"]) == ["blue", "green", "red"]
    assert all(sum(counts.values()) == 20 for counts in found["classes"].values())
    assert found["carved"] == ["val", "test"]
    assert found["shorter_side"] == {"smallest": 10, "median": 10, "largest": 10}
    assert found["formats"] == {"PNG": 60}
    assert found["broken"] == {}
    assert found["duplicates"]["groups"] == []


def test_splits_that_are_there_are_not_carved(tmp_path, capsys):
    found = checked(capsys, small.photos(tmp_path / "colours", images=4, splits=("train", "val", "test")))
    assert found["carved"] == []
    assert found["classes"]["red"] == {"train": 4, "val": 4, "test": 4}


def test_leaks_duplicates_and_broken_files_are_named(tmp_path, capsys):
    folder = small.photos(tmp_path / "colours", images=4, splits=("train", "val"))
    (folder / "val" / "red" / "00.png").unlink()
    shutil.copy(folder / "train" / "red" / "00.png", folder / "val" / "red" / "leak.png")
    shutil.copy(folder / "train" / "blue" / "01.png", folder / "train" / "green" / "both.png")
    whole = (folder / "train" / "blue" / "00.png").read_bytes()
    (folder / "train" / "blue" / "cut.png").write_bytes(whole[:70])
    found = checked(capsys, folder)
    assert list(found["broken"]) == ["train/blue/cut.png"]
    assert ["train train/red/00.png", "val val/red/leak.png"] in map(sorted, found["duplicates"]["across_splits"])
    mixed = [sorted(group) for group in found["duplicates"]["of_different_classes"]]
    assert ["train train/blue/01.png", "train train/green/both.png"] in mixed
    warnings = [line for line in in_words(found) if line.startswith("warning:")]
    assert any("cannot be used" in line for line in warnings)
    assert any("in several classes at once" in line for line in warnings)
    assert any("in several splits" in line for line in warnings)


def test_bursts_are_suspected_and_the_command_that_is_suggested_keeps_them_whole(tmp_path, capsys):
    folder = small.bursts(tmp_path / "photos")
    cli.main(["data", "check", str(folder)])
    out = capsys.readouterr().out
    assert re.match(r"leakage: \d+ of \d+ test images .* and \d+ of \d+ validation images", out)
    (command,) = re.findall(r"together: (tutelage data check .*)", out)
    words = shlex.split(command)
    cli.main([*words[1:]])
    out = capsys.readouterr().out
    assert out.startswith("leakage: none of ")
    assert "together: tutelage" not in out


def test_what_is_dropped_is_counted(tmp_path, capsys):
    folder = small.photos(tmp_path / "colours", images=4, splits=("train", "val", "test"))
    shutil.copy(folder / "train" / "red" / "00.png", folder / "val" / "red" / "leak.png")
    found = checked(capsys, folder)
    assert found["leakage"]["val"] == {"images": 13, "copies": 1, "near": 0}
    found = checked(capsys, folder, "--data.on-leak", "drop")
    assert (found["dropped"], found["leakage"]["val"]["copies"]) == (1, 0)


def test_few_are_shown_and_the_rest_is_counted(tmp_path, capsys):
    folder = small.photos(tmp_path / "colours", images=3 * SHOWN)
    for number in range(SHOWN + 2):
        (folder / "red" / f"{number:02d}.png").write_bytes(b"no picture")
    cli.main(["data", "check", str(folder)])
    out = capsys.readouterr().out
    assert f"{SHOWN + 2} cannot be used" in out
    assert "  ... and 2 more (--json names all)" in out


def test_a_photo_turned_by_exif_is_told(tmp_path, capsys):
    folder = small.photos(tmp_path / "colours", images=20)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 12), "red").save(folder / "red" / "turned.jpg", exif=exif)
    found = checked(capsys, folder)
    assert found["turned"] == 1
    assert "1 turned as EXIF says" in in_words(found)


def test_a_built_in_set_is_counted_without_its_test_images(capsys):
    found = checked(capsys, "digits")
    assert found["test"].endswith("images, not opened")
    assert all(set(counts) == {"train", "val"} for counts in found["classes"].values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage: tutelage data check PATH"),
        (["chek"], 'did you mean "check"?'),
        (["."], "hint: tutelage data check ."),
        (["check", "digit"], 'unknown data set "digit"'),
    ],
)
def test_mistakes(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["data", *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
