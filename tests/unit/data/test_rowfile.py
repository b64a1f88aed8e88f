"""Rows are on disk as they were in memory, and damage to any byte is found."""

import pytest

from tutelage.data import facts, rowfile, rows
from tutelage.data.place import Place
from tutelage.data.reading import Facts
from tutelage.errors import Damaged

ENTRIES = [
    rows.Entry(Place(f"a/{i}.png", "", "a", 10, i), Facts(f"{i:064x}", 5, 6, "RGB", "PNG", shown=f"{i:032x}"))
    for i in range(1, 40)
]


@pytest.fixture
def file(tmp_path):
    rowfile.write(tmp_path / "some.rows", facts.of(ENTRIES), {"digest": "abc"})
    return tmp_path / "some.rows"


def test_rows_come_back(file):
    found = rowfile.read(file)
    assert list(found) == ENTRIES
    assert found.remembered == {"digest": "abc"}


def test_there_may_be_none(tmp_path):
    rowfile.write(tmp_path / "none.rows", facts.of([]), {})
    assert list(rowfile.read(tmp_path / "none.rows")) == []
    assert rowfile.read(tmp_path / "absent.rows") is None


def test_a_changed_byte_is_found_wherever_it_is(file):
    content = file.read_bytes()
    for position in [*range(128), *range(128, 700, 7), *range(700, len(content), 97), len(content) - 1]:
        file.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            found = rowfile.read(file)
        except Damaged:
            continue
        assert found is None or content[position : position + 1] == b" ", position  # the version, or room to spare


def test_a_cut_file_and_another_files_content_are_found(file):
    content = file.read_bytes()
    for spoilt in (content[:-1], content[:100], b"", b"\0\xff" * 200, content + b"\0"):
        file.write_bytes(spoilt)
        with pytest.raises(Damaged):
            rowfile.read(file)
    other = file.with_name("other.rows")
    other.write_bytes(content)
    with pytest.raises(Damaged):
        rowfile.read(other)


def test_a_column_of_one_value_is_one_value(tmp_path):
    sizes = []
    for vary in (False, True):
        entries = [entry._replace(place=entry.place._replace(offset=i * vary)) for i, entry in enumerate(ENTRIES * 50)]
        rowfile.write(tmp_path / "some.rows", facts.of(entries), {})
        assert list(rowfile.read(tmp_path / "some.rows")) == entries
        sizes.append((tmp_path / "some.rows").stat().st_size)
    assert sizes[1] - sizes[0] > 7 * len(entries)
