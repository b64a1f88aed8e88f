"""Reads a cache's manifest, which says what its answers are answers to, and is hashed into its folder's name."""

from pathlib import Path
from typing import Any

from tutelage import files
from tutelage.errors import Damaged

FORMAT = 1
"""The version of a cache's files; another one is another cache."""


def folder_name(manifest: Any) -> str:
    """The name of the folder of the cache with this manifest."""
    return f"v{FORMAT}-{files.digest(manifest)[:16]}"


def manifest_in(folder: Path) -> Any:
    """The manifest of the cache in a folder; None where there is none, or it is not JSON."""
    try:
        return files.read_json(folder / "manifest.json")
    except (ValueError, FileNotFoundError):
        return None


def tampered(folder: Path) -> Damaged:
    """The error for a manifest that is not its folder's."""
    return Damaged.of(
        folder / "manifest.json",
        "it does not hold what the folder's name says",
        "the next run that reads these answers writes it again",
    )
