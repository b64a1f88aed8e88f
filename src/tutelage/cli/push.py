"""Runs `tutelage push`, which uploads an exported student and its card to the Hugging Face hub, when asked to only."""

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage.cli.scrubbing import local_folders, scrubbed
from tutelage.edge.card import check_exported
from tutelage.errors import UserError
from tutelage.models.delivered import check_student
from tutelage.names import shown

DELIVERED = ("README.md", "card.json", "recipe.json", "evaluation.json", "export.json")
"""What goes along beside the weights and the exported files (student*): no checkpoints, no logs, no lock."""


def push(arguments: list[str]) -> None:
    """Uploads what a run delivers in one commit."""
    parser = argparse.ArgumentParser("tutelage push", description="The exported student and its card to the hub.")
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("repo_id", metavar="REPO_ID", help="USER/NAME; made where it does not exist")
    parser.add_argument("--private", action="store_true", help="of a repository that is made now")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    chosen = parser.parse_args(arguments)
    paths = delivered(chosen.run)
    contents = scrubbed(paths, local_folders(chosen.run))
    if chosen.dry_run:
        for path in paths:
            print(shown(str(path)))
        return
    print(upload(contents, chosen.repo_id, private=chosen.private))


def delivered(run: Path) -> list[Path]:
    """The files of a run that are for others.

    Raises:
        UserError: no run, or not exported.
    """
    if not (run / "recipe.json").is_file():
        raise UserError(f"{run} holds no run (no recipe.json)", "tutelage train RECIPE makes one")
    if not (run / "export.json").is_file() or not (run / "README.md").is_file():
        raise UserError(f"{run} has no exported student with its card", f"tutelage export {run} writes both")
    students = sorted(run.glob("student*"))
    for path in students:
        check_student(path)
        check_exported(path)
    return [run / name for name in DELIVERED if (run / name).is_file()] + students


def upload(contents: dict[str, bytes], repo_id: str, *, private: bool = False) -> str:
    """One commit of files, by name, to a model repository; its address. $HF_ENDPOINT and the hub's log-in are used.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="tutelage")
    with _told(repo_id):
        api.create_repo(repo_id, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
        return str(api.create_commit(repo_id, operations, commit_message="Student and card by tutelage").commit_url)


@contextmanager
def _told(repo_id: str) -> Generator[None]:
    """What goes wrong between here and the hub, in a user's words; never with a token in them."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    # OSError, and HTTPError of whichever client the hub's library uses.
    unreachable: Any = HfHubHTTPError.__bases__
    try:
        yield
    except HFValidationError:
        raise UserError(f"{repo_id!r} is no name of a repository", "write USER/NAME") from None
    except LocalTokenNotFoundError:
        raise UserError("the hub does not know you", "hf auth login, or set HF_TOKEN") from None
    except HfHubHTTPError as error:
        raise UserError(
            f"the hub refused {repo_id}: status {error.response.status_code}",
            "hf auth login with a token that may write to it, or choose another USER/NAME",
        ) from None
    except unreachable as error:
        raise UserError(
            f"the hub cannot be reached: {type(error).__name__}", "try again when there is a network"
        ) from None
