"""Says which images belong together, so that no split is cut through a burst: by copies, a column or a pattern.

Images that show the same pixels are always one group. Imports no torch.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from tutelage.data import Data, addresses, tables
from tutelage.data.index import Index
from tutelage.data.rows import Entry
from tutelage.errors import UserError

PATIENCE_S = 10.0
"""What matching a pattern with all paths may take."""
COUNTER = r"(.*\D)\d+\.\w+$"
"""Files that differ by a counter at the end: what is before it."""
_MATCHING = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
found = map(re.compile(pattern).search, paths)
json.dump([match and match.group(1) for match in found], sys.stdout)
"""


@lru_cache(maxsize=8)
def of(indexed: Index, group: str, name: str = "") -> np.ndarray:
    """The group of every sound image, int64 [N]: numbers from 0 in the order in which groups come first.

    Args:
        indexed: The images.
        group: What --data.group says: a column or a pattern; empty: copies alone.
        name: The path that was named, which may be a table.

    Raises:
        UserError: there is no such column, the pattern is none, or no image is in a group.
    """
    same = indexed.sound.same
    if not group:
        return same
    named = zip(same.tolist(), _named(indexed, group, name), strict=True)
    return np.array(_joined([[("shown", str(image)), *more] for image, more in named]), np.int64)


def of_data(indexed: Index, data: Data) -> np.ndarray:
    """The groups that a data set is carved by."""
    return of(indexed, data.group, data.name)


def alone(indexed: Index, data: Data) -> int:
    """How many images data.group says nothing of; each is a group by itself."""
    return sum(not names for names in _named(indexed, data.group, data.name)) if data.group else 0


def checked(pattern: str) -> re.Pattern[str]:
    """A pattern with exactly one group in it.

    Raises:
        UserError: it is none.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(
            f"data.group is neither a column of a table nor a regular expression: {pattern} ({error})", _HINT
        ) from None
    if compiled.groups != 1:
        raise UserError(
            f"data.group is the pattern {pattern} with {compiled.groups} groups in parentheses, expected exactly one",
            f"{_HINT}; (?:...) are parentheses that are no group",
        )
    return compiled


def by_counter(entries: Sequence[Entry]) -> bool:
    """Whether most files differ from others of their class by a counter at the end alone, as photos of bursts do.

    A name that a whole class shares (cat_0001, cat_0002, ...) is no burst.
    """
    bursts: dict[tuple[str, str], Counter[str]] = {}
    for entry in entries:
        if not entry.place.length:
            folder, _, file = entry.place.file.rpartition("/")
            stem = re.sub(r"\d{1,18}\.\w+$", "", file)
            if stem and stem != file:
                bursts.setdefault((entry.place.label, folder), Counter())[stem] += 1
    several = [count for of_class in bursts.values() if len(of_class) > 1 for count in of_class.values() if count > 1]
    return sum(several) > len(entries) / 2


_HINT = r"'([^/]*)_\d+\.\w+$' takes what is before the last _ of the file's name"


def _named(indexed: Index, group: str, name: str) -> list[list[tuple[str, str]]]:
    """What the column or the pattern says of each sound image: nothing, one name or, of a file named twice, more."""
    path = addresses.here(name)
    if path.suffix.lower() in tables.TABLES and path.is_file():
        of_file = tables.column(path, group)
        if of_file is not None:
            named = [[("column", word) for word in of_file.get(entry.place.file, ())] for entry in indexed.sound]
            return _some(named, f"the column {group} of {name} is empty", "fill it in")
        if re.fullmatch(r"[\w \-]+", group):
            raise UserError(
                f"data.group is {group}, and {name} has no such column", "name one of its columns, or give a pattern"
            )
    checked(group)
    matches = _matches(group, tuple(entry.place.file for entry in indexed.sound))
    named = [[] if match is None else [("pattern", match)] for match in matches]
    first = indexed.sound[0].place.file if len(indexed.sound) else ""
    return _some(named, f"the pattern {group} of data.group matches no path; the first is {first}", _HINT)


def _some(named: list[list[tuple[str, str]]], message: str, hint: str) -> list[list[tuple[str, str]]]:
    if not any(named):
        raise UserError(message, hint)
    return named


@lru_cache(maxsize=4)
def _matches(pattern: str, paths: tuple[str, ...]) -> list[str | None]:
    """What the pattern's group matches in each path, found by a process of its own: some patterns never end."""
    words = [sys.executable, "-I", "-c", _MATCHING]
    try:
        done = subprocess.run(
            words, input=json.dumps([pattern, paths]), capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"matching the pattern {pattern} of data.group takes more than {PATIENCE_S:g} s",
            "a repetition within a repetition, as in (a+)+, can take for ever: write it with one",
        ) from None
    except (subprocess.CalledProcessError, OSError) as error:
        raise UserError(f"matching the pattern {pattern} of data.group failed: {error}", _HINT) from None
    return json.loads(done.stdout)


def _joined(names: Iterable[list[tuple[str, str]]]) -> tuple[int, ...]:
    """Numbers of groups: images that share a name, or are linked by others that do, are one."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(name: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = list(names)
    for first, *others in names:
        for other in others:
            parent[root(other)] = root(first)
    numbers: dict[tuple[str, str], int] = {}
    return tuple(numbers.setdefault(root(first), len(numbers)) for first, *_ in names)
