"""Columns say what the entries said from which they were made."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tutelage.data import facts, rowfile, rows
from tutelage.data.place import Place
from tutelage.data.reading import Facts

ENTRIES = [
    rows.Entry(Place("a/1.png", "train", "a", 10, 20), Facts("0a" * 32, 5, 6, "RGB", "PNG", shown="0c" * 16)),
    rows.Entry(Place("a/caf\udce9.png", "train", "a", 11, 2**62), Facts("0b" * 32, 7, 8, "L", "PNG", shown="0c" * 16)),
    rows.Entry(Place("b/x.tar", "train", "\u00e9", 12, 22, 512, 99), Facts("", broken="the file is empty")),
    rows.Entry(Place("b/x.tar", "val", "a", 12, 22, 1024, -1), Facts("0d" * 32, 1, 2, "I;16", "PNG", bits=12)),
]


@pytest.fixture(params=["memory", "file"])
def made(request, tmp_path):
    made = facts.of(ENTRIES)
    if request.param == "memory":
        return made
    rowfile.write(tmp_path / "some.rows", made, {})
    return rowfile.read(tmp_path / "some.rows")


def test_entries_come_back(made):
    assert list(made) == ENTRIES
    assert made[-1] == ENTRIES[-1]
    assert list(made[1:3]) == ENTRIES[1:3]
    with pytest.raises(IndexError):
        made[4]


def test_chosen_rows_are_chosen_among_again(made):
    assert list(made.take(np.array([3, 1, 0])).take(np.array([0, 2]))) == [ENTRIES[3], ENTRIES[0]]


def test_another_process_has_the_same_rows(made):
    part = made.take(np.array([2, 0])).below(Path("/far"))
    again = pickle.loads(pickle.dumps(part))
    assert list(again) == list(part)
    assert again[1].place.file == "/far/a/1.png"


def test_what_is_mapped_does_not_travel(tmp_path):
    many = facts.of(ENTRIES[:2] * 1000)
    rowfile.write(tmp_path / "some.rows", many, {})
    assert len(pickle.dumps(rowfile.read(tmp_path / "some.rows"))) < 1000 < len(pickle.dumps(many))


def test_names_of_pixels_are_those_of_the_facts(made):
    sound = made.take(np.array([0, 1, 3]))
    assert list(sound.pixels()) == [ENTRIES[i].facts.pixels for i in (0, 1, 3)]


def test_groups_count_from_0_in_the_order_in_which_they_come(made):
    assert made.same.tolist() == [0, 0, 1, 2]
    assert made.take(np.array([3, 1, 2, 0])).same.tolist() == [0, 1, 2, 1]


def test_joined_rows_are_one_after_the_other(made):
    both = rows.Joined(made[:1], made[2:])
    assert list(both) == [ENTRIES[0], *ENTRIES[2:]]
    assert both[-1] == ENTRIES[-1]
    assert both[1:3] == ENTRIES[2:4]
    assert both.column("bytes").tolist() == [10, 12, 12]


def test_places_are_found_again_wherever_they_moved(made):
    other = [entry._replace(facts=Facts("")) for entry in (ENTRIES[1], ENTRIES[2], ENTRIES[3])]
    changed = other[0]._replace(place=other[0].place._replace(mtime=5))
    assert facts.of(other).found_in(made).tolist() == [1, 2, 3]
    assert facts.of([changed, *other[1:]]).found_in(made).tolist() == [-1, 2, 3]
    assert facts.of([]).found_in(made).tolist() == []
    assert made.found_in(facts.of([])).tolist() == [-1] * 4
