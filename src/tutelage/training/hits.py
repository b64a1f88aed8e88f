"""Says on which images of val a finished run is right: without torch, and without its logits in memory.

Many runs are looked at so: of 50,000 images and 1,000 classes the logits of one are 200 MB.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tutelage import sealed
from tutelage.errors import Damaged
from tutelage.run.folder import Run

if TYPE_CHECKING:
    from tutelage.data.splits import DataSet

VAL_FILE = "val_logits.safetensors"
"""In a run's folder: `logits` [N, C] and `labels` [N]."""
ROWS = 4096
"""Of logits that are in memory at a time."""


class Hits(NamedTuple):
    """What a run makes of val, image by image."""

    right: Any
    """Truth values [N]: whether the class of the largest logit is the label."""
    labels: Any
    """Whole numbers [N]."""


def on_val(run: Run, dataset: "Callable[[], DataSet]") -> Hits:
    """From the logits that a finished run has kept; where they are gone or damaged they are computed again.

    Args:
        run: The run.
        dataset: Loads its images, which only that takes.

    Raises:
        UserError: the run is not finished.
    """
    path, predicted, labels = run.path / VAL_FILE, [], []
    try:
        for piece in sealed.tensor_pieces(path, run.what(VAL_FILE), ROWS, required=bool(run.title), framework="numpy"):
            if "logits" in piece:
                predicted.append(piece["logits"].argmax(axis=1))
            else:
                labels.append(piece["labels"])
        hits = np.concatenate(predicted), np.concatenate(labels)
    except Damaged:
        from tutelage.training import predictions

        logits, of_images = predictions.on_val(Run(run.path), dataset())  # names the damage, and makes them again
        hits = logits.argmax(dim=1).numpy(), of_images.numpy()
    return Hits(hits[0] == hits[1], hits[1])
