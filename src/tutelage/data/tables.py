"""Tables of path, label and perhaps split, as spreadsheets and pandas write them."""

import base64
import csv
import importlib
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from tutelage.data.place import Aside, Place, few, placed
from tutelage.data.splitnames import HOW, Splits
from tutelage.errors import UserError
from tutelage.names import shown
from tutelage.progress import counted
from tutelage.text import read_text

TABLES = (".csv", ".tsv", ".parquet")
COLUMNS = {
    "path": "path file filename filepath image imagepath imagefile imagefilename imagename img imgpath imgname photo "
    "picture imageid",
    "label": "label class category classname classlabel labelname categoryname target labels",
    "split": "split subset fold partition set",
}
"""What the columns of a table may be called; case, spaces, hyphens and underscores do not matter."""
SPLIT_FLAGS = re.compile("(is|in|for)?(train|training|val|valid|validation|test|testing|holdout)(set)?")
"""Columns that say of one split yes or no, as fastai's is_valid; without spaces, hyphens and underscores."""
INDEX = ("", "unnamed0", "indexlevel0", "index")
"""What pandas calls the index of a table, which may hold the paths."""
MISSING = frozenset(("", "nan", "<na>", "#n/a", "nat"))
"""How programs write that a cell is empty."""
SEPARATORS = ",;\t|"


def of_table(table: Path, splits: Splits, aside: Aside) -> Iterator[Place]:
    """The images that a table names, relative to its folder or at absolute paths.

    Args:
        table: A CSV, TSV or Parquet file.
        splits: Which of its splits is which.
        aside: Takes what is to be said of it.

    Raises:
        UserError: it cannot be read; columns, paths or labels are missing; a split is not known; no file is there.
    """
    rows = _rows(table, aside)
    finder = _Finder(table)
    named: dict[str, str] = {}
    other: Counter[str] = Counter()
    unlabelled: list[int] = []
    count = 0
    for number, row in enumerate(rows, start=1):
        if number == 1:
            named = _named(table, row, aside)
        values = {kind: _text(row.get(column), table, number, kind) for kind, column in named.items()}
        if not any(values.values()):
            continue  # spreadsheets write rows of nothing but separators
        if not values["path"]:
            raise UserError(f"{table}, row {number}: no path", "fill it in, or drop the row")
        if not values["label"]:
            unlabelled.append(number)
            continue
        split = splits.of(values.get("split", ""))
        if values.get("split") and not split and not splits.none:
            if not splits.given:
                raise UserError(f'{table}, row {number}: the split "{shown(values["split"])}"', HOW)
            other[values["split"]] += 1
            continue
        count += 1
        yield placed(table.parent, finder.file(values["path"]), split, values["label"])
    if not named:
        raise UserError(
            f"{table} has no rows", "its first line names the columns, path and label; each further line is an image"
        )
    if unlabelled:
        more = f", and {counted(len(unlabelled) - 1, 'row')} more" if len(unlabelled) > 1 else ""
        raise UserError(f"{table}, row {unlabelled[0]}: no label{more}", "fill it in, or drop the row")
    if other:
        words = few(f"{word} {n:,}" for word, n in other.items())
        aside.notes.append(f"{counted(other.total(), 'row')} of other splits left out ({words}): see data.splits")
    finder.tell(count, aside)


def column(table: Path, name: str) -> dict[str, set[str]] | None:
    """What a column says of each file of a table; None where the table has no such column.

    Args:
        table: That `of_table` reads without an error.
        name: Of the column, as it is written there.
    """
    aside, finder = Aside(), _Finder(table)
    splits_of: dict[str, set[str]] = {}
    named: dict[str, str] = {}
    for number, row in enumerate(_rows(table, aside), start=1):
        if number == 1:
            named = _named(table, row, aside)
            name = next((str(key) for key in row if str(key).strip() == name.strip()), "")
            if not name:
                return None
        path, value = (
            _text(row.get(key), table, number, kind) for key, kind in ((named["path"], "path"), (name, name))
        )
        if path and value:
            splits_of.setdefault(finder.file(path), set()).add(value)
    return splits_of


class _Finder:
    """Where the files of a table are.

    A path is taken as it is where there is such a file; else with backslashes turned, as Windows writes it; else, where
    it is absolute, by its last parts: a table that was made on another machine.
    """

    def __init__(self, table: Path):
        self.table, self.root = table, table.parent
        self.dropped: int | None = None
        """How many parts of absolute paths are dropped; None: not known yet."""
        self.missing = self.moved = 0
        self.first = ""

    def file(self, name: str) -> str:
        """The file for what the table says; what is not found is left as it is said."""
        turned = name.replace("\\", "/").strip().strip("\"'")
        for candidate in dict.fromkeys((name, turned)):
            if self._is_there(candidate):
                return candidate
        parts = PurePosixPath(turned).parts
        if PurePosixPath(turned).is_absolute() or PureWindowsPath(name).is_absolute():
            drops = range(1, len(parts)) if self.dropped is None else (self.dropped,)
            for drop in drops:
                tail = "/".join(parts[drop:])
                if tail and self._is_there(tail):
                    self.dropped = drop
                    self.moved += 1
                    return tail
        self.missing += 1
        self.first = self.first or name
        return name

    def tell(self, count: int, aside: Aside) -> None:
        """Says what was found elsewhere.

        Raises:
            UserError: none of the files is there.
        """
        if count and self.missing == count:
            raise UserError(
                f"{self.table}: {counted(count, 'file')} not found, the first is {shown(self.first)}",
                f"paths are relative to {self.root}, or absolute, and have the files' endings (.jpg, .png)",
            )
        if self.moved:
            aside.notes.append(
                f"{counted(self.moved, 'absolute path')} of {self.table.name} not found; the files that end alike in "
                f"{self.root} were taken: write relative paths"
            )

    def _is_there(self, file: str) -> bool:
        try:
            return (self.root / file).is_file() or (self.root / file).exists()
        except (OSError, ValueError):
            return False


def _named(table: Path, row: dict[str, Any], aside: Aside) -> dict[str, str]:
    """The columns by what they hold."""
    keys = {column: re.sub(r"[\W_]+", "", str(column).casefold()) for column in row}
    named = {}
    for kind, words in COLUMNS.items():
        columns = [column for word in words.split() for column, key in keys.items() if key == word]
        if not columns and kind == "path":  # the index, where it holds no numbers
            columns = [c for c, key in keys.items() if key in INDEX and not str(row[c] or "").strip().isdigit()]
        if columns:
            named[kind] = columns[0]
        if len(columns) > 1:
            aside.notes.append(f"{table.name}: the {kind} is read from {columns[0]}, not from {few(columns[1:])}")
    if not {"path", "label"} <= named.keys():
        raise UserError(
            f"{table} has the columns {few(map(str, row))}",
            "it needs path and label, and may have split: its first line names them",
        )
    flags = [column for column in row if column not in named.values() and SPLIT_FLAGS.fullmatch(keys[column])]
    if flags and "split" not in named:
        aside.notes.append(
            f"{table.name}: the column {few(map(str, flags))} is not read; a column split may say train, val and test"
        )
    return named


def _text(value: Any, table: Path, number: int, kind: str) -> str:
    """A cell as text; empty where the cell is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str | int | float):
        raise UserError(
            f"{table}, row {number}: the {kind} is {type(value).__name__}, not text", "write one text or number a cell"
        )
    text = str(value)
    if table.suffix.lower() != ".parquet" and len(text.strip().splitlines()) > 1:
        raise UserError(
            f"{table}, row {number}: the {kind} goes on over several lines: {shown(text)[:40]}...",
            'close the quotation mark (") with which it begins, or take it away',
        )
    text = text if kind == "path" else text.strip()
    return "" if text.strip().lower() in MISSING else text


def _rows(table: Path, aside: Aside) -> Iterable[dict[str, Any]]:
    return _rows_of_parquet(table) if table.suffix.lower() == ".parquet" else _rows_of_csv(table, aside)


def _rows_of_csv(table: Path, aside: Aside) -> Iterator[dict[str, Any]]:
    text, guessed = read_text(table, any_encoding=True)
    if guessed:
        aside.notes.append(f"{table.name} is not UTF-8, read as {guessed}; save it as UTF-8 if names look wrong")
    text = text.lstrip("\r\n")
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r'"?sep=(.)"?', first.strip("\r"))  # what spreadsheets write for themselves
    text = rest if declared else text
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=declared[1] if declared else _separator(text), skipinitialspace=True
    )
    try:
        names = [name.strip().casefold() for name in reader.fieldnames or () if name.strip()]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise UserError(f"{table} has two columns {few(twice)}", "give each column a name of its own")
        for number, row in enumerate(reader, start=1):
            if any(value.strip() for value in row.pop(None, ())):
                raise UserError(
                    f"{table}, row {number}: more cells than columns", "put what holds a separator into quotes"
                )
            yield row
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: {error}", "save it as CSV anew") from None


def _separator(text: str) -> str:
    """The one that splits the first line into a known path and label; else the most cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def cells(separator: str) -> list[str]:
        return next(csv.reader([first], delimiter=separator), [])

    def worth(separator: str) -> tuple[int, int]:
        keys = {re.sub(r"[\W_]+", "", cell.casefold()) for cell in cells(separator)}
        return sum(bool(keys & set(words.split())) for words in COLUMNS.values()), len(cells(separator))

    return max(SEPARATORS, key=worth)


def _rows_of_parquet(table: Path) -> Iterable[dict[str, Any]]:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UserError(f"reading {table} needs pyarrow", 'pip install "tutelage[parquet]", or write a CSV') from None
    if not table.is_file():
        raise UserError(f"{table} is no plain file", "name a Parquet file")
    try:
        about = parquet.read_metadata(table)
        schema = (about.metadata or {}).get(b"ARROW:schema")  # the columns once more, as most programs write them
        if (
            schema
            and arrow.ipc.read_schema(arrow.py_buffer(base64.b64decode(schema))).names
            != about.schema.to_arrow_schema().names
        ):
            raise ValueError("it names its columns in two ways")
        return parquet.read_table(table, page_checksum_verification=True).to_pylist()
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = shown(" ".join(str(error).split())[:200])
        raise UserError(f"{table} is not a sound Parquet file: {reason}", "write it anew, or write a CSV") from None
