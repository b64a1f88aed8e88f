"""Tables as spreadsheets and pandas write them; what is missing is named by its row."""

import os

import pytest

import awkward
from tutelage.errors import UserError
from tutelage.text import read_text

CAT, DOG = [[f"{name}/{number:02d}.png" for number in range(10)] for name in ("cat", "dog")]
ROWS = [(path, "caf\u00e9") for path in CAT] + [(path, "dog") for path in DOG]
READ = [["caf\u00e9", *"712"], ["dog", *"712"]]


def lines(rows=ROWS, heading=("path", "label"), comma=","):
    return "\r\n".join(comma.join(map(str, row)) for row in [heading, *rows]) + "\r\n"


def named(label):
    """The table with a class of another name in place of the dogs'."""
    return lines([(path, label if name == "dog" else "cat") for path, name in ROWS])


OTHER_PAGES = {
    "Shift JIS, katakana": ("\u30cd\u30b3", "cp932"),
    "Shift JIS, hiragana": ("\u306d\u3053", "cp932"),
    "Shift JIS, one kanji": ("\u72ac", "cp932"),
    "Shift JIS beside ASCII": ("dog \u30a4\u30cc", "cp932"),
    "GBK": ("\u72d7", "gbk"),
    "GBK, two characters": ("\u5c0f\u72d7", "gbk"),
    "Big5": ("\u8c93", "big5"),
    "Korean": ("\uace0\uc591\uc774", "euc_kr"),
    "Cyrillic": ("\u043a\u043e\u0448\u043a\u0430", "cp1251"),
    "Cyrillic of Unix": ("\u043a\u043e\u0448\u043a\u0430", "koi8_r"),
    "Greek": ("\u03b3\u03ac\u03c4\u03b1", "cp1253"),
    "DOS": ("caf\xe9", "cp850"),
    "DOS within a word": ("sch\xf6n", "cp850"),
    "the old Macintosh": ("caf\xe9", "mac_roman"),
}
LATIN = (
    *("\xe9t\xe9", "cr\xe9\xe9e", "\xe0 la carte", "\xd6l", "\xc5", "\xfe\xfd\xf0ing", "j\xe4\xe4\xe4\xe4r", "\xb5m"),
    *("\xabcaf\xe9\xbb", "l\u2019\xeele", "\u201e\xc4rger\u201c", "25 \xb0C", "\xbfqu\xe9?", "\u20ac 5", "\u0153uf"),
    *("petit\xc9cureuil", "na\xefve \u2013 \xeele"),
)


def windows(rows):
    return [(path.replace("/", "\\"), label) for path, label in rows]


AWKWARD = {
    "UTF-8 with a mark": (lines().encode("utf-8-sig"), READ),
    "UTF-16 with a mark": (lines().encode("utf-16"), READ),
    "UTF-16 of the other end": (b"\xfe\xff" + lines().encode("utf-16-be"), READ),
    "UTF-16 without a mark": (lines().encode("utf-16-le"), READ),
    "Windows-1252": (lines().encode("cp1252"), [*READ, "t.csv is not UTF-8, read as cp1252"]),
    "semicolons": (lines(comma=";").encode(), READ),
    "tabs": (lines(comma="\t").encode(), READ),
    "what a spreadsheet says of itself": (("sep=;\r\n" + lines(comma=";")).encode(), READ),
    "headings with capitals and spaces": (lines(heading=(" File Name", "Class Label ")).encode(), READ),
    "other headings": (lines(heading=("img_path", "target")).encode(), READ),
    "spaces after separators": (lines(comma=", ").encode(), READ),
    "an index before": (lines([(i, *row) for i, row in enumerate(ROWS)], ("", "filename", "label")).encode(), READ),
    "the index is the path": (lines(heading=("", "label")).encode(), READ),
    "Windows paths": (lines(windows(ROWS)).encode(), READ),
    "absolute paths of another machine": (
        lines([("C:\\Users\\me\\set\\" + path, label) for path, label in windows(ROWS)]).encode(),
        [*READ, "20 absolute paths of t.csv not found"],
    ),
    "quotes": (lines([(f'"{path}"', f'"{label}"') for path, label in ROWS]).encode(), READ),
    "rows of separators": ((lines() + ",\r\n,\r\n").encode(), READ),
    "a split as people write it": (
        lines(
            [(*row, ("Training", "TEST", "Dev set")[i % 3]) for i, row in enumerate(ROWS)], ("path", "label", "Set")
        ).encode(),
        [["caf\u00e9", *"433"]],
    ),
    "empty lines before the headings": (("\r\n\n" + lines()).encode(), READ),
    "UTF-8 with one damaged byte": (lines().encode() + b"\xff", ["t.csv is not UTF-8", "save it as UTF-8"]),
    "no label": (lines([*ROWS, ("cat/00.png", "")]).encode(), ["row 21: no label"]),
    "labels of pandas that are none": (
        lines([*ROWS, ("cat/00.png", "nan"), ("cat/00.png", "NaN")]).encode(),
        ["row 21: no label, and 1 row more"],
    ),
    "a separator in a path": (lines([*ROWS, ("cat/0,0.png", "dog")]).encode(), ["row 21: more cells than columns"]),
    "labels in capitals": (
        lines([*ROWS, ("cat/00.png", "Dog ")]).encode(),
        ["classes that differ in case, spaces or accents alone: 'Dog' 1 / 'dog' 10"],
    ),
    "no file of it is there": (lines([("gone/" + p, n) for p, n in ROWS]).encode(), ["first is gone/cat/00.png"]),
    "no text": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x81\x8d", ["is not text in UTF-8 or UTF-16"]),
    "no cells": (b"", ["t.csv has no rows", "its first line names the columns"]),
    "a heading alone": (b"path,label\r\n", ["t.csv has no rows"]),
    "JSON": (b'[{"path": "cat/00.png", "label": "cat"}]', ["t.csv has no rows"]),
    "no heading": (b"cat/00.png,cat\r\ncat/01.png,cat\r\n", ["has the columns cat/00.png, cat", "its first line"]),
    "a column for one split": (
        lines([(*row, i % 3 == 0) for i, row in enumerate(ROWS)], ("path", "label", "is_valid")).encode(),
        [*READ, "the column is_valid is not read; a column split may say"],
    ),
    "one column twice": (
        lines([(*row, "fox") for row in ROWS], ("path", "label", "Label ")).encode(),
        ["two columns label"],
    ),
    "a quotation mark that is not closed": (
        lines([*ROWS[:5], ('"' + ROWS[5][0], "dog"), *ROWS[6:]]).encode(),
        ["row 6: the path goes on over several lines", "close the quotation mark"],
    ),
    "one before the last cell": (
        lines([*ROWS[:5], (ROWS[5][0], '"dog'), *ROWS[6:]]).encode(),
        ["row 6: the label goes on over several lines"],
    ),
    "an endless cell": (b'path,label\r\na.png,"' + b"x" * 200_000, ["field larger than field limit"]),
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return awkward.folder(tmp_path_factory.mktemp("set"), "cat", "dog")


@pytest.mark.parametrize("kind", AWKWARD)
def test_a_table_is_read_or_refused_in_a_sentence(kind, pictures, capfd, monkeypatch):
    table, expected = AWKWARD[kind]
    (pictures / "t.csv").write_bytes(table)
    text = awkward.said(["data", "check", "t.csv"], pictures, capfd, monkeypatch)
    rows = [line.split() for line in text.splitlines()]
    for words in expected:
        assert words in (text if isinstance(words, str) else rows), text


@pytest.mark.parametrize("kind", OTHER_PAGES)
def test_names_of_another_code_page_never_become_wrong_letters(kind, pictures, capfd, monkeypatch):
    label, encoding = OTHER_PAGES[kind]
    (pictures / "t.csv").write_bytes(named(label).encode(encoding))
    text = awkward.said(["data", "check", "t.csv"], pictures, capfd, monkeypatch)
    assert "t.csv is not text in UTF-8" in text or "t.csv is not UTF-8, and as Windows-1252 a line" in text
    assert "iconv -f" in text


@pytest.mark.parametrize("label", LATIN)
def test_names_of_western_europe_are_read_as_they_are(label, tmp_path):
    (tmp_path / "t.csv").write_bytes(named(label).encode("cp1252"))
    text, guessed = read_text(tmp_path / "t.csv", any_encoding=True)
    assert text == named(label)
    assert guessed in {"cp1252", ""}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_of_names_that_are_not_latin(encoding, pictures, capfd, monkeypatch):
    (pictures / "t.csv").write_bytes(named("\u732b").replace("cat/00.png", "dog/00.png").encode(encoding))
    assert "\u732b" in awkward.said(["data", "check", "t.csv"], pictures, capfd, monkeypatch)
    (pictures / "t.csv").write_bytes("path,label\r\ncat/00.png,\u732b\r\ncat/01.png,\u72ac\r\n".encode(encoding))
    assert read_text(pictures / "t.csv", any_encoding=True).text.count("\u732b") == 1


def frames():
    pandas_like = {"path": CAT + DOG, "label": ["cat"] * 10 + ["dog"] * 9}
    yield "a label of null", pandas_like | {"label": [*pandas_like["label"], None]}, "row 20: no label"
    yield "a label of NaN", pandas_like | {"label": [float("nan"), *range(19)]}, "row 1: no label"
    yield "a list for a label", pandas_like | {"label": [["cat"]] * 20}, "row 1: the label is list, not text"
    yield "pictures for paths", {"image": [{"bytes": b"x"}] * 20, "label": [1] * 20}, "the path is dict, not text"
    whole = {"__index_level_0__": CAT + DOG, "Label": ["cat"] * 10 + ["dog"] * 10}
    yield "an index of paths", whole, "suggested --data.size 9"


@pytest.mark.parametrize(("columns", "expected"), [f[1:] for f in frames()], ids=[f[0] for f in frames()])
def test_parquet_of_pandas(columns, expected, pictures, capfd, monkeypatch):
    pa = pytest.importorskip("pyarrow", reason="pip install tutelage[parquet]")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), pictures / "t.parquet")
    assert expected in awkward.said(["data", "check", "t.parquet"], pictures, capfd, monkeypatch)


def test_a_damaged_parquet_file(pictures, capfd, monkeypatch):
    pytest.importorskip("pyarrow", reason="pip install tutelage[parquet]")
    (pictures / "t.parquet").write_bytes(b"PAR1 and nothing")
    assert "is not a sound Parquet file" in awkward.said(["data", "check", "t.parquet"], pictures, capfd, monkeypatch)


def test_one_flipped_bit_of_a_parquet_file_with_checksums_is_a_sentence_or_changes_nothing(pictures):
    pa = pytest.importorskip("pyarrow", reason="pip install tutelage[parquet]")
    import pyarrow.parquet as pq

    from tutelage.data import places

    table = pictures / "t.parquet"
    columns = {"path": CAT + DOG, "label": ["cat"] * 10 + ["dog"] * 10, "split": ["train", "test"] * 10}
    pq.write_table(pa.table(columns), table, write_page_checksum=True, compression="none")
    sound, right = table.read_bytes(), places.listing(table).places
    at_names = [sound.rindex(b"split") + 1, sound.index(b"00.png"), sound.index(b"dog")]
    refused = 0
    for place in [*at_names, *range(0, len(sound), 17)]:
        table.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        try:
            assert [tuple(p) for p in places.listing(table).places] == [tuple(p) for p in right], place
        except UserError:
            refused += 1
    assert refused > 20


def test_a_name_with_a_backslash_is_taken_as_it_is_where_there_is_such_a_file(tmp_path):
    from tutelage.data import places

    awkward.picture(tmp_path / "a\\b.png")
    awkward.picture(tmp_path / "a/b.png")
    (tmp_path / "t.csv").write_text("path,label\na\\b.png,x\n")
    assert [place.file for place in places.listing(tmp_path / "t.csv").places] == ["a\\b.png"]


def test_splits_of_a_table_as_the_flag_says(tmp_path):
    from tutelage.data import places

    rows = [("a.png", "x", "A"), ("b.png", "x", "B"), ("c.png", "x", "C")]
    for name, *_ in rows:
        awkward.picture(tmp_path / name)
    (tmp_path / "t.csv").write_text(lines(rows, ("path", "label", "split")))
    told = places.listing(tmp_path / "t.csv", splits="train=A,test=C")
    assert [(p.file, p.split) for p in told.places] == [("c.png", "test"), ("a.png", "train")]
    assert told.notes == ["1 row of other splits left out (B 1): see data.splits"]


def test_a_pipe_is_no_table(tmp_path, capfd, monkeypatch):
    os.mkfifo(tmp_path / "t.csv")
    assert "t.csv is no plain file" in awkward.said(["data", "check", "t.csv"], tmp_path, capfd, monkeypatch)
