"""Handwritten digits, as scikit-learn brings them: no file, no download.

Source: Alpaydin & Kaynak 1998, the test part of "Optical recognition of handwritten digits" (UCI).
"""

from pathlib import Path

import numpy as np
import torch

from tutelage.data.sources import Split, reader
from tutelage.data.stratify import stratified_order


@reader
def digits(root: Path | None, *, train: bool) -> Split:
    """The 1,797 digits; the set has no test split: a fixed fifth of every class is one here."""
    from sklearn.datasets import load_digits

    found = load_digits()
    labels = torch.from_numpy(found.target.astype(np.int64))
    images = (found.images.astype(np.int64) * 255 + 8) // 16  # 0..16 to 0..255, rounded
    order = stratified_order(labels, "digits test")
    test = round(0.2 * len(labels))
    chosen = (order[test:] if train else order[:test]).sort().values
    pixels = torch.from_numpy(images.astype(np.uint8))[:, None]
    return pixels[chosen], labels[chosen], tuple(str(name) for name in found.target_names)
