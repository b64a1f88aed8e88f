"""Runs `tutelage data check`, which says what is in a data set and what is wrong with it before training on it."""

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.cli.parser import Parser
from tutelage.data import DATASETS, Data, index
from tutelage.data.place import few
from tutelage.errors import UserError, unknown
from tutelage.names import printable, shown
from tutelage.progress import counted, size

SHOWN = 10
"""Broken files and duplicates that are named on the screen; --json names all."""

USAGE = """\
usage: tutelage data check PATH [FLAGS]
       tutelage data wake-words ANNOTATIONS PHOTOS [FLAGS]

check reads every image once. wake-words writes a table of photos with and without a person from COCO's annotations.
Each has a --help of its own."""


def data_(arguments: list[str]) -> None:
    """`tutelage data check NAME`, and `data wake-words`, which has a module of its own."""
    if arguments and arguments[0] == "wake-words":
        from tutelage.cli.wakewords import wake_words

        wake_words(arguments[1:])
        return
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return
    if arguments[:1] != ["check"]:
        hint = "a folder of images, a CSV file, tar files or a built-in name"
        if len(arguments) == 1 and os.path.exists(arguments[0]):
            hint = shlex.join(["tutelage", "data", "check", arguments[0]])
        elif arguments:
            raise unknown("data command", arguments[0], ("check", "wake-words"))
        raise UserError("usage: tutelage data check PATH", hint)
    parser = Parser("tutelage data check", description="Reads every image once; keeps what it found.")
    parser.add_argument("name", metavar="PATH", help="folder, CSV or Parquet file, tar file, or built-in name")
    splits = "which folders are splits, where their names do not say it; none: all folders are classes"
    parser.add_argument(
        "--data.splits", "--splits", default="", metavar="train=A,val=B,test=C", dest="splits", help=splits
    )
    group = "what belongs together: a column of the table, or a pattern with one group in it on the path"
    parser.add_argument("--data.group", "--group", default="", metavar="COLUMN|PATTERN", dest="group", help=group)
    leak = "drop: training images with a copy in val or test are left out"
    parser.add_argument(
        "--data.on-leak", "--on-leak", default="say", choices=("say", "drop"), dest="on_leak", help=leak
    )
    parser.add_argument("--val-share", type=float, default=Data.val_share, help="where there is no val split")
    parser.add_argument("--data-root", help="the folder of the built-in data sets")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    chosen = parser.parse_args(arguments[1:])
    options = {name: getattr(chosen, name) for name in ("val_share", "splits", "group", "on_leak")}
    data = Data(chosen.name, look="whole", on_bad="skip", **options)
    data.check_name()
    overview = look(data) if data.is_path else built_in(data, chosen.data_root)
    if chosen.json:
        print(json.dumps(overview, indent=2))
    else:
        show(overview, Console())


def look(data: Data) -> dict[str, Any]:
    """What reading every image of a path tells, as JSON values.

    Raises:
        UserError: there is no such path, its layout is not known, or it cannot be split.
    """
    from tutelage.data import leaks, photos, test_split

    index.of(data, compare_all=True)
    indexed = photos.sound(data)
    notes = photos.remarks(indexed)
    try:
        parts = photos.pieces(indexed, data)._asdict() | {"test": test_split.positions(indexed, data)}
    except UserError as error:
        raise UserError("\nnote: ".join((error.message, *notes)), error.hint) from None
    split = {i: name for name, positions in parts.items() for i in positions.tolist()}
    used = indexed.sound.take(np.array(sorted(split)))
    counts = Counter(zip((split[i] for i in sorted(split)), used.labels(), strict=True))
    given = {indexed.rows.words.splits[number] for number in np.unique(used.column("split"))}
    sides = np.sort(np.minimum(used.column("width"), used.column("height"))).tolist()
    bytes_of = np.where(used.column("length") != 0, used.column("length"), used.column("bytes"))
    traits = used.traits()

    leakage = leaks.found(indexed, *(parts[name].tolist() for name in ("train", "val", "test")))
    return {
        "name": data.name,
        "images": len(used),
        "classes": {name: {part: counts[part, name] for part in ("train", "val", "test")} for name in indexed.classes},
        "carved": [part for part in ("val", "test") if part not in given],
        "shorter_side": {"smallest": sides[0], "median": sides[len(sides) // 2], "largest": sides[-1]},
        "suggested_size": indexed.size,
        "formats": _counted((kind.format, count) for kind, count in traits),
        "modes": _counted((kind.mode, count) for kind, count in traits),
        "turned": sum(count for kind, count in traits if kind.turned),
        "animated": sum(count for kind, count in traits if kind.frames > 1),
        "bytes": int(bytes_of.sum()),
        "broken": {place_in_words(entry.place): entry.facts.broken for entry in indexed.broken},
        "left_out": dict(indexed.left_out.most_common()),
        "dropped": len(indexed.sound) - len(split),
        "notes": [
            *notes,
            *photos.of_groups(indexed, data),
            *_absent(counts, indexed.classes),
            *_suggestion(indexed, data),
        ],
        **_copies(indexed, split),
        "leakage": {"sentence": leaks.sentence(leakage), **leakage},
        "digest": indexed.digest,
    }


def _copies(indexed: index.Index, split: dict[int, str]) -> dict[str, Any]:
    """Images that are there more than once, and those that nearly are, by split and file."""
    from tutelage.data import near

    def named(positions: Iterable[int]) -> list[str]:
        return [f"{split[i]} {place_in_words(indexed.sound[i].place)}" for i in positions]

    def across(positions: Iterable[int]) -> bool:
        return len({split[i] for i in positions}) > 1

    same = [[i for i in group if i in split] for group in index.duplicates(indexed.sound)]
    same = [group for group in same if len(group) > 1]
    shown = indexed.sound.same
    alike = [pair for pair in near.pairs(indexed) if split.keys() >= set(pair) and shown[pair[0]] != shown[pair[1]]]
    return {
        "duplicates": {
            "groups": [named(group) for group in same],
            "across_splits": [named(group) for group in same if across(group)],
            "of_different_classes": [
                named(group) for group in same if len({indexed.sound[i].place.label for i in group}) > 1
            ],
        },
        "near_duplicates": {"pairs": len(alike), "across_splits": [named(pair) for pair in alike if across(pair)]},
    }


def _suggestion(indexed: index.Index, data: Data) -> list[str]:
    """What to type where photos seem to be of bursts and a split is carved."""
    from tutelage.data import groups

    if data.group or indexed.splits >= {"val", "test"} or not groups.by_counter(indexed.sound):
        return []
    command = shlex.join(["tutelage", "data", "check", data.name, "--data.group", groups.COUNTER])
    return [
        "most files differ from others of their class by a counter at the end alone, as photos of bursts do; a split "
        f"that keeps them together: {command}"
    ]


def built_in(data: Data, root: str | None) -> dict[str, Any]:
    """The counts of a built-in set; its files are compared with their hashes, so none is broken.

    Raises:
        UserError: there is none of that name; files are missing or corrupt.
    """
    from tutelage.data import leaks, load

    if data.name not in DATASETS:
        raise unknown("data set", data.name, DATASETS, "tutelage list datasets")
    row, loaded = DATASETS[data.name], load(data, root)
    counts = {part: Counter(images.labels.tolist()) for part, images in (("train", loaded.train), ("val", loaded.val))}
    return {
        "name": data.name,
        "images": row.train + row.test,
        "classes": {
            name: {part: counts[part][i] for part in ("train", "val")} for i, name in enumerate(loaded.classes)
        },
        "carved": ["val"],
        "shorter_side": {"smallest": row.size, "median": row.size, "largest": row.size},
        "suggested_size": row.size,
        "source": row.source,
        "files": "as published: their hashes were compared",
        "test": f"{row.test} images, not opened",
        "leakage": {"sentence": leaks.sentence(None)},
        "digest": loaded.digest,
    }


def place_in_words(place: Any) -> str:
    """A file, and where in it."""
    return f"{place.file} at {place.offset}" if place.length else place.file


def show(overview: dict[str, Any], console: Console) -> None:
    """The facts as a person reads them."""
    console.print(overview["leakage"]["sentence"], markup=False, soft_wrap=True)
    parts = list(next(iter(overview["classes"].values())))
    table = Table("class", *parts, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, counts in overview["classes"].items():
        table.add_row(Text(shown(name)), *(f"{counts[part]:,}" for part in parts))
    table.add_row("all", *(f"{sum(c[part] for c in overview['classes'].values()):,}" for part in parts), style="bold")
    console.print(table)
    for line in in_words(overview):
        console.print(Text(printable(line)), soft_wrap=True)


def in_words(overview: dict[str, Any]) -> list[str]:
    """The facts below the table, warnings last."""
    side = overview["shorter_side"]
    lines = []
    if overview["carved"]:
        lines.append(f"{' and '.join(overview['carved'])}: set aside from the others, the same ones every time")
    lines.append(
        f"shorter side {side['smallest']} to {side['largest']} pixels, median {side['median']}; "
        f"suggested --data.size {overview['suggested_size']}"
    )
    if "files" in overview:
        return [*lines, f"files: {overview['files']}", f"test: {overview['test']}"]
    lines.append(f"formats {_list(overview['formats'])}; modes {_list(overview['modes'])}; {size(overview['bytes'])}")
    if overview["dropped"]:
        lines.append(
            f"{counted(overview['dropped'], 'training image')} left out: val or test has a copy or near copy of them"
        )
    for count, what in ((overview["turned"], "turned as EXIF says"), (overview["animated"], "animated: first frame")):
        if count:
            lines.append(f"{count:,} {what}")
    return [*lines, *(f"note: {line}" for line in overview["notes"]), *_warnings(overview)]


def _warnings(overview: dict[str, Any]) -> list[str]:
    broken, same, near = overview["broken"], overview["duplicates"], overview["near_duplicates"]
    lines = []
    if broken:
        lines.append(f"warning: {len(broken):,} cannot be used; mend or remove them, or --data.on-bad skip")
        lines += _few([f"{file}: {reason}" for file, reason in broken.items()])
    if same["of_different_classes"]:
        lines.append(f"warning: in several classes at once: {counted(len(same['of_different_classes']), 'image')}")
        lines += _few([" = ".join(group) for group in same["of_different_classes"]])
    if same["across_splits"]:
        lines.append(
            f"warning: {counted(len(same['across_splits']), 'image')} in several splits: what is measured is too good"
        )
        lines += _few([" = ".join(group) for group in same["across_splits"]])
    if near["across_splits"]:
        lines.append(
            f"warning: {counted(len(near['across_splits']), 'pair')} of near copies in different splits; look at them"
        )
        lines += _few([" ~ ".join(pair) for pair in near["across_splits"]])
    if same["across_splits"] or near["across_splits"]:
        lines.append("--data.on-leak drop takes those in training out of it")
    rest = len(same["groups"]) - len(same["across_splits"])
    if rest:
        lines.append(f"{counted(rest, 'image')} with copies in the same split")
    if not lines:
        lines.append("no broken files, no duplicates")
    return lines


def _absent(counts: Counter[tuple[str, str]], classes: tuple[str, ...]) -> list[str]:
    """A sentence for each split that lacks classes."""
    lacking = {part: [name for name in classes if not counts[part, name]] for part in ("train", "val", "test")}
    return [f"no image in {part} of {few(names)}" for part, names in lacking.items() if names]


def _few(lines: list[str]) -> list[str]:
    more = [f"  ... and {len(lines) - SHOWN:,} more (--json names all)"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in lines[:SHOWN]] + more


def _counted(words: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for word, count in words:
        counts[word] += count
    return dict(counts.most_common())


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in counts.items())
