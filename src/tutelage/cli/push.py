"""Runs `tutelage push`, which uploads a student and its card, or a teacher's answers, when asked to only."""

from pathlib import Path

from tutelage.cli import hub
from tutelage.cli.parser import Parser
from tutelage.cli.scrubbing import local_folders, scrubbed
from tutelage.edge.card import check_exported
from tutelage.errors import UserError
from tutelage.models.delivered import check_student
from tutelage.names import shown
from tutelage.run.elsewhere import no_run
from tutelage.teacher.named import is_answer

DELIVERED = ("README.md", "card.json", "recipe.json", "evaluation.json", "export.json")
"""What goes along beside the weights and the exported files (student*): no checkpoints, no logs, no lock."""


def push(arguments: list[str]) -> None:
    """Uploads what a run delivers, or a teacher's answers, in one commit."""
    parser = Parser(
        "tutelage push", description="The exported student and its card, or a teacher's answers, to the hub."
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="or a folder of a teacher's answers (tutelage cache list)"
    )
    parser.add_argument("repo_id", metavar="REPO_ID", help="USER/NAME; made where it does not exist")
    parser.add_argument("--private", action="store_true", help="of a repository that is made now")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    chosen = parser.parse_args(arguments)
    is_cache = (chosen.run / "manifest.json").is_file()
    paths = answers(chosen.run) if is_cache else delivered(chosen.run)
    contents: dict[str, bytes | Path] = {path.relative_to(chosen.run).as_posix(): path for path in paths}
    if not is_cache:
        contents = {**scrubbed(paths, local_folders(chosen.run))}
    if chosen.dry_run:
        for path in paths:
            print(shown(str(path)))
        return
    print(upload(contents, chosen.repo_id, "dataset" if is_cache else "model", private=chosen.private))


def delivered(run: Path) -> list[Path]:
    """The files of a run that are for others.

    Raises:
        UserError: no run, or not exported.
    """
    if not (run / "recipe.json").is_file():
        raise no_run(run)
    if not (run / "export.json").is_file() or not (run / "README.md").is_file():
        raise UserError(f"{run} has no exported student with its card", f"tutelage export {run} writes both")
    students = sorted(run.glob("student*"))
    for path in students:
        check_student(path)
        check_exported(path)
    return [run / name for name in DELIVERED if (run / name).is_file()] + students


def answers(folder: Path) -> list[Path]:
    """The files of a teacher's answers, compared with their checksums.

    Raises:
        UserError: the folder holds none, one is damaged, or they name a folder of this machine.
    """
    from tutelage.data import DATASETS
    from tutelage.teacher.cachefiles import CacheFiles

    cache = CacheFiles.open(folder)
    name = str(cache.manifest.get("data", ""))
    if name.removesuffix(" (val)") not in DATASETS:
        raise UserError(
            f"these are answers to {name or 'images of a loop of your own'}, which nobody else has",
            "push answers to a data set of tutelage list datasets; others go along with their images",
        )
    if not cache.check():
        raise UserError(f"{folder} has no answers yet", "tutelage cache fill asks the teacher")
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and is_answer(path.relative_to(folder))]


def upload(contents: dict[str, bytes | Path], repo_id: str, kind: hub.Kind = "model", *, private: bool = False) -> str:
    """One commit of files, by name, to a repository; its address.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import CommitOperationAdd

    api = hub.client()
    with hub.told(repo_id):
        api.create_repo(repo_id, repo_type=kind, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
        message = "A teacher's answers by tutelage" if kind == "dataset" else "Student and card by tutelage"
        return str(api.create_commit(repo_id, operations, repo_type=kind, commit_message=message).commit_url)
