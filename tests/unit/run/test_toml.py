"""JSON values as TOML: what is written is what the standard library reads."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.errors import UserError
from tutelage.run.toml import written

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | words
values = plain | st.lists(plain, max_size=3)
names = st.text("abcXYZ_-09", min_size=1, max_size=6).filter(lambda name: name != "options")
tables = st.dictionaries(names, values, max_size=3)
recipes = st.dictionaries(names, values | tables | st.lists(tables, min_size=1, max_size=2), max_size=4)


@settings(deadline=None, max_examples=100)
@given(recipes)
def test_what_is_written_is_what_is_read(recipe):
    assert tomllib.loads(written(recipe)) == recipe


def test_options_stay_in_one_line_whatever_their_names():
    recipe = {"student": {"options": {"widths": [4, 8], "a b": {"c": 1}}}}
    text = written(recipe)
    assert 'options = {widths = [4, 8], "a b" = {c = 1}}' in text
    assert tomllib.loads(text) == recipe


def test_nothing_is_left_out_but_null_fields():
    assert tomllib.loads(written({"teacher": None, "seed": 1, "fit": {"ema": None}})) == {"seed": 1, "fit": {}}
    with pytest.raises(UserError, match="which TOML cannot say"):
        written({"fit": {"steps": [1, None]}})
