"""Images at an address are typed where a folder is, and are the same data: the same run, whichever is named."""

import subprocess
import sys

import pytest

import small
from servers import serving

pytest.importorskip("aiohttp", reason="pip install tutelage[remote]")


def told(*words, cwd):
    command = [sys.executable, "-m", "tutelage.cli", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_run_on_a_folder_of_a_server_is_that_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "cache"))
    folder = small.photos(tmp_path / "site" / "photos", 12, ("train", "val", "test"))
    train = ["--student", "convnet", "--data.size", "8", "--fit.epochs", "1", "--engine.device", "cpu"]
    with serving(tmp_path / "site") as site:
        url = f"{site.url}/photos"
        site.broken.add("03.png")
        code, out, err = told("train", url, "baseline", *train, cwd=tmp_path)
        assert (code, out) == (2, "")
        assert f"cannot fetch {url}" in err
        assert "Traceback" not in err
        assert not (tmp_path / "runs").exists()
        site.broken.clear()
        code, out, err = told("data", "check", url, cwd=tmp_path)
        assert code == 0, err
        assert "blue" in out
        assert len(site.got) == 108, "each file once"
    code, first, err = told("train", url, "baseline", *train, cwd=tmp_path)  # the server is gone
    assert code == 0, err
    code, second, err = told("train", str(folder), "baseline", *train, cwd=tmp_path)
    assert code == 0, err
    assert second.splitlines()[0] == f"{first.splitlines()[0]} (was done already)"
