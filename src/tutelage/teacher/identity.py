"""Says what a teacher's answers are answers to: the manifest of a cache, hashed into its folder's name."""

from typing import Any

from tutelage.data.augment import Augment
from tutelage.data.images import Images
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
        storage: Of the files, "float16" or "float32".
    """
    return {
        "format": FORMAT,
        "rng": RNG_VERSION,
        "teacher": {
            "name": name,
            "weights": weights_digest(network),
            "size": network.size,
            "mean": list(network.mean),
            "std": list(network.std),
            "interpolation": network.interpolation,
        },
        "images": {"digest": images.digest, "samples": len(images)},
        "augment": augment.identity,
        "precision": precision,
        "storage": storage,
    }
