"""Damaged pictures of ten formats: each is read, or refused by its name; none stalls or ends the process.

Small pictures are damaged in six ways: bits flipped, the end cut off, blocks exchanged, bytes appended, the first
bytes edited, the EXIF data edited. Each file goes through what a folder's pictures go through when they are looked at
first, through the full decoding where it was found sound, and through `predict`'s reader. A failure is any exception
but the one sentence that the user is to see, a file that is found sound and then cannot be decoded, and more than ten
seconds.

    python benchmarks/fuzz_pictures.py [--files 21000] [--code now]
"""

import argparse
import io
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tutelage.data import reading
from tutelage.data.places import Place
from tutelage.edge.card import Card
from tutelage.edge.pixels import read_picture
from tutelage.errors import UserError

RESULT = Path(__file__).parent.parent / "docs" / "results" / "fuzz.json"
LIMIT_S = 10.0
CARD = Card(("a",), (3, 16, 16))

FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "MPO": {"format": "MPO", "save_all": True},
    "PNG": {},
    "WEBP": {"quality": 80},
    "BMP": {},
    "GIF": {"save_all": True},
    "TIFF": {"compression": "tiff_lzw"},
    "PPM": {},
    "AVIF": {"quality": 60},
    "JPEG2000": {},
}


def sound(kind: str) -> bytes:
    """A small picture; with EXIF data, and a second frame, where the format has them."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((32, 24), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9286] = 6, "maker", b"ASCII\0\0\0a comment"
    options = {"format": kind} | FORMATS[kind]
    if kind in ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF"):
        options["exif"] = exif
    if "save_all" in options:
        options["append_images"] = [image.transpose(Image.Transpose.ROTATE_180)]
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def flip(data: bytearray, rng: np.random.Generator) -> None:
    """One to eight bits anywhere."""
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))


def cut(data: bytearray, rng: np.random.Generator) -> None:
    """The end is lost."""
    del data[int(rng.integers(0, len(data))) :]


def swap(data: bytearray, rng: np.random.Generator) -> None:
    """Two blocks change places."""
    size = int(rng.integers(1, 65))
    one, other = (int(place) for place in rng.integers(0, max(1, len(data) - size), 2))
    data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]


def append(data: bytearray, rng: np.random.Generator) -> None:
    """Up to 1,000 bytes more; half of the time the last ones of the file are lost before."""
    if rng.random() < 0.5:
        del data[-int(rng.integers(1, 33)) :]
    data.extend(rng.bytes(int(rng.integers(1, 1001))))


def edit(data: bytearray, rng: np.random.Generator) -> None:
    """One to four of the first 200 bytes become another, extremes among them."""
    for place in rng.integers(0, min(200, len(data)), rng.integers(1, 5)):
        data[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))


def edit_exif(data: bytearray, rng: np.random.Generator) -> None:
    """One to four of the bytes that begin the EXIF data become another, small ones most often; of the header else."""
    begins = max(data.find(b"MM\0*", 1), data.find(b"II*\0", 1))
    if begins < 0:
        edit(data, rng)
        return
    for place in rng.integers(begins + 4, min(begins + 100, len(data)), rng.integers(1, 5)):
        data[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256)), *map(int, rng.integers(0, 16, 4))]))


DAMAGES: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (flip, cut, swap, append, edit, edit_exif)


def damaged(number: int) -> tuple[str, str, bytes]:
    """The format, the damage and the bytes of one file; the same for the same number."""
    kinds = list(FORMATS)
    kind, damage = kinds[number % len(kinds)], DAMAGES[number // len(kinds) % len(DAMAGES)]
    data = bytearray(sound(kind))
    damage(data, np.random.default_rng(number))
    return kind, damage.__name__, bytes(data)


def verdict(data: bytes, folder: Path) -> str:
    """ "sound", "refused", or what went wrong."""
    file = folder / "x.jpg"
    file.write_bytes(data)
    begun = time.monotonic()
    try:
        facts = reading.inspect(folder, Place(file.name, "", "a", len(data), 0))
    except Exception as error:
        return f"reader: {type(error).__name__}"
    try:
        if not facts.broken:
            reading.decoded(data)
    except Exception as error:
        return f"sound, then {type(error).__name__}"
    try:
        read_picture(file, CARD)
    except UserError:
        pass
    except Exception as error:
        return f"predict: {type(error).__name__}"
    if time.monotonic() - begun > LIMIT_S:
        return "slow"
    return "refused" if facts.broken else "sound"


def fuzzed(files: int) -> dict[str, Any]:
    """How many files of which format and damage were found sound, were refused, and failed."""
    counts: Counter[tuple[str, str, str]] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            kind, damage, data = damaged(number)
            begun = time.monotonic()
            counts[kind, damage, verdict(data, Path(folder))] += 1
            slowest = max(slowest, time.monotonic() - begun)
    failed = Counter({key: count for key, count in counts.items() if key[2] not in ("sound", "refused")})
    return {
        "files": files,
        "formats": {
            kind: {
                "sound": sum(n for (k, _, v), n in counts.items() if (k, v) == (kind, "sound")),
                "refused": sum(n for (k, _, v), n in counts.items() if (k, v) == (kind, "refused")),
                "failed": sum(n for (k, *_), n in failed.items() if k == kind),
            }
            for kind in FORMATS
        },
        "failures": {f"{kind}, {damage}, {what}": n for (kind, damage, what), n in sorted(failed.items())},
        "slowest_s": round(slowest, 2),
    }


def table(result: dict[str, Any]) -> str:
    """The formats, and how many of their files were found sound, refused, and failed; before and now."""
    lines = ["| format | files | sound | refused | failed before | fail now |", "|---|---|---|---|---|---|"]
    for kind, now in result["now"]["formats"].items():
        counts = [sum(now.values()), now["sound"], now["refused"]]
        counts += [result[code]["formats"][kind]["failed"] for code in ("before", "now")]
        lines.append(f"| {kind} | {' | '.join(f'{count:,}' for count in counts)} |")
    return "\n".join(lines)


def main() -> None:
    """Writes what one version of the code does into the result file, beside what is there of others."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=21_000)
    parser.add_argument("--code", default="now", help="the name of the code in the result file")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = fuzzed(chosen.files) | {"pillow": Image.__version__}
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result[chosen.code] = found
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result[chosen.code], indent=2))


if __name__ == "__main__":
    main()
