"""Orders a labelled set so that every beginning of it is a fair sample: splits and parts are pieces of that order."""

import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import rng


def stratified_order(labels: Int64[Tensor, " N"], purpose: str) -> Int64[Tensor, " N"]:
    """An order of which every beginning holds the classes in their proportions, to about one image a class.

    The r-th image of a class of n, in an order fixed by `purpose`, stands at (r + 1/2) / n of the whole. So a smaller
    part lies within a larger one, which scikit-learn's splits do not give.
    """
    key = rng.key(0, purpose, torch.arange(len(labels)))
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        rank = torch.argsort(torch.argsort(key[members]))
        place[members] = (rank.double() + 0.5) / len(members)
    by_key = torch.argsort(key)
    return by_key[torch.argsort(place[by_key], stable=True)]
