"""Ways to the test images that a mistake could take: each is tried inside training, a search and a check."""

import importlib

import small
import tutelage.data.test_split as somewhere
from tutelage.data import Data, index, photos

peek = somewhere.open_test


def by_an_alias(dataset, ledger):
    """The door under another name, through another module."""
    return peek(dataset, ledger, run="peeking", reason="by an alias")


def by_a_string(dataset, ledger):
    """The door, imported by its name in a string."""
    door = importlib.import_module("tutelage.data.test_split")
    return getattr(door, "open_" + "test")(dataset, ledger, run="peeking", reason="by a string")


def by_its_reader(dataset, ledger):
    """Past the door: the raw files."""
    return importlib.import_module("tutelage.data.sets.digits").digits(None, train=False)


def by_its_positions(dataset, ledger):
    """Past the door: which photos are set aside."""
    folder = str(small.photos(ledger.parent / "photos", images=2))
    return photos.set_aside(index.read(folder), Data(folder))


WAYS = (by_an_alias, by_a_string, by_its_reader, by_its_positions)
