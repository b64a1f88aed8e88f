"""Names that come from data (classes, files, folders), shown so that nothing in them is interpreted."""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that a reader cannot see, or that move what stands beside them: controls, formats (text that runs
backwards), halves of pairs, line and paragraph separators, what is no character."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:@])")


def shown(name: str) -> str:
    """A name on one line of visible characters; whatever else is in it is written as Python escapes it.

    >>> print(shown("red\\x1b[31m\\nfox"))
    red\\x1b[31m\\nfox
    >>> print(shown("[alt] coins"), shown("caf\\udce9"))
    [alt] coins caf\\xe9
    """
    if name.isascii() and name.isprintable():
        return name
    return "".join(_escaped(c) if unicodedata.category(c) in _INVISIBLE else c for c in name)


def added_up(names: Iterable[str]) -> str:
    """Names of what works together, equal ones counted.

    >>> added_up(["resnet20", "resnet56", "resnet20"])
    '2 x resnet20 + resnet56'
    """
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in Counter(names).items())


def printable(text: str) -> str:
    """Several lines of text, each as `shown`; line feeds and tabs stay.

    >>> print(printable("one\\ntwo\\x07"))
    one
    two\\x07
    """
    return "".join(c if c in "\n\t" else shown(c) for c in text)


def shown_in(value: Any) -> Any:
    """A JSON value with every text in it as `shown`; the names of its fields stay.

    >>> shown_in({"classes": ["cat\\n", "dog"], "images": 2})
    {'classes': ['cat\\\\n', 'dog'], 'images': 2}
    """
    if isinstance(value, dict):
        return {name: shown_in(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shown_in(item) for item in value]
    return shown(value) if isinstance(value, str) else value


def in_markdown(name: str) -> str:
    """A name as Markdown and HTML show it, letter by letter.

    >>> print(in_markdown("<b>[x](y)|_z_"))
    &lt;b&gt;\\[x\\]\\(y\\)\\|\\_z\\_
    """
    plain = shown(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", plain)


def speak_any_name() -> None:
    """Lets a name that the encoding of the terminal lacks be printed as an escape, where printing would have failed."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as Python keeps it in file names
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
