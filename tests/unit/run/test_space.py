"""What a search varies: ranges that hold every method's published numbers."""

import pytest

from tutelage.methods import METHODS, method_class
from tutelage.run.recipe import method_at_defaults
from tutelage.run.space import space, values_of, with_values


@pytest.mark.parametrize("name", METHODS)
def test_the_published_numbers_lie_where_tuning_looks(name):
    method = method_class(name)()
    for field, value in values_of(method).items():
        low, high = space(method)[field].search
        assert low <= value <= high, field
        assert low > 0 or not space(method)[field].log, field


@pytest.mark.parametrize("name", [*(name for name in METHODS if name != "baseline"), "kd+at", "dkd+dist+rkd"])
def test_any_values_of_the_space_make_a_method(name):
    method = method_at_defaults(name)
    assert space(method)
    assert with_values(method, values_of(method)) == method
    for end in (0, 1):
        values = {field: float(allowed.search[end]) for field, allowed in space(method).items()}
        changed = with_values(method, values)
        assert values_of(changed) == values
        assert type(changed) is type(method)


def test_parts_of_a_composition_have_addresses():
    assert {"first.temperature", "first.alpha", "second.teacher_weight", "weight"} <= set(
        space(method_at_defaults("kd+at"))
    )
