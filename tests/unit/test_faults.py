"""What is said of an exception that nobody foresaw: the machine's, the user's code's, or ours."""

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest
import torch

from tutelage import cli, faults, files
from tutelage.errors import UserError


@pytest.fixture
def raising(monkeypatch, capfd, tmp_path):
    """Types `tutelage list models` where that raises an exception; exit code, stdout and stderr."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(error):
        def fail(arguments):
            raise error

        monkeypatch.setattr(cli, "command", lambda name: fail)
        with pytest.raises(SystemExit) as stopped:
            cli.main(["list", "models"])
        return stopped.value.code, *capfd.readouterr()

    return run


def test_a_fault_of_ours_is_called_one_and_its_traceback_kept(raising, tmp_path):
    code, out, err = raising(KeyError("gone"))
    assert (code, out) == (70, "")
    (path,) = tmp_path.glob("tutelage-fault-*.txt")
    assert err == (
        "error: this is a fault of tutelage: KeyError: 'gone'\n"
        f"its traceback is in {path}\n\n"
        "hint: report it at https://github.com/tutelage/tutelage/issues, with that file; it shows names of your "
        "folders. What is finished is kept\n"
    )
    text = path.read_text()
    assert "$ tutelage list models" in text
    assert "Traceback" in text
    assert text.endswith("KeyError: 'gone'\n")


def test_where_no_file_can_be_written_the_traceback_is_printed(raising, monkeypatch):
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: os.open("/nonexistent/folder/file", os.O_WRONLY))
    code, _, err = raising(IndexError("list index out of range"))
    assert code == 70
    assert "Traceback" in err
    assert "error: this is a fault of tutelage: IndexError: list index out of range\n\nhint: report it at" in err
    assert "with that traceback" in err


def system(number, name=None):
    return OSError(number, os.strerror(number), name)


def caused(error, cause):
    error.__cause__ = cause
    return error


MENDABLE = {
    "no room": (system(errno.ENOSPC, "runs/a/.w.pth.12-0123abcd.tmp"), "there is no room left to write runs/a/w.pth"),
    "a folder in its place": (
        OSError(errno.EISDIR, "Is a directory", str(Path("runs/a") / files._unfinished("card.json"))),
        "cannot read or write runs/a/card.json: Is a directory\n",
    ),
    "no room, told in Rust": (
        RuntimeError("I/O error: No space left on device (os error 28)"),
        "there is no room left to write\n",
    ),
    "no room, told by NumPy": (OSError("1000 requested and 12 written"), "there is no room left to write\n"),
    "no room, as the cause of another": (
        caused(ValueError("cannot save"), system(errno.ENOSPC)),
        "there is no room left to write\n",
    ),
    "a quota": (system(errno.EDQUOT, "w"), "there is no room left to write w\n"),
    "a limit on files": (
        system(errno.EFBIG, "runs/a/.w.pth.12-0123abcd.tmp"),
        "a file would be larger than the system allows: cannot write runs/a/w.pth\n",
    ),
    "a limit on files, told without a name": (
        RuntimeError("File too large (os error 27)"),
        "a file would be larger than the system allows: cannot write\n",
    ),
    "a disk that is read only": (system(errno.EROFS, "w"), "there is no permission to read or write w\n"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied", "w"), "there is no permission to"),
    "no locks": (system(errno.ENOLCK, "runs/lock"), "the file system of runs/lock cannot lock files"),
    "too many files": (system(errno.EMFILE, "w"), "too many files are open w\n"),
    "too many files, told by torch": (
        RuntimeError("Too many open files. Communication with the workers is no longer possible."),
        "too many files are open\n",
    ),
    "workers without memory": (
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ..."),
        "a process that reads images ran out of shared memory\n",
    ),
    "no memory": (MemoryError(), "there is not enough memory\n"),
    "no memory on the GPU": (torch.OutOfMemoryError("CUDA out of memory. Tried to"), "there is not enough memory\n"),
    "no network": (
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        "the network failed: Connection",
    ),
    "a file where a folder was expected": (
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"),
        "cannot read or write a/b: Not a directory\n",
    ),
    "a mistake that one of several processes met": (
        RuntimeError("-- Process 1 terminated\nTraceback:\n  raise\ntutelage.errors.UserError: too few\n\nhint: add\n"),
        "too few\n\nhint: add",
    ),
}


@pytest.mark.parametrize(("error", "words"), MENDABLE.values(), ids=MENDABLE)
def test_what_a_user_can_mend_is_named_with_a_way_out(raising, tmp_path, error, words):
    code, out, err = raising(error)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {words}")
    assert "hint: " in err
    assert not list(tmp_path.glob("tutelage-fault-*"))


@pytest.mark.parametrize("error", [OSError("could not get source code"), RuntimeError("boom"), AssertionError()])
def test_what_names_no_cause_is_not_called_the_users(error):
    assert faults.explained(error) is None


def test_an_exception_in_a_users_own_file_is_the_files(tmp_path):
    from tutelage import userfile

    (tmp_path / "net.py").write_text("def make(classes):\n    return {}['gone']\n")
    make = userfile.load(f"{tmp_path / 'net.py'}:make")
    with pytest.raises(KeyError) as error:
        make(3)
    told = faults.explained(error.value)
    assert told is not None
    assert re.match(rf"{re.escape(str(tmp_path))}.net\.py, line 2, fails: KeyError: 'gone'", told.message)


def test_stdout_on_a_full_disk(tmp_path):
    import subprocess
    import sys

    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tutelage", "list", "recipes"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no room left to write\n")
    assert "Traceback" not in done.stderr


def test_a_mistake_stays_a_mistake(raising):
    assert raising(UserError("wrong", "right"))[::2] == (2, "error: wrong\n\nhint: right\n")
