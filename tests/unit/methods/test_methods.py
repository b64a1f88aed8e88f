"""The list of the methods: every row leads to its class and its functions."""

import runpy
from pathlib import Path

import pytest

from tutelage import methods
from tutelage.errors import UserError
from tutelage.methods import METHODS, Sum, Warmed, method_class, method_name


@pytest.mark.parametrize("name", METHODS)
def test_a_row_leads_to_its_class_and_functions(name):
    row = METHODS[name]
    cls = method_class(name)
    assert cls.__name__ == row.cls
    assert getattr(methods, row.cls) is cls
    assert set(row.needs) == cls.needs
    assert method_name(cls()) == name
    assert all(callable(getattr(methods, function)) for function in row.functions)


def test_compositions_have_names_of_their_own():
    kd = methods.KD()
    assert method_class("sum") is Sum
    assert (method_name(Sum(kd, kd)), method_name(Warmed(kd))) == ("sum", "warmed")


def test_an_unknown_method_is_told_with_the_nearest():
    with pytest.raises(UserError, match='unknown method "dkdd"') as error:
        method_class("dkdd")
    assert '"dkd"' in error.value.hint
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = methods.nothing


def test_editors_see_the_names_that_are_there():
    program = Path(__file__).parents[3] / "docs" / "method_types.py"
    stub = Path(methods.__file__).with_suffix(".pyi").read_text()
    assert runpy.run_path(str(program))["stub"]() == stub, "make docs"
