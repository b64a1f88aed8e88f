"""Places come in any order, and are rows in the one that their identity is made of."""

import random

from tutelage.data.gathering import Files, Gathered
from tutelage.data.place import Place


def gathered(*found):
    made = Gathered()
    made.add(found)
    return made


def test_rows_are_sorted_by_split_class_file_and_offset():
    places = [
        *(
            Place(file, split, label, 1, 2)
            for split in ("train", "")
            for label in ("b", "a")
            for file in ("x/2", "x/10")
        ),
        *(Place("x.tar", "val", "a", 3, 4, offset, 5) for offset in (1024, 512, 20480)),
        Place("x/\udce9", "", "a", 6, 7),
        Place("x/\U0001f600", "", "a", 6, 7),
    ]
    expected = sorted(places, key=lambda p: (p.split, p.label, p.file, p.offset))
    for seed in range(5):
        random.Random(seed).shuffle(places)
        assert [entry.place for entry in gathered(*places).rows()] == expected


def test_files_found_together_are_as_places_one_by_one():
    whole = Files("", "a", ["a/b/2.png", "a/b.png", "a/b/1.png"], [1, 2, 3], [4, 5, 6])
    more = Files("", "a", ["a/0.png"], [7], [8])
    single = Place("a/b0.png", "", "a", 9, 10)
    one_by_one = [Place(*of) for of in zip(whole.names, [""] * 3, ["a"] * 3, whole.bytes, whole.mtimes, strict=True)]
    together = gathered(whole, single, more)
    assert together.counts() == {"a": 5}
    assert list(together.rows()) == list(gathered(single, *one_by_one, Place("a/0.png", "", "a", 7, 8)).rows())
    assert together.folders == {"a", "a/b"}


def test_a_name_that_no_file_has_breaks_no_row():
    rows = gathered(Place("a\0b", "", "a", -1, 0), Place("c", "", "a", 1, 1)).rows()
    assert [entry.place.file for entry in rows] == ["a\ufffdb", "c"]
