"""Counts how many images of val and test have a copy or a near copy in training, and says what that means."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from tutelage.data import near
from tutelage.data.index import Index, duplicates
from tutelage.data.place import few
from tutelage.shares import percent

WORDS = {"val": "validation", "test": "test"}


class Leaked(TypedDict):
    """How much of a split is in training too."""

    images: int
    """How many images the split has."""
    copies: int
    """How many of them have a copy: those whose very pixels are in training."""
    near: int
    """How many of the others have a near copy there."""


class Leakage(TypedDict):
    """What of val and test is in training too."""

    val: Leaked
    test: Leaked
    not_compared: list[str]
    """Classes of so many images that near copies were not looked for."""


def found(indexed: Index, train: Sequence[int], val: Sequence[int], test: Sequence[int]) -> Leakage:
    """Counts the leaks.

    Args:
        indexed: The images.
        train: Positions among its sound entries; so are `val` and `test`.
        val: Of the validation images.
        test: Of the test images.
    """
    exact, alike = linked(indexed)
    trained = np.zeros(len(indexed.sound), bool)
    trained[np.asarray(train, np.int64)] = True

    def of(split: Sequence[int]) -> Leaked:
        inside = set(split)
        copies, also = ({i for i in way.keys() & inside if trained[[*way[i]]].any()} for way in (exact, alike))
        return {"images": len(split), "copies": len(copies), "near": len(also - copies)}

    return {"val": of(val), "test": of(test), "not_compared": near.too_large(indexed)}


def in_training(indexed: Index, train: np.ndarray, others: np.ndarray) -> list[int]:
    """The training images that have a copy or a near copy among the others."""
    outside, exact_and_alike = np.zeros(len(indexed.sound), bool), linked(indexed)
    outside[others] = True
    found = {i for way in exact_and_alike for i, copies in way.items() if outside[[*copies]].any()}
    return sorted(found & set(train.tolist()))


def linked(indexed: Index) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """By position: the images that show the very same pixels; and those that show nearly the same."""
    exact: dict[int, set[int]] = {}
    for group in duplicates(indexed.sound):
        exact.update((i, set(group) - {i}) for i in group)
    alike: dict[int, set[int]] = {}
    for first, second in near.pairs(indexed):
        alike.setdefault(first, set()).add(second)
        alike.setdefault(second, set()).add(first)
    return exact, alike


def sentence(leakage: Mapping | None) -> str:
    """One sentence: how many have a copy or a near copy in training, and what that does to the claim."""
    if leakage is None:
        return "leakage: not looked for; a built-in data set is taken with the splits that were published"
    splits = [(WORDS[name], leakage[name]) for name in ("test", "val") if leakage[name]["images"]]
    leaked = {word: counts["copies"] + counts["near"] for word, counts in splits}
    classes = leakage["not_compared"]
    rest = f"; near copies were not looked for in {few(classes)}: more than {near.LARGEST:,} images" if classes else ""
    if not any(leaked.values()):
        sizes = " and ".join(f"{counts['images']:,} {word}" for word, counts in splits)
        return f"leakage: none of {sizes} images has a copy or a near copy in training{rest}"
    share = {word: leaked[word] / counts["images"] for word, counts in splits}
    shares = " and ".join(
        f"{leaked[word]:,} of {counts['images']:,} {word} images ({percent(share[word])}; {counts['copies']:,} exact)"
        for word, counts in splits
    )
    word = max(share, key=lambda word: share[word])
    return (
        f"leakage: {shares} have a copy or a near copy in training: these test what was remembered, so accuracy "
        f"on {word} images may be up to {100 * share[word]:.1f} points too high for new photos, and gains may be gains "
        f"in remembering{rest}"
    )
