"""Text files as other programs write them: UTF-8 with or without a mark, UTF-16, a system's code page."""

import codecs
import locale
import re
from pathlib import Path
from typing import NamedTuple

from tutelage.errors import UserError
from tutelage.names import shown

LARGEST = 1 << 30
"""Bytes of a text file, at most: tables of a hundred million rows are Parquet's."""
AS_UTF_8 = (
    "save it as UTF-8, as spreadsheets and editors offer, or convert it from what it is (SHIFT_JIS, GBK, BIG5, CP1251, "
    "...): iconv -f SHIFT_JIS -t UTF-8 OLD > NEW"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WESTERN = ("cp1252", "iso8859-1", "iso8859-15")
"""Code pages of Western Europe, in which bytes of any other can be read: as wrong letters."""
_HIGH = "[^\\x00-\\x7f\\xa0\u2018\u2019\u201c\u201d\xab\xbb\u2013\u2014\u2026]"
"""What is neither ASCII nor a space, a quotation mark or a dash."""
_NOT_LATIN = re.compile(
    rf"(?<!{_HIGH})(?<![A-Za-z]){_HIGH}{{2,}}+(?![A-Za-z])"
    rf"|{_HIGH}{{5}}"
    r"|[\x80-\x9f\xa4\xa6\xa8\xac\xaf\u0192\u02c6\u02dc]"
    rf"|[\xc2\xc3](?!\w){_HIGH}"
    r"|(?<=[a-z])[\u201a\u201e\u2030\u017d]"
    r"|(?<=[A-Za-z])[\u201c\u201d\u2020\u2021](?=[a-z])"
)
"""What no text of Western Europe holds and those of other code pages do, read so: words without any letter of ASCII
(Chinese, Japanese, Korean, Cyrillic, Greek), five other letters in a row, signs that nobody types, and quotation marks
or a capital Z with a caron within a word (code pages of DOS and the old Macintosh), letters of UTF-8 beside bytes that
are not."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What is in files that are no text."""


class Text(NamedTuple):
    """What a text file holds."""

    text: str
    """Without the mark at its beginning; ends of lines as they are."""
    guessed: str
    """The code page it was read as where it says nothing itself; empty where there is no doubt."""


def read_text(path: Path, *, any_encoding: bool = False) -> Text:
    """The text of a file.

    Args:
        path: A plain file; nothing else is opened.
        any_encoding: Also read UTF-16 and UTF-32; what is neither by the system's code page, or Windows-1252
            where the letters that come of it can be meant.

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
    return _decoded(data, path, any_encoding)


def _decoded(data: bytes, path: Path, any_encoding: bool) -> Text:
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", ""))
    data = data[len(mark) :]
    if not encoding:
        encoding = ("utf-16-le" if data[1:2] == b"\0" else "utf-16-be") if _is_wide(data) else "utf-8"
    if encoding != "utf-8" and not any_encoding:
        raise UserError(f"{path} is {encoding[:6].upper()}, and UTF-8 is expected", "save it as UTF-8")
    pages = [_code_page(), "cp1252"] if any_encoding and encoding == "utf-8" and not mark else []
    for tried in dict.fromkeys((encoding, *pages)):
        try:
            text = data.decode(tried)
        except UnicodeDecodeError:
            continue
        if "\0" in text or (tried != encoding and _CONTROLS.search(text)):
            continue
        if tried in WESTERN and (odd := _NOT_LATIN.search(text)):
            raise _of_another_page(path, text, odd.start())
        return Text(text, tried if tried != encoding else "")
    expected = "UTF-8 or UTF-16" if any_encoding else "UTF-8"
    raise UserError(f"{path} is not text in {expected}", AS_UTF_8)


def _of_another_page(path: Path, text: str, place: int) -> UserError:
    """The error for text that is in none of the encodings that can be told from each other."""
    begin, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
    line = shown(text[begin : end if end > 0 else None].strip()[-60:])
    return UserError(
        f"{path} is not UTF-8, and as Windows-1252 a line of it reads: {line}",
        AS_UTF_8,
    )


def _is_wide(data: bytes) -> bool:
    """Whether every other byte of the first ones is zero, as in UTF-16 without its mark that begins in ASCII."""
    first = data[:16]
    even, odd = first[::2], first[1::2]
    return len(first) >= 4 and ((all(even) and not any(odd)) or (all(odd) and not any(even)))


def _code_page() -> str:
    page = codecs.lookup(locale.getpreferredencoding(do_setlocale=False)).name
    return "cp1252" if page in ("utf-8", "ascii") else page
