"""What a method is: numbers in their ranges, one formula, and parts only where it says so."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated

import pytest
from torch import nn

from tutelage.errors import UserError
from tutelage.methods import METHODS, method_class
from tutelage.methods.base import Adapted, Extended, Method, Range, Weight, leaves, ranges
from tutelage.methods.combine import Sum, Warmed
from tutelage.outputs import Sizes


@dataclass(frozen=True)
class Plain(Method):
    weight: Weight = 1.0
    steps: Annotated[int, Range(2, 5, open=True)] = 3

    def losses(self, student, teacher, context, adapters):
        return {}


@dataclass(frozen=True)
class Kept(Extended):
    mixable = False
    needs = frozenset({"embedding"})

    def losses(self, student, teacher, context, adapters):
        return {}

    def parts(self, student, teacher, samples):
        return nn.Linear(student.classes, samples)

    def extended(self, student, adapters):
        return nn.Sequential(student, adapters)


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Range(0), [0, 1e9], [-1e-9, math.nan, math.inf, "1", None]),
        (Range(0, open=True), [1e-9], [0]),
        (Range(0, 1), [0, 1], [1.01]),
    ],
    ids=str,
)
def test_a_range_holds_its_numbers_and_nothing_else(allowed, inside, outside):
    assert all(value in allowed for value in inside)
    assert not any(value in allowed for value in outside)


def test_a_range_is_written_as_mathematicians_do():
    assert [str(r) for r in (Range(0), Range(0, open=True), Range(0, 1))] == ["[0, inf)", "(0, inf)", "[0, 1]"]


def test_a_field_outside_its_range_is_named():
    with pytest.raises(UserError, match=r"method\.weight = -1 is outside \[0, inf\)") as error:
        Plain(weight=-1)
    assert error.value.hint == "choose weight in [0, inf)"
    with pytest.raises(UserError, match=r"method\.weight = inf is not a finite number"):
        Plain(weight=math.inf)
    with pytest.raises(UserError, match=r"method\.weight = '1' is not a finite number"):
        Plain(weight="1")  # ty: ignore[invalid-argument-type]
    with pytest.raises(UserError, match=r"method\.steps = 2 is outside \(2, 5\]"):
        dataclasses.replace(Plain(), steps=2)


def test_ranges_stand_beside_the_fields():
    assert ranges(Plain) == {"weight": ranges(Plain)["weight"], "steps": Range(2, 5, open=True)}
    assert ranges(Plain)["weight"].search == (0.1, 10)


def test_parts_that_are_no_module_are_refused():
    @dataclass(frozen=True)
    class Forgetful(Adapted):
        def losses(self, student, teacher, context, adapters):
            return {}

        def parts(self, student, teacher, samples):
            nn.Linear(student.classes, samples)

    with pytest.raises(UserError, match="parts returned NoneType, expected a torch"):
        Forgetful().adapters(Sizes(3), Sizes(3), 5)


def test_a_plain_method_has_no_parts_and_deploys_the_student():
    student = nn.Linear(2, 2)
    adapters = Plain().adapters(Sizes(3), Sizes(3), 7)
    assert isinstance(adapters, nn.Identity)
    assert Plain().deployed(student, adapters) is student


def test_an_extended_method_deploys_what_it_says():
    student = nn.Linear(2, 3)
    adapters = Kept().adapters(Sizes(3), Sizes(3), 7)
    assert adapters.weight.shape == (7, 3)
    assert list(Kept().deployed(student, adapters)) == [student, adapters]


def test_a_composition_passes_on_what_its_parts_need_and_keep():
    for whole in (Warmed(Kept()), Sum(Plain(), Kept())):
        assert not whole.mixable
        assert whole.needs >= {"embedding"}
    student, both = nn.Linear(2, 3), Sum(Plain(), Kept())
    adapters = both.adapters(Sizes(3), Sizes(3), 7)
    assert isinstance(adapters["first"], nn.Identity)
    assert list(both.deployed(student, adapters)) == [student, adapters["second"]]
    assert Plain().needs == {"logits"}, "the classes keep what they declare"


@pytest.mark.parametrize("part", ["at", Plain, None])
def test_what_is_no_method_is_no_part_of_one(part):
    @dataclass(frozen=True)
    class Holding(Plain):
        part: Method = Plain()

    assert Holding(part=Plain(2.0)).needs == {"logits"}
    with pytest.raises(UserError, match=r"Holding\.part = .* is not a method with its numbers"):
        Holding(part=part)


def test_two_methods_that_each_extend_the_student_are_no_sum():
    for whole in (lambda: Sum(Kept(), Kept()), lambda: Sum(Sum(Plain(), Kept()), Warmed(Kept()))):
        with pytest.raises(UserError, match="Kept and Kept each leave a part of their own in the student"):
            whole()
    assert list(leaves(Sum(Sum(Plain(), Kept()), Warmed(Plain(2.0))))) == [Plain(), Kept(), Plain(2.0)]


def test_what_is_abstract_has_to_be_written():
    for cls in (Method, Adapted, Extended):
        with pytest.raises(TypeError, match="abstract"):
            cls()


@pytest.mark.parametrize("name", METHODS)
def test_defaults_lie_in_their_ranges_and_outside_is_refused(name):
    cls = method_class(name)
    method = cls()
    for field, allowed in ranges(cls).items():
        assert getattr(method, field) in allowed
        with pytest.raises(UserError, match=f"method.{field}"):
            dataclasses.replace(method, **{field: type(getattr(method, field))(allowed.low - 1)})
