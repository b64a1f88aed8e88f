"""Names from data are data: what a reader sees is the name, and nothing in it is obeyed."""

import io
import os
import unicodedata

import pytest
from markdown_it import MarkdownIt

from tutelage import names

NASTY = [
    "[old] coins",
    "[/old]",
    "[link](http://x.y)",
    "<script>alert(1)</script>",
    "a|b",
    "&amp;",
    "# heading",
    "1. item",
    "- item",
    "*bold* _em_ `code` ~~gone~~",
    "\x1b[31mred\x1b[0m",
    "two\nlines",
    "tab\there",
    "\rback",
    "left\u202eright",
    "zero\u200bwidth",
    "line\u2028separator",
    "$x^2$",
    "![image](x.png)",
    "http://example.org",
    os.fsdecode(b"caf\xe9"),
    "\x00nul",
    "line\x85next",
    "\ufeffmark",
]


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_a_shown_name_is_one_line_of_visible_characters(name):
    text = names.shown(name)
    assert text.encode("utf-8")
    assert not any(unicodedata.category(character)[0] in "C" for character in text)
    assert len(text.splitlines()) == 1


def test_visible_names_stay_as_they_are():
    for name in ("[old] coins", "a & b", "\u00fc\u00df\u732b", "\u0905\u0902 \U0001f98a", "100 %"):
        assert names.shown(name) == name


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_markdown_shows_the_name_and_nothing_else(name):
    """Rendered by another parser: one paragraph, whose text is the shown name."""
    for wrapped in ("classes: {}", "| {} |"):
        tokens = MarkdownIt().parse(wrapped.format(names.in_markdown(name)))
        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
        children = tokens[1].children
        assert {child.type for child in children} <= {"text", "text_special"}
        assert "".join(child.content for child in children) == wrapped.format(names.shown(name))


def test_two_names_that_differ_are_shown_differently():
    assert len({names.shown(name) for name in NASTY}) == len(NASTY)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_name_can_be_printed(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    names.speak_any_name()
    print("\u732b", os.fsdecode(b"caf\xe9"))
    stream.flush()
    assert b"\\udce9" in stream.buffer.getvalue()
