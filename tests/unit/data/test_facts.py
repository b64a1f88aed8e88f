"""Facts go into columns and come back; see also test_rows.py."""

import numpy as np

from tutelage.data import facts
from tutelage.data.place import Place
from tutelage.data.reading import Facts
from tutelage.data.rows import Entry, Words


def test_facts_that_are_put_again_leave_nothing_of_the_first():
    columns = facts.FactsColumns(2)
    columns.put(0, Facts("ff" * 32, 3, 4, "RGB", "PNG", shown="ee" * 16))
    columns.put(0, Facts("", broken="the file is empty"))
    places = facts.of([Entry(Place("a", "", "x", 1, 2), Facts("")), Entry(Place("b", "", "x", 1, 2), Facts(""))])
    made = columns.beside(Words(("",), ("x",)), places.names, places.columns)
    assert [entry.facts for entry in made] == [Facts("", broken="the file is empty"), Facts("")]


def test_what_is_known_is_copied_with_its_words():
    known = facts.of(
        [Entry(Place("a", "", "x", 1, 2), Facts(f"{i:064x}", i, 1, mode)) for i, mode in enumerate("PQRS", 1)]
    )
    columns = facts.FactsColumns(3)
    columns.put(1, Facts("0f" * 32, 9, 9, "S"))
    columns.copy(np.array([0, 2]), known, np.array([3, 0]))
    made = columns.beside(known.words, known.names, {name: column[:3] for name, column in known.columns.items()})
    assert [entry.facts for entry in made] == [known[3].facts, Facts("0f" * 32, 9, 9, "S"), known[0].facts]
