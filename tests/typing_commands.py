"""Commands as a user types them: in this process, or in processes of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tutelage import cli


def typed(*words) -> None:
    """A command, in this process."""
    cli.main([str(word) for word in words])


def refused(capsys, *words) -> str:
    """What a command that is refused says, in this process."""
    with pytest.raises(SystemExit) as stopped:
        typed(*words)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def command(*words: str, cwd: Path, **more) -> subprocess.Popen:
    """A command started in a folder, with one thread and no colours asked for."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-m", "tutelage.cli", *words], cwd=cwd, env=env, stdout=pipe, stderr=pipe,
                            text=True, **more)  # fmt: skip


def told(*words: str, cwd: Path) -> str:
    """What a command that ends well prints on stdout."""
    process = command(*words, cwd=cwd)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "\x1b" not in out + err
    return out


def told_together(*commands: tuple[str, ...], cwd: Path) -> list[str]:
    """What each of several commands prints on stdout; one process for all, since starting is most of what they cost."""
    code = "from tutelage.cli import main\n"
    code += "".join(f"main({list(words)!r})\nprint(chr(0))\n" for words in commands)
    env = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return done.stdout.split("\0\n")[:-1]


def wait_for(seen, process: subprocess.Popen | None = None, seconds: float = 60) -> None:
    """Until something is seen, the process has ended, or patience has."""
    until = time.monotonic() + seconds
    while not seen() and (process is None or process.poll() is None):
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.01)
