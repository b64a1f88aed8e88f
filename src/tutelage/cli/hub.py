"""Speaks with the Hugging Face hub: one client, what it downloads, and what goes wrong in a user's words."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tutelage.errors import UserError

Kind = Literal["model", "dataset"]
"""Students are models, a teacher's answers are a data set."""


def client() -> Any:
    """The hub's own; $HF_ENDPOINT and the hub's log-in are used."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="tutelage")


def names(repo_id: str, kind: Kind) -> list[str]:
    """The files of a repository.

    Raises:
        UserError: there is none, or the hub cannot be reached.
    """
    with told(repo_id, reading=True):
        return sorted(client().list_repo_files(repo_id, repo_type=kind))


def fetched(repo_id: str, kind: Kind, name: str) -> Path:
    """One file of a repository, in the hub's own folder of this machine; fetched once."""
    with told(repo_id, reading=True):
        return Path(client().hf_hub_download(repo_id, name, repo_type=kind))


@contextmanager
def told(repo_id: str, *, reading: bool = False) -> Generator[None]:
    """What goes wrong between here and the hub, in a user's words; never with a token in them.

    Args:
        repo_id: USER/NAME.
        reading: Nothing is written there.
    """
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
        status = error.response.status_code
        if reading and status in (401, 404):
            raise UserError(
                f"there is no {repo_id} on the hub that you may read (status {status})",
                "look for its USER/NAME; hf auth login shows you private ones; --answers looks among the data sets",
            ) from None
        raise UserError(
            f"the hub refused {repo_id}: status {status}",
            "hf auth login with a token that may write to it, or choose another USER/NAME",
        ) from None
    except unreachable as error:
        raise UserError(
            f"the hub cannot be reached: {type(error).__name__}", "try again when there is a network"
        ) from None
