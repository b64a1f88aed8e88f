"""Says what a teacher's answers are answers to: the manifest of a cache, hashed into its folder's name."""

from pathlib import PurePath
from typing import Any

from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.models.tap import Tapped
from tutelage.models.weights import weights_digest
from tutelage.rng import RNG_VERSION
from tutelage.teacher.asking import TOLERANCE
from tutelage.teacher.manifest import FORMAT


def identity(
    network: Tapped, name: str, images: Images, augment: Augment, precision: str, storage: str
) -> dict[str, Any]:
    """Everything an answer depends on, and nothing else: not the number of views, student, method, batch or order.

    Args:
        network: The teacher.
        name: Its name, for people.
        images: The training split.
        augment: Which views exist.
        precision: Of the teacher's forward pass: "fp32", "bf16" or "fp16"; how far the latter may be off is a part.
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
    } | ({} if precision == "fp32" else {"tolerance": TOLERANCE[precision]})
