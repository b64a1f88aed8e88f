"""Data sets at addresses: the same as the folder that lies there; what fails says so, and is gone on with."""

import builtins
import shutil
import tarfile

import pytest

import small
from servers import serving
from tutelage import data
from tutelage.data import Data, index, remote
from tutelage.data.remote import fetched
from tutelage.errors import UserError

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp", reason="pip install tutelage[remote]")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path):
    """A folder with photos in splits under awkward names, served."""
    small.photos(tmp_path / "site" / "my photos", 4, ("train", "val", "test"))
    (tmp_path / "site" / "my photos" / "train" / "red" / "00.png").rename(
        tmp_path / "site" / "my photos" / "train" / "red" / "a b#1%2F.png"
    )
    with serving(tmp_path / "site") as served:
        yield served


@pytest.fixture
def memory():
    """fsspec's file system in memory, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_a_folder_behind_http_is_the_folder(site, tmp_path, cache):
    there = index.read(f"{site.url}/my%20photos")
    here = index.read(str(tmp_path / "site" / "my photos"))
    assert there.digest == here.digest
    assert [entry.place.file for entry in there.rows] == [entry.place.file for entry in here.rows]
    one, other = (data.load(Data(name, size=8)) for name in (f"{site.url}/my%20photos", str(here.root)))
    assert one.digest == other.digest
    assert (one.name, other.name) == ("my photos", "my photos")


def test_what_was_fetched_is_not_asked_for_again(site, cache):
    at = fetched(f"{site.url}/my%20photos/", cache)
    assert len(site.got) == 36
    assert (at / "train" / "red" / "a b#1%2F.png").is_file()
    assert fetched(f"{site.url}/my%20photos/", cache) == at
    assert len(site.got) == 36
    assert not list(cache.rglob("*.tmp"))


def test_a_shard_and_a_table(site, tmp_path, cache):
    photos = tmp_path / "site" / "my photos" / "train"
    with tarfile.open(tmp_path / "site" / "train-0.tar", "w") as tar:
        for file in sorted(photos.rglob("*.png")):
            (tmp_path / "label.cls").write_text(file.parent.name)
            tar.add(file, f"{file.parent.name}-{file.stem.replace('.', '')}.png")
            tar.add(tmp_path / "label.cls", f"{file.parent.name}-{file.stem.replace('.', '')}.cls")
    found = index.read(f"{site.url}/train-0.tar")
    assert found.digest == index.read(str(tmp_path / "site" / "train-0.tar")).digest
    assert found.classes == ("blue", "green", "red")
    assert site.got == ["/train-0.tar"]
    rows = [f"{file.relative_to(photos)},{file.parent.name}\n" for file in sorted(photos.rglob("0*.png"))]
    (photos / "of photos.csv").write_text("path,label\n" + "".join(rows))
    table = index.read(f"{site.url}/my%20photos/train/of%20photos.csv")
    assert len(table.rows) == len(rows)
    assert table.digest == index.read(str(photos / "of photos.csv")).digest


def test_a_connection_that_ends_in_the_middle_is_gone_on_with(site, tmp_path, cache):
    site.broken.add("03.png")
    with pytest.raises(UserError, match="cannot fetch") as failed:
        fetched(f"{site.url}/my%20photos", cache)
    place = next((cache / "remote").iterdir())
    here = {file.name for file in place.rglob("*.png")}
    assert "03.png" not in here, "half of a file is none"
    assert f"the same command goes on: {len(list(place.rglob('*.png')))} of 36 files" in failed.value.hint
    assert not list(place.rglob("*.tmp"))
    before = len(site.got)
    site.broken.clear()
    at = fetched(f"{site.url}/my%20photos", cache)
    assert len(site.got) == 36, f"{before} of them before"
    assert index.read(str(at)).digest == index.read(str(tmp_path / "site" / "my photos")).digest


def test_a_server_that_is_gone_and_an_address_without_files(tmp_path, cache):
    small.photos(tmp_path / "site" / "photos", 2)
    with serving(tmp_path / "site") as site:
        for nothing in ("nothing", "nothing.tar"):
            with pytest.raises(UserError, match="there are no files at"):
                fetched(f"{site.url}/{nothing}", cache)
    with pytest.raises(UserError, match=r"cannot fetch .*/photos: .*Connect"):
        fetched(f"{site.url}/photos", cache)
    assert not list(cache.rglob("*.png"))
    assert not list(cache.rglob(remote.WHOLE))


def test_a_folder_that_cannot_be_listed_is_not_left_out(site, cache):
    site.forbidden.add("red")
    with pytest.raises(UserError, match=r"cannot fetch .*403"):
        fetched(f"{site.url}/my%20photos", cache)


def test_fsspecs_memory(memory, tmp_path, cache):
    folder = small.photos(tmp_path / "photos", 4)
    memory.put(str(folder), "/bucket/photos", recursive=True)
    assert index.read("memory://bucket/photos").digest == index.read(str(folder)).digest
    memory.rm("/bucket/photos", recursive=True)
    assert index.read("memory://bucket/photos").digest == index.read(str(folder)).digest, "it is here now"


def test_what_an_attempt_left_is_completed_to_what_is_there(memory, tmp_path, cache):
    folder = small.photos(tmp_path / "photos", 3)
    memory.put(str(folder), "/photos", recursive=True)
    at = fetched("memory://photos", cache)
    (at.parent / remote.WHOLE).unlink()
    (at / "red" / "00.png").write_bytes(b"half")
    (at / "red" / "gone.png").write_bytes(b"no longer there")
    (at / "blue" / "00.png").unlink()
    fetched("memory://photos", cache)
    assert index.read(str(at)).digest == index.read(str(folder)).digest
    assert not (at / "red" / "gone.png").exists()


@pytest.mark.parametrize("name", ["../../evil.png", "a/../../../evil.png", "a\\..\\evil.png", "C:evil.png"])
def test_a_name_that_leads_elsewhere_is_refused(memory, tmp_path, cache, name):
    memory.store["/photos/red/a.png"] = memory.store[f"/photos/{name}"] = _file(memory)
    with pytest.raises(UserError, match="leads elsewhere"):
        fetched("memory://photos", cache)
    assert not list(tmp_path.rglob("*.png"))


def _file(memory):
    memory.pipe("/other", b"content")
    return memory.store.pop("/other")


@pytest.mark.parametrize(
    "address", ["https://ann:secret@host/photos", "https://token@host/photos", "s3://key:secret@bucket/photos",
                "https://host/a.tar?X-Amz-Signature=secret"]
)  # fmt: skip
def test_secrets_are_refused_and_not_repeated(address, cache):
    with pytest.raises(UserError, match="secrets") as refused:
        fetched(address, cache)
    assert "secret@" not in str(refused.value)
    assert "token" not in str(refused.value)
    assert "Signature" not in str(refused.value)


def test_a_missing_package_is_named_and_an_unknown_protocol(cache, monkeypatch):
    real = builtins.__import__

    def without_s3(name, *more):
        if name == "s3fs":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_s3)
    with pytest.raises(UserError, match=r"s3://bucket/photos needs a package: .*s3fs") as failed:
        fetched("s3://bucket/photos", cache)
    assert "tutelage[remote]" in failed.value.hint
    with pytest.raises(UserError, match="cannot read nonsense://photos"):
        fetched("nonsense://photos", cache)


def test_a_disk_without_room_is_said_before(memory, tmp_path, cache, monkeypatch):
    memory.put(str(small.photos(tmp_path / "photos", 2)), "/photos", recursive=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(UserError, match=r"memory://photos takes .* and 10 bytes are free"):
        fetched("memory://photos", cache)


def test_an_address_is_a_path_and_is_not_looked_for_where_it_is_typed():
    for name in ("s3://bucket/photos", "hf://datasets/ann/photos", "hf:ann/photos", "https://host/a.tar"):
        assert Data(name).is_path
        Data(name).check_name()
    assert Data("s3://bucket/some/photos/").title == "photos"
