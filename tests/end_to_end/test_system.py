"""What the machine may lack: room, permission, files, locks, a terminal, the modules of Unix. The state is kept, and
the same command goes on to the bits of an undisturbed run.
"""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
from safetensors import SafetensorError
from safetensors.torch import load_file

import small
from tutelage import cli
from tutelage.training import book

TRAIN = ["train", "digits", "baseline", "--student", "convnet", "--student.options", '{"widths": [4, 8], "hidden": 8}']
TRAIN += ["--fit.epochs", "2", "--fit.batch-size", "128", "--engine.threads", "1", "--engine.device", "cpu"]
STEPS = 20


def typed(words, capfd):
    """Exit code and stderr of a command in this process."""
    try:
        cli.main([str(word) for word in words])
        code = 0
    except SystemExit as left:
        code = left.code or 0
    return code, capfd.readouterr().err


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    runs = tmp_path_factory.mktemp("whole")
    cli.main([*TRAIN, "--runs", str(runs)])
    (weights,) = runs.glob("*/student.safetensors")
    return load_file(weights)


def failing(after, error):
    """A function that calls another `after` times, then raises, for ever."""

    def wrap(function):
        made = []

        def call(*words, **named):
            made.append(1)
            if len(made) > after:
                raise error
            return function(*words, **named)

        return call

    return wrap


def system(number):
    return OSError(number, os.strerror(number))


RUST = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
LACKS = {
    "no room, when a checkpoint is flushed": (os, "fsync", failing(9, system(errno.ENOSPC)), "there is no room left"),
    "no room, told by safetensors": (
        safetensors.torch,
        "save_file",
        failing(2, RUST),
        "there is no room left to write\n",
    ),
    "a quota": (os, "fsync", failing(6, system(errno.EDQUOT)), "there is no room left"),
    "a disk that became read only": (os, "fsync", failing(9, system(errno.EROFS)), "there is no permission"),
    "too many open files": (os, "open", failing(12, system(errno.EMFILE)), "too many files are open"),
    "no locks": (fcntl, "flock", failing(0, system(errno.ENOLCK)), "the file system of"),
    "no locks, in other words": (fcntl, "flock", failing(0, system(errno.EOPNOTSUPP)), "the file system of"),
}


@pytest.mark.parametrize(("module", "name", "wrap", "words"), LACKS.values(), ids=LACKS)
def test_one_sentence_and_the_same_command_goes_on(
    module, name, wrap, words, tmp_path, capfd, monkeypatch, undisturbed
):
    with monkeypatch.context() as patch:
        patch.setattr(module, name, wrap(getattr(module, name)))
        code, err = typed([*TRAIN, "--runs", tmp_path], capfd)
    said = err[err.index("error: ") :]
    assert code == 2
    assert said.startswith(f"error: {words}")
    assert "hint: " in said
    assert "Traceback" not in err
    assert typed([*TRAIN, "--runs", tmp_path], capfd)[0] == 0
    (weights,) = tmp_path.glob("*/student.safetensors")
    assert small.same_tensors(load_file(weights), undisturbed)


def test_a_file_system_without_such_a_call_is_no_obstacle(tmp_path, capfd, monkeypatch, undisturbed):
    monkeypatch.setattr(fcntl, "flock", failing(0, system(errno.ENOSYS))(None))
    assert typed([*TRAIN, "--runs", tmp_path], capfd)[0] == 0
    (weights,) = tmp_path.glob("*/student.safetensors")
    assert small.same_tensors(load_file(weights), undisturbed)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGHUP, 129)])
def test_a_signal_stops_after_the_step(number, expected, tmp_path, capfd, monkeypatch, undisturbed):
    made, note = [], book.Book.note

    def noted(book, step, terms):
        note(book, step, terms)
        made.append(step)
        if len(made) == 7:
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(book.Book, "note", noted)
        code, err = typed([*TRAIN, "--runs", tmp_path], capfd)
    assert code == expected
    assert f"stopped after step 7 of {STEPS}; the same command goes on from there" in err
    assert typed([*TRAIN, "--runs", tmp_path], capfd)[0] == 0
    (weights,) = tmp_path.glob("*/student.safetensors")
    assert small.same_tensors(load_file(weights), undisturbed)


ABSENT = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline", "curses", "_curses")


def test_the_digits_without_the_modules_of_unix(tmp_path, undisturbed):
    code = f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))\n"
    code += "import tutelage; from tutelage import cli; cli.main(sys.argv[1:])"
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, *TRAIN], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (weights,) = tmp_path.glob("runs/*/student.safetensors")
    assert small.same_tensors(load_file(weights), undisturbed)


def test_photos_where_processes_are_spawned(tmp_path):
    """Windows and macOS have no fork: what goes to a worker can be pickled."""
    small.photos(tmp_path / "photos")
    code = "import sys, multiprocessing\nif __name__ == '__main__':\n"
    code += "    multiprocessing.set_start_method('spawn'); from tutelage import cli; cli.main(sys.argv[1:])\n"
    (tmp_path / "command.py").write_text(code)
    words = ["train", "photos", "baseline", "--student", "resnet8", "--fit.epochs", "1", "--fit.batch-size", "16"]
    words += ["--engine.threads", "1", "--engine.workers", "1", "--data.size", "8"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "command.py", *words], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["", "a/b", "a\\b:c"])
def test_a_study_of_things_given_by_path_lies_directly_under_runs(tmp_path, name):
    from tutelage.study.study import Study
    from tutelage.study.tune import Search, Tuning

    recipe = small.taught(tmp_path)
    folders = [Study((recipe,), name=name).folder_name]
    folders.append(Tuning((recipe,), Search(trials=1, seed=9), name=name).folder_name)
    assert all(Path(folder).name == folder and "\\" not in folder and ":" not in folder for folder in folders)
