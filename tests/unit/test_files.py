"""Files appear whole or not at all, lines survive a crash and each other, and digests name content."""

import hashlib
import multiprocessing
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage import files


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with files.appearing(path) as beside:
        beside.write_text("whole")
        assert beside.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail():
        with files.appearing(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    happened, fsync, replace = [], os.fsync, type(tmp_path).replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (happened.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    monkeypatch.setattr(type(tmp_path), "replace", lambda a, b: (happened.append("rename"), replace(a, b)))
    with files.appearing(tmp_path / "file.txt") as beside:
        beside.write_text("whole")
    assert [os.path.basename(what) for what in happened] == [beside.name, "rename", tmp_path.name]


def test_a_folder_appears_with_all_its_files(tmp_path):
    path = tmp_path / "folder"
    with files.appearing_folder(path) as beside:
        (beside / "a").write_text("1")
        (beside / "b").write_text("2")
        assert not path.exists()
    assert names(path) == ["a", "b"]
    assert names(tmp_path) == ["folder"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail():
        with files.appearing_folder(tmp_path / "folder") as beside:
            (beside / "a").write_text("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == []


def test_removing_takes_the_name_first_and_follows_no_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("")
    (folder / "link").symlink_to(outside)
    files.remove_folder(folder)
    assert names(tmp_path) == ["outside"]
    assert names(outside) == ["kept"]


def test_what_a_kill_left_behind_is_swept_away(tmp_path):
    for folder in (tmp_path / "sub" / ".a.1-2.tmp", tmp_path / ".b.3.gone"):
        folder.mkdir(parents=True)
        (folder / ".c.1-2.tmp").write_text("")
    for kept in ("tmp", "sub/x.tmp", ".hidden"):
        (tmp_path / kept).write_text("")
    files.sweep(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [".hidden", "sub", "sub/x.tmp", "tmp"]


def test_what_another_machine_writes_has_a_day(tmp_path, monkeypatch):
    """In a folder that machines share a process of another one looks as if it were dead."""
    monkeypatch.setattr(files.platform, "node", lambda: "another")
    with files.appearing(tmp_path / "file.txt") as beside:
        monkeypatch.setattr(files.platform, "node", lambda: "this")
        beside.write_text("half")
        files.sweep(tmp_path)
        assert beside.exists()
        os.utime(beside, (0, 0))
        files.sweep(tmp_path)
        assert not beside.exists()
        beside.write_text("whole")


def test_what_a_dead_process_of_this_machine_left_goes_at_once(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_leave_half, args=(tmp_path / "file.txt",))
    child.start()
    child.join()
    assert len(names(tmp_path)) == 1
    files.sweep(tmp_path)
    assert names(tmp_path) == []


def _leave_half(path):
    with files.appearing(path) as beside:
        beside.write_text("half")
        os._exit(0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_is_not_json_is_refused(tmp_path, value):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"x": value})
    with pytest.raises(ValueError):
        files.append_line(tmp_path / "a.jsonl", {"x": value})
    with pytest.raises(ValueError):
        files.digest(value)
    assert names(tmp_path) == []


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=40)
@given(value=plain, lines=st.lists(st.dictionaries(st.text(), plain, max_size=3), max_size=4))
def test_values_come_back_as_they_were(tmp_path_factory, value, lines):
    folder = tmp_path_factory.mktemp("json")
    files.write_json(folder / "a.json", value)
    assert files.read_json(folder / "a.json") == value
    for line in lines:
        files.append_line(folder / "a.jsonl", line)
    assert files.read_lines(folder / "a.jsonl") == lines


def test_no_file_has_no_lines(tmp_path):
    assert files.read_lines(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_line_that_a_crash_cut_short_is_left_out_and_then_replaced(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    files.append_lines(path, [{"step": 1}, {"step": 2}])
    path.write_bytes(path.read_bytes()[:-cut])
    assert files.read_lines(path) == [{"step": 1}]
    files.append_line(path, {"step": 3})
    assert files.read_lines(path) == [{"step": 1}, {"step": 3}]


def test_a_first_line_that_was_cut_short_goes_too(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"st')
    files.append_line(path, {"step": 1})
    assert path.read_text() == '{"step": 1}\n'


def _append(path, who):
    for number in range(100):
        files.append_lines(path, [{"who": who, "number": number, "text": "x" * 2000}] * 2)


def test_lines_of_several_processes_do_not_mix(tmp_path):
    path = tmp_path / "a.jsonl"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_append, args=(path, who)) for who in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = files.read_lines(path)
    for who in range(3):
        assert [line["number"] for line in lines if line["who"] == who] == [n for n in range(100) for _ in range(2)]


@settings(deadline=None)
@given(value=st.dictionaries(st.text(), plain, max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_names(value):
    assert files.digest(dict(reversed(value.items()))) == files.digest(value)


def test_digests_are_sha256(tmp_path):
    assert files.digest({"b": [1, 2.5], "a": "x"}) == hashlib.sha256(b'{"a":"x","b":[1,2.5]}').hexdigest()
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 5000)
    told = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    assert files.file_digest(path) == told.split()[0]


def _hold(path, ready, done):
    with files.locked(path) as alone:
        ready.put(alone)
        done.get()


def test_a_lock_is_held_by_one_process_and_freed_by_its_death(tmp_path):
    fork = multiprocessing.get_context("fork")
    ready, done = fork.SimpleQueue(), fork.SimpleQueue()
    holder = fork.Process(target=_hold, args=(tmp_path / "lock", ready, done))
    holder.start()
    assert ready.get() is True
    with files.locked(tmp_path / "lock") as alone:
        assert not alone
    holder.kill()
    holder.join()
    with files.locked(tmp_path / "lock", wait=True) as alone:
        assert alone
    with files.locked(tmp_path / "lock") as alone:
        assert alone
