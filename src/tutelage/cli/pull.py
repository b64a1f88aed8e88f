"""Runs `tutelage pull`: fetches a student with its card, or a teacher's answers, and verifies what arrives."""

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from tutelage import files
from tutelage.cli import hub
from tutelage.cli.parser import Parser
from tutelage.cli.push import DELIVERED
from tutelage.edge.card import check_exported
from tutelage.errors import Damaged, UserError
from tutelage.models.delivered import check_student
from tutelage.names import shown
from tutelage.run.workspace import Workspace
from tutelage.teacher.named import is_answer

ENDINGS = (".safetensors", ".onnx", ".tflite", ".pt2", ".pte", ".xml", ".bin", ".h", ".c", ".cc")
"""Of students' files. Nothing that arrives is run."""


def pull(arguments: list[str]) -> None:
    """Fetches a student into a folder, or a teacher's answers beside the others."""
    parser = Parser(
        "tutelage pull", description="A student with its card, or a teacher's answers, from the Hugging Face hub."
    )
    parser.add_argument("repo_id", metavar="USER/NAME")
    parser.add_argument("--answers", action="store_true", help="a teacher's answers, which are a data set there")
    parser.add_argument("--to", type=Path, help="a new folder for the student; without it NAME, here")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="beside whose runs answers are kept")
    chosen = parser.parse_args(arguments)
    if chosen.answers:
        print(shown(str(answers(chosen.repo_id, Workspace(chosen.runs).caches))))
    else:
        folder = chosen.to or Path(chosen.repo_id.rpartition("/")[2])
        print(shown(str(student(chosen.repo_id, folder))))


def student(repo_id: str, folder: Path) -> Path:
    """Fetches a student and its card into a new folder, which appears when all files are as their card says.

    Raises:
        UserError: the folder exists, the hub has no such student, or a file is not as it was pushed.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already", "--to names another folder")
    wanted = [name for name in hub.names(repo_id, "model") if _is_delivered(name)]
    if "card.json" not in wanted:
        raise UserError(f"{repo_id} holds no student of tutelage (no card.json)", "tutelage push puts one there")
    with files.appearing_folder(folder) as beside:
        _fetch(repo_id, "model", wanted, beside)
        for path in sorted(beside.glob("student*")):
            try:
                check_student(path)
                check_exported(path)
            except Damaged as damaged:
                raise UserError(
                    f"{path.name} of {repo_id} is not as it was pushed: {damaged.reason}", "ask who pushed it"
                ) from None
    return folder


def answers(repo_id: str, caches: Path) -> Path:
    """Fetches a teacher's answers; the cache, which appears when every file has its checksum.

    A run that has the teacher at hand asks it for some rows again, as of every cache.

    Raises:
        UserError: the answers are here already, the hub has none of that name, or a file is not as it was pushed.
    """
    from tutelage.teacher.cachefiles import CacheFiles
    from tutelage.teacher.manifest import folder_name, manifest_in

    wanted = [name for name in hub.names(repo_id, "dataset") if is_answer(PurePosixPath(name))]
    if "manifest.json" not in wanted:
        raise UserError(
            f"{repo_id} holds no teacher's answers", "tutelage push runs/teacher-cache/NAME puts them there"
        )
    manifest = manifest_in(hub.fetched(repo_id, "dataset", "manifest.json").parent)
    if not isinstance(manifest, dict):
        raise UserError(f"manifest.json of {repo_id} is damaged", "ask who pushed it")
    cache = caches / folder_name(manifest)
    if cache.exists():
        raise UserError(f"{cache} is here already", "tutelage cache list says what it holds")
    with tempfile.TemporaryDirectory() as elsewhere:
        looked_at = Path(elsewhere) / cache.name  # seals name the folder
        _fetch(repo_id, "dataset", wanted, looked_at)
        try:
            read = CacheFiles.open(looked_at).check()
        except Damaged as damaged:
            raise UserError(
                f"the answers of {repo_id} are not as they were pushed: {damaged.reason}", "ask who pushed them"
            ) from None
    if not read:
        raise UserError(f"{repo_id} holds no teacher's answers", "ask who pushed it")
    with files.appearing_folder(cache) as beside:
        _fetch(repo_id, "dataset", wanted, beside)
    return cache


def _fetch(repo_id: str, kind: hub.Kind, names: list[str], folder: Path) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(hub.fetched(repo_id, kind, name), path)


def _is_delivered(name: str) -> bool:
    """Whether a file of a repository is one that `push` writes; its name names no folder."""
    return name in DELIVERED or (name.startswith("student") and "/" not in name and name.endswith(ENDINGS))
