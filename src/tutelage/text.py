"""Text files as other programs write them: UTF-8 with or without a mark, UTF-16, a system's code page."""

import codecs
import locale
from pathlib import Path
from typing import NamedTuple

from tutelage.errors import UserError

LARGEST = 1 << 30
"""Bytes of a text file, at most: tables of a hundred million rows are Parquet's."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Text(NamedTuple):
    """What a text file holds."""

    text: str
    """Without the mark at its beginning; ends of lines as they are."""
    guessed: str
    """The code page it was read as where it says nothing itself; empty where there is no doubt."""


def read_text(path: Path, *, guess: bool = False) -> Text:
    """The text of a file, in whichever encoding it is.

    Args:
        path: A plain file; nothing else is opened.
        guess: Read what is neither UTF-8 nor UTF-16 by the system's code page, or Windows-1252.

    Raises:
        UserError: it is no plain file, cannot be read, or holds no text.
    """
    if not path.is_file():  # a FIFO or a device would never end
        what = "a folder" if path.is_dir() else "no plain file" if path.exists() else "not there"
        raise UserError(f"{path} is {what}", "name a text file")
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than {LARGEST >> 30} GiB: no text file that can be read", "split it")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", "look at its permissions") from None
    return _decoded(data, path, guess)


def _decoded(data: bytes, path: Path, guess: bool) -> Text:
    marked = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), None)
    if marked is not None:
        data, tried = data[len(marked[0]) :], [marked[1]]
    elif _is_wide(data):
        tried = ["utf-16-le" if data[1:2] == b"\0" else "utf-16-be"]
    else:
        tried = ["utf-8"]
    pages = list(dict.fromkeys([_code_page(), "cp1252"])) if guess and marked is None and tried == ["utf-8"] else []
    for encoding in [*tried, *pages]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return Text(text, encoding if encoding in pages else "")
    raise UserError(f"{path} is not text in UTF-8 or UTF-16", "save it as UTF-8: spreadsheets and editors offer it")


def _is_wide(data: bytes) -> bool:
    """Whether every other byte of the first ones is zero, as in UTF-16 of Latin letters without its mark."""
    first = data[:64]
    return len(first) >= 4 and (not any(first[1::2]) and all(first[::2]) or not any(first[::2]) and all(first[1::2]))


def _code_page() -> str:
    page = codecs.lookup(locale.getpreferredencoding(False)).name
    return "cp1252" if page in ("utf-8", "ascii") else page
