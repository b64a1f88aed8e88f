"""Handwritten digits, as scikit-learn brings them: no file, no download.

Source: Alpaydin & Kaynak 1998, the test part of "Optical recognition of handwritten digits" (UCI).
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from tutelage.data.sources import Split, reader
from tutelage.data.stratify import stratified_order


@reader
def digits(root: Path | None, *, train: bool) -> Split:
    """The 1,797 digits; the set has no test split: a fixed fifth of every class is one here."""
    # The file itself: importing scikit-learn takes longer than training on it.
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    with gzip.open(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        found = np.loadtxt(file, delimiter=",", dtype=np.int64)
    labels = torch.from_numpy(found[:, -1].copy())
    images = (found[:, :-1].reshape(-1, 8, 8) * 255 + 8) // 16  # 0..16 to 0..255, rounded
    order = stratified_order(labels, "digits test")
    test = round(0.2 * len(labels))
    chosen = (order[test:] if train else order[:test]).sort().values
    pixels = torch.from_numpy(images.astype(np.uint8))[:, None]
    return pixels[chosen], labels[chosen], tuple(map(str, range(10)))
