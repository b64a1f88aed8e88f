"""Orders a labelled set so that every beginning of it is a fair sample: splits and parts are pieces of that order."""

import math
from collections import Counter

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tutelage import rng

ORDERS = 16
"""In which groups are tried."""


def stratified_order(labels: Int64[Tensor, " N"], purpose: str) -> Int64[Tensor, " N"]:
    """An order of which every beginning holds the classes in their proportions, to about one image a class.

    The r-th image of a class of n, in an order fixed by `purpose`, stands at (r + 1/2) / n of the whole. So a smaller
    part lies within a larger one, which scikit-learn's splits do not give.
    """
    key = rng.key(0, purpose, torch.arange(len(labels)))
    by_key = torch.argsort(key)
    _, class_of, sizes = labels[by_key].unique(return_inverse=True, return_counts=True)
    by_class = torch.argsort(class_of, stable=True)
    rank = torch.empty_like(class_of)
    rank[by_class] = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[class_of[by_class]]
    return by_key[torch.argsort((rank.double() + 0.5) / sizes[class_of], stable=True)]


def drawn(labels: Int64[Tensor, " N"], groups: Int64[Tensor, " N"], share: float, purpose: str) -> Bool[Tensor, " N"]:
    """Which images are set aside: the beginning of `stratified_order`, or `whole_groups` where that would cut one.

    Args:
        labels: Class numbers.
        groups: Equal numbers belong together.
        share: Of the images, above 0 and below 1.
        purpose: Names the draw.
    """
    order = stratified_order(labels, purpose)
    aside = torch.zeros(len(labels), dtype=torch.bool)
    aside[order[: round(share * len(order))]] = True
    in_part = torch.zeros(int(groups.max()) + 1, dtype=torch.bool)
    in_part[groups[aside]] = True
    return whole_groups(labels, groups, share, purpose) if in_part[groups[~aside]].any() else aside


def in_folds(labels: Int64[Tensor, " N"], groups: Int64[Tensor, " N"], folds: int, purpose: str) -> Int64[Tensor, " N"]:
    """The fold of every image, from 0: each is set aside of what the folds before it left.

    Args:
        labels: Class numbers.
        groups: Equal numbers belong together.
        folds: K, 2 or more.
        purpose: Names the draw.
    """
    fold, rest = torch.full_like(labels, folds - 1), torch.arange(len(labels))
    for left in range(folds, 1, -1):
        aside = drawn(labels[rest], groups[rest], 1 / left, purpose)
        fold[rest[aside]] = folds - left
        rest = rest[~aside]
    return fold


def whole_groups(
    labels: Int64[Tensor, " N"], groups: Int64[Tensor, " N"], share: float, purpose: str
) -> Bool[Tensor, " N"]:
    """Which images are set aside so that every group is whole, and each class gives about `share` of its images.

    Groups come in an order fixed by `purpose`; each is set aside where that brings the classes nearer to their shares.
    The best of `ORDERS` orders is taken. A class of two groups or more has one on either side.

    Args:
        labels: Class numbers.
        groups: Equal numbers belong together.
        share: Of the images, above 0 and below 1.
        purpose: Names the draw.
    """
    _, group_of, sizes = groups.unique(return_inverse=True, return_counts=True)
    in_order = torch.argsort(group_of, stable=True)
    first = in_order[sizes.cumsum(0) - sizes]
    counts = _counted(labels[in_order], sizes)
    wanted = {label: share * count for label, count in Counter(labels.tolist()).items()}
    best: tuple[float, list[int]] = (math.inf, [])
    for attempt in range(ORDERS):
        order = torch.argsort(rng.key(attempt, purpose, first)).tolist()
        chosen, taken = _filled(counts, order, wanted)
        left = sum((taken[label] - wanted[label]) ** 2 / wanted[label] for label in wanted)
        if left < best[0]:
            best = (left, chosen)
        if all(abs(taken[label] - wanted[label]) <= 0.5 for label in wanted):
            break
    aside = torch.zeros(len(sizes), dtype=torch.bool)
    aside[best[1]] = True
    return aside[group_of]


def _counted(labels: Tensor, sizes: Tensor) -> list[Counter[int]]:
    """How many images of which class each group has; groups of one image, a million perhaps, share what says so."""
    alone = {label: Counter([label]) for label in labels.unique().tolist()}
    edges = (sizes.cumsum(0) - sizes).tolist()
    return [
        alone[label] if size == 1 else Counter(labels[edge : edge + size].tolist())
        for edge, size, label in zip(edges, sizes.tolist(), labels[edges].tolist(), strict=True)
    ]


def _filled(counts: list[Counter[int]], order: list[int], wanted: dict[int, float]) -> tuple[list[int], Counter[int]]:
    """The groups that are set aside, taken in this order, and their images by class."""
    taken: Counter[int] = Counter()
    groups_left = Counter(label for of_group in counts for label in of_group)
    chosen = []

    def may_go(group: int) -> bool:
        return all(groups_left[label] > 1 for label in counts[group])

    def take(group: int) -> None:
        chosen.append(group)
        taken.update(counts[group])
        groups_left.subtract(counts[group].keys())

    for group in order:
        change = sum(n * (n + 2 * (taken[k] - wanted[k])) / wanted[k] for k, n in counts[group].items())
        if change < 0 and may_go(group):
            take(group)
    if any(not taken[label] for label in wanted):  # of a few large groups the smallest
        rest = set(chosen)
        for group in sorted((g for g in order if g not in rest), key=lambda g: counts[g].total()):
            if any(not taken[label] for label in counts[group]) and may_go(group):
                take(group)
    return chosen, taken
