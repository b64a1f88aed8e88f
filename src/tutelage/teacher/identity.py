"""Says what a teacher's answers are answers to: the manifest of a cache, hashed into its folder's name."""

from pathlib import Path, PurePath
from typing import Any

from tutelage import files
from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.errors import Damaged
from tutelage.models.tap import Tapped
from tutelage.models.weights import weights_digest
from tutelage.rng import RNG_VERSION

FORMAT = 1
"""The version of a cache's files; another one is another cache."""


def identity(
    network: Tapped, name: str, images: Images, augment: Augment, precision: str, storage: str
) -> dict[str, Any]:
    """Everything an answer depends on, and nothing else: not the number of views, student, method, batch or order.

    Args:
        network: The teacher.
        name: Its name, for people.
        images: The training split.
        augment: Which views exist.
        precision: Of the teacher's forward pass.
        storage: Of the files: "float16", "float32" or "int8".
    """
    return {
        "format": FORMAT,
        "rng": RNG_VERSION,
        "teacher": {
            "name": PurePath(name).name if ".py:" in name else name,
            "weights": weights_digest(network),
            "size": network.size,
            "mean": list(network.mean),
            "std": list(network.std),
            "interpolation": network.interpolation,
        }
        | ({"made_by": network.made_by} if network.made_by else {}),
        "images": {"digest": images.digest, "samples": len(images)},
        "augment": augment.identity,
        "precision": precision,
        "storage": storage,
    }


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
