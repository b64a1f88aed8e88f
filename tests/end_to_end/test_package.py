"""The wheel as its users meet it: installed into an empty environment, imported, typed; and what its files are."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = "from tutelage import Engine, Recipe, Run, Study, Workspace, evaluate, export_student, methods, train\n"
RIGHT = f"""
from pathlib import Path

{MODULE}
from tutelage.run.builtin import built_in

recipe: Recipe = built_in("digits")
workspace = Workspace(Path("runs"), engine=Engine(threads=1))
run: Run = train(recipe, workspace)
share: float = evaluate(run)["val"]["top1"]
export_student(run, ("onnx",), force=True)
outcome = Study((recipe,), seeds=(0, 1, 2)).run(workspace)
if outcome is not None:
    sentence: str = outcome.claim
method: methods.Method = methods.Sum(methods.KD(temperature=2.0), methods.RKD())
"""
WRONG = {
    'Engine(threads="one")': "invalid-argument-type",
    "Engine(thread=1)": "unknown-argument",
    "Study()": "missing-argument",
    "train(Run, Workspace())": "invalid-argument-type",
    "evaluate(1)": "invalid-argument-type",
    "export_student(force=True)": "missing-argument",
    "methods.KD(temprature=2.0)": "unknown-argument",
    "methods.kd_loss()": "missing-argument",
    "methods.KDD()": "missing-attribute",
}


def built(checkout: Path, folder: Path, **environment: str) -> dict[str, Path]:
    """The wheel and the sdist of a checkout, by the ends of their names."""
    for module in ("hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(module, reason="pip install 'tutelage[dev]'")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(command, cwd=checkout, env=os.environ | environment, check=True, capture_output=True)
    return {file.suffix: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))[".whl"]


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel, in which the other packages are those of this Python."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python(folder), "install", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def python(folder: Path) -> Path:
    return folder / "bin" / "python"


def printed(command: list[str | Path], cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=cwd, env=clean, check=True, capture_output=True, text=True).stdout


def names_of_the_page() -> set[str]:
    """What docs/reference/python.md documents."""
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    return set(re.findall(r"^::: tutelage\.[\w.]+\.(\w+)$", page, re.MULTILINE))


def test_the_public_names_come_from_the_wheel(environment, tmp_path):
    code = "import sys, tutelage; assert 'torch' not in sys.modules; print(tutelage.__file__, *dir(tutelage))"
    file, *names = printed([python(environment), "-c", code], tmp_path).split()
    assert environment in Path(file).parents
    assert set(names) == names_of_the_page() | {"__version__", "methods"}
    assert names == sorted(names)
    code = f"import tutelage; {MODULE}print(all(hasattr(tutelage, name) for name in dir(tutelage)))"
    assert printed([python(environment), "-c", code], tmp_path) == "True\n"


def test_the_command_is_there(environment, tmp_path):
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src" / "tutelage" / "__init__.py").read_text())
    assert version is not None
    assert printed([environment / "bin" / "tutelage", "--version"], tmp_path) == f"tutelage {version[1]}\n"


def test_a_file_of_a_user_is_type_checked(environment, tmp_path):
    pytest.importorskip("ty", reason="pip install 'tutelage[dev]'")
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(MODULE + "\n".join(WRONG))
    command = [
        sys.executable,
        "-m",
        "ty",
        "check",
        "--output-format",
        "concise",
        "--python",
        environment,
        "--exit-zero",
    ]
    found = re.findall(r"^(\w+)\.py:(\d+):\d+: error\[([\w-]+)\]", printed(command, tmp_path), re.MULTILINE)
    assert found == [("wrong", str(line), rule) for line, rule in enumerate(WRONG.values(), start=2)]


def test_the_wheel_says_that_it_is_typed(wheel):
    """PEP 561: without this file type checkers take every name of an installed package for unknown."""
    files = set(zipfile.ZipFile(wheel).namelist())
    kept = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*") if file.is_file()}
    assert "tutelage/py.typed" in files
    assert {name for name in files if ".dist-info/" not in name} == {name for name in kept if ".pyc" not in name}


def test_the_page_of_the_index_has_no_link_into_the_repository(wheel):
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("dist-info/METADATA"))
        page = message_from_bytes(opened.read(name)).get_payload()
    readme = (ROOT / "README.md").read_text()
    links, kept = (re.findall(r"\]\((.*?)\)", text) for text in (page, readme))
    assert all(link.startswith("https://") for link in links)
    assert [link.split("/main/")[1] for link in links if "/main/" in link] == [
        link for link in kept if not link.startswith("https://")
    ]


def for_nobody_else(source: str, target: str) -> None:
    """Copies a file as a checkout under umask 077 has it, with the time of now."""
    shutil.copyfile(source, target)
    os.chmod(target, os.stat(source).st_mode & 0o700)


def test_the_same_source_makes_the_same_bytes(tmp_path):
    """In another folder, at another time, under another umask: whoever builds a release gets the files of the index."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    there = tmp_path / "there"
    shutil.copytree(ROOT, there, ignore=shutil.ignore_patterns(".git", *ignored), copy_function=for_nobody_else)
    moment = {"SOURCE_DATE_EPOCH": "1800000000"}
    files = [built(folder, tmp_path / f"of-{folder.name}", **moment) for folder in (ROOT, there)]
    assert set(files[0]) == {".whl", ".gz"}
    for end in files[0]:
        assert files[0][end].read_bytes() == files[1][end].read_bytes(), end
