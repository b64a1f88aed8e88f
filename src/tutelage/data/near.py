"""Finds near copies among the images of a class: small grey pictures, correlated after they were aligned.

A hash of an image's look takes different photos of one kind for copies (on tracks of traffic signs 42 % of its pairs
were right). Here two images are near copies where the middle of one, shifted and zoomed as fits best, correlates with
the middle of the other, in its grey values and in its detail alone. Brightness, contrast, blur and compression leave
both as they were. Imports no torch.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product

import numpy as np
from PIL import Image

from tutelage import files
from tutelage.data import reading
from tutelage.data.index import Index
from tutelage.progress import advancing

Move = tuple[float, float, float]
"""Zoom, and cells of shift downwards and to the right."""
STILL: Move = (1.0, 0.0, 0.0)
VERSION = 1
"""The version of the rule: raise it when other pairs are found."""
SIDE = 32
"""The side of the small pictures; they are compared in a first pass at half of it."""
MIDDLE = 22
"""Cells of the middle that are compared; the rest is room for shifts of up to a seventh of the picture."""
ZOOMS, SHIFTS = (0.85, 1.0, 1.18), (-4, -2, 0, 2, 4)
"""What the first pass tries; the second looks around its best."""
HALVES = (-1, -0.5, 0, 0.5, 1)
"""Cells of shift around a move, in the second pass."""
COARSE, LIKELY = 0.7, 0.15
"""Correlations that a pair needs for the second pass: of grey values at half the size, and of detail."""
RULES = ((0.88, 0.75), (0.97, 0.5))
"""Correlations of grey values and of detail that near copies have, one pair or the other: docs/concepts/copies.md."""
FLAT = 1.0
"""Standard deviation, of 255, below which grey values show nothing."""
LARGEST = 20_000
"""Images of a class that are compared; in a larger class none are."""


def pairs(indexed: Index) -> list[tuple[int, int]]:
    """Near copies, exact ones among them, as positions among the sound entries, ascending.

    Looked for once for the same images; kept in the cache folder.
    """
    file = files.cache_folder() / f"near-{indexed.digest[:16]}-{VERSION}.json"
    try:
        return [(int(first), int(second)) for first, second in files.read_json(file)["pairs"]]
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError):
        pass  # Not looked for yet, or damaged: it can be made anew.
    found = sorted(_looked_for(indexed))
    with suppress(OSError):  # then the next start looks again
        files.write_json(file, {"pairs": found})
    return found


def too_large(indexed: Index) -> list[str]:
    """The classes that have too many images to be compared."""
    return [label for label, members in _by_class(indexed).items() if len(members) > LARGEST]


def alike(small: np.ndarray) -> list[tuple[int, int]]:
    """Near copies among small pictures.

    Args:
        small: float32 [N, SIDE, SIDE], grey values in 0..255.
    """
    detail = _detail(small)
    still = [_unit(_moved(small, STILL, MIDDLE)), _unit(_moved(detail, STILL, MIDDLE), FLAT / 4)]
    found: list[tuple[int, int]] = []
    for move, (first, second) in _candidates(small).items():
        for part in range(0, len(first), 1024):
            i, j = first[part : part + 1024], second[part : part + 1024]
            likely = _scores(small, detail, still, (i, j), [move])[1] >= LIKELY
            i, j = i[likely], j[likely]
            grey, fine = _scores(small, detail, still, (i, j), _around(move))
            near = np.any([(grey >= least) & (fine >= least_fine) for least, least_fine in RULES], axis=0)
            i, j = i[near], j[near]
            found += zip(i.tolist(), j.tolist(), strict=True)
    return sorted(found)


def _looked_for(indexed: Index) -> Iterator[tuple[int, int]]:
    classes = [m for m in _by_class(indexed).values() if 1 < len(m) <= LARGEST]
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        advancing("looking for near copies", sum(map(len, classes))) as advance,
    ):
        for members in classes:
            small = np.stack([*pool.map(lambda i: _small(indexed, i), members)])
            yield from ((members[first], members[second]) for first, second in alike(small))
            advance(len(members))


def _by_class(indexed: Index) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    number = indexed.sound.column("label")
    order = np.argsort(number, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        if len(part):
            members[indexed.rows.words.labels[number[part[0]]]] = part.tolist()
    return members


def _small(indexed: Index, position: int) -> np.ndarray:
    """An image as SIDE x SIDE grey values; a file that is gone shows nothing."""
    try:
        image = reading.decoded(reading.content(indexed.root, indexed.sound[position].place), 2 * SIDE)
    except (OSError, ValueError):
        return np.zeros((SIDE, SIDE), np.float32)
    return np.asarray(image.convert("L").convert("F").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


def _candidates(small: np.ndarray) -> dict[Move, tuple[np.ndarray, np.ndarray]]:
    """Pairs that the first pass does not rule out, by how the first of them has to be moved; the first is earlier."""
    half = small.reshape(len(small), SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    moves = [(zoom, float(down), float(right)) for zoom, down, right in product(ZOOMS, SHIFTS, SHIFTS)]
    middle = _unit(_moved(half, STILL, MIDDLE // 2))
    moved = [_unit(_moved(half, (zoom, down / 2, right / 2), MIDDLE // 2)) for zoom, down, right in moves]
    found: dict[Move, list[np.ndarray]] = {}
    for first in range(0, len(half), 512):
        rows = slice(first, first + 512)
        best = np.full((len(half[rows]), len(half) - first), -1, np.float32)
        by = np.zeros(best.shape, np.uint8)
        for number, of_move in enumerate(moved):
            correlation = of_move[rows] @ middle[first:].T
            better = correlation > best
            by[better] = number
            np.maximum(best, correlation, out=best)
        pairs = np.argwhere(np.triu(best >= COARSE, 1))
        of_pair = by[pairs[:, 0], pairs[:, 1]]
        for number in np.unique(of_pair):
            found.setdefault(moves[number], []).append(first + pairs[of_pair == number])
    whole = {move: np.concatenate(parts) for move, parts in found.items()}
    return {move: (both[:, 0], both[:, 1]) for move, both in whole.items()}


def _around(move: Move) -> list[Move]:
    """Moves a little other than this one, and itself."""
    zoom, down, right = move
    return [(zoom * z, down + y, right + x) for z, y, x in product((0.93, 1.0, 1.08), HALVES, HALVES)]


def _scores(
    small: np.ndarray, detail: np.ndarray, still: list[np.ndarray], pairs: tuple[np.ndarray, ...], moves: list[Move]
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of grey values and of detail under the move where the latter is largest, float32 [P] each."""
    i, j = pairs
    grey, fine = np.full(len(i), -1, np.float32), np.full(len(i), -1, np.float32)
    for move in moves:
        of_detail = (_unit(_moved(detail[i], move, MIDDLE), FLAT / 4) * still[1][j]).sum(1)
        better = of_detail > fine
        fine[better] = of_detail[better]
        grey[better] = (_unit(_moved(small[i[better]], move, MIDDLE)) * still[0][j[better]]).sum(1)
    return grey, fine


def _detail(pictures: np.ndarray) -> np.ndarray:
    """What differs from the mean of the 5 x 5 cells around."""
    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2)), mode="edge")
    for axis in (1, 2):
        sums = np.cumsum(np.insert(padded, 0, 0, axis=axis), axis=axis, dtype=np.float64)
        ends = [slice(None)] * 3
        starts = list(ends)
        ends[axis], starts[axis] = slice(5, None), slice(None, -5)
        padded = (sums[tuple(ends)] - sums[tuple(starts)]) / 5
    return pictures - padded.astype(np.float32)


def _moved(pictures: np.ndarray, move: Move, cells: int) -> np.ndarray:
    """The middle of pictures after they were zoomed and shifted, float32 [N, cells, cells]."""
    zoom, down, right = move
    side = pictures.shape[-1]
    return _sampling(side, cells, zoom, down) @ pictures @ _sampling(side, cells, zoom, right).T


def _sampling(side: int, cells: int, zoom: float, shift: float) -> np.ndarray:
    """Linear interpolation along one axis, float32 [cells, side]; beyond the edge its last cell is repeated."""
    place = (side - 1) / 2 + shift + (np.arange(cells) - (cells - 1) / 2) * zoom
    place = place.clip(0, side - 1)
    low = np.minimum(place.astype(int), side - 2)
    weights = np.zeros((cells, side), np.float32)
    weights[np.arange(cells), low] = 1 - (place - low)
    weights[np.arange(cells), low + 1] = place - low
    return weights


def _unit(pictures: np.ndarray, flat: float = FLAT) -> np.ndarray:
    """Mean 0 and length 1, [N, cells * cells], so that products are correlations; 0 where there is nothing to see."""
    rows = pictures.reshape(len(pictures), pictures.shape[1] * pictures.shape[2])
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    seen = length > flat * rows.shape[1] ** 0.5
    return np.where(seen, rows / np.maximum(length, 1e-6), 0).astype(np.float32)
