"""The example in docs/concepts/addresses.md runs as it is printed."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "addresses.md"


def test_the_example_runs():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted == 8
    assert results.failed == 0
