"""Where images are: every layout that people have."""

import io
import tarfile

import pytest

from tutelage.data import places
from tutelage.errors import UserError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def found(path, **more):
    return [(p.file, p.split, p.label) for p in places.listing(path, **more).places]


def shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_a_folder_for_each_class(tmp_path):
    touch(tmp_path, "cat/b.JPG", "cat/deep/a.png", "dog/c.webp", "dog/notes.txt", "cat/.hidden.png", ".git/x.png")
    listing = places.listing(tmp_path)
    assert found(tmp_path) == [("cat/b.JPG", "", "cat"), ("cat/deep/a.png", "", "cat"), ("dog/c.webp", "", "dog")]
    assert listing.left_out == {".txt": 1}


def test_folders_of_splits(tmp_path):
    touch(tmp_path, "Train/cat/a.png", "valid/cat/b.png", "test/dog/c.png")
    assert found(tmp_path) == [
        ("test/dog/c.png", "test", "dog"),
        ("Train/cat/a.png", "train", "cat"),
        ("valid/cat/b.png", "val", "cat"),
    ]
    touch(tmp_path, "cat/d.png")
    with pytest.raises(UserError, match="beside others: cat"):
        places.listing(tmp_path)


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, "photos/cat/a.png", "elsewhere/b.png")
    (tmp_path / "photos/dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/cat/again").symlink_to(tmp_path / "photos/cat")
    assert found(tmp_path / "photos") == [("cat/a.png", "", "cat"), ("dog/b.png", "", "dog")]


@pytest.mark.parametrize(("name", "comma"), [("t.csv", ","), ("t.tsv", "\t")])
def test_a_table_of_paths(tmp_path, name, comma):
    touch(tmp_path, "images/a.png", "b.png")
    rows = [["label", "filename", "split"], ["cat", "images/a.png", "train"], ["dog", "b.png", "Validation"]]
    (tmp_path / name).write_text("\ufeff" + "\n".join(comma.join(row) for row in rows), encoding="utf-8")
    assert found(tmp_path / name) == [("images/a.png", "train", "cat"), ("b.png", "val", "dog")]


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pip install tutelage[parquet]")
    import pyarrow.parquet as pq

    touch(tmp_path, "a.png", "b.png")
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": [3, 12]}), tmp_path / "t.parquet")
    assert found(tmp_path / "t.parquet") == [("b.png", "", "12"), ("a.png", "", "3")]


def test_tar_shards(tmp_path):
    one = {
        "x/0001.jpg": b"first",
        "x/0001.cls": b"7\n",
        "x/0002.json": b"{}",
        "0003.seg.png": b"third!",
        "0003.cls": b"9",
    }
    shard(tmp_path / "train-000.tar", one)
    shard(tmp_path / "val-000.tar", {"0001.png": b"other", "0001.cls": b"7"})
    told = places.listing(tmp_path)
    assert [(p.file, p.split, p.label) for p in told.places] == [
        ("train-000.tar", "train", "7"),
        ("train-000.tar", "train", "9"),
        ("val-000.tar", "val", "7"),
    ]
    assert told.left_out == {".json": 1}
    from tutelage.data.reading import content

    assert [content(tmp_path, place) for place in told.places] == [b"first", b"third!", b"other"]
    assert found(tmp_path / "val-000.tar") == [("val-000.tar", "val", "7")]
    assert not list(tmp_path.glob("*.png")), "nothing is unpacked"


def test_what_is_lost_of_a_tar_shard_is_told(tmp_path):
    shard(tmp_path / "t.tar", {"a.1.png": b"one", "a.2.png": b"two", "a.cls": b"1", "b.heic": b"x", "b.cls": b"2"})
    assert places.listing(tmp_path / "t.tar").notes == [
        "1 picture left out, up to the first dot named like another picture: t.tar: a.1.png; a tar shard has one "
        "picture a KEY",
        "1 label without a picture beside it: t.tar: b.cls",
    ]


def test_a_tar_member_outside_the_folder_is_a_name_and_nothing_else(tmp_path):
    shard(tmp_path / "in.tar", {"../../evil.png": b"e", "../../evil.cls": b"1", "/abs.png": b"a", "/abs.cls": b"1"})
    assert found(tmp_path / "in.tar") == [("in.tar", "", "1"), ("in.tar", "", "1")]
    assert not list(tmp_path.parent.glob("evil*"))


def test_images_without_labels(tmp_path):
    touch(tmp_path, "a.png", "deep/er/b.jpg", "c.txt")
    assert found(tmp_path, labelled=False) == [("a.png", "", ""), ("deep/er/b.jpg", "", "")]


def spoil(tmp_path, what):
    if what == "no folders":
        touch(tmp_path, "a.png")
    elif what == "no images":
        touch(tmp_path, "cat/a.txt")
    elif what == "columns":
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    elif what == "split":
        (tmp_path / "t.csv").write_text("path,label,split\na.png,cat,first half\n")
    elif what == "no label":
        (tmp_path / "t.csv").write_text("path,label\na.png,\n")
    elif what == "no tar":
        (tmp_path / "t.tar").write_bytes(b"nonsense" * 200)
    elif what == "no class":
        shard(tmp_path / "t.tar", {"1.png": b""})
    elif what == "a file":
        touch(tmp_path, "t.zip")
    paths = [tmp_path / name for name in ("t.csv", "t.tar", "t.zip") if (tmp_path / name).exists()]
    return tmp_path / "gone" if what == "gone" else paths[0] if paths else tmp_path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("gone", "there is no"),
        ("no folders", "has no folders in it"),
        ("no images", "there are no images in"),
        ("columns", "has the columns a, b"),
        ("split", 'row 1: the split "first half"'),
        ("no label", "row 1: no label"),
        ("no tar", "is not a sound tar file"),
        ("no class", "1.png has no .cls beside it"),
        ("a file", "is neither a folder nor one of"),
    ],
)
def test_mistakes_are_named(tmp_path, what, message):
    with pytest.raises(UserError) as caught:
        places.listing(spoil(tmp_path, what))
    assert message in caught.value.message
    assert caught.value.hint
