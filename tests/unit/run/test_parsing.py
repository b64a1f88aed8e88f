"""Records as JSON values and back; the mistakes that people make are tests/property/test_recipe.py's."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from tutelage.errors import UserError
from tutelage.methods import KD, Method
from tutelage.run.parsing import as_plain, parsed, without_defaults


@dataclass(frozen=True)
class Inner:
    name: str
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=lambda: Inner("a"))
    rate: Annotated[float, "per step"] = 0.5
    kind: Literal["x", "y"] = "x"
    maybe: Inner | None = None
    options: dict[str, Any] = field(default_factory=dict)
    method: Method = field(default_factory=KD)


def test_a_record_goes_there_and_back():
    record = Outer(Inner("b", (3,)), rate=2.0, kind="y", maybe=Inner("c"), options={"k": [1, {"z": None}]})
    assert parsed(Outer, as_plain(record), "") == record
    assert as_plain(record)["inner"] == {"name": "b", "sizes": [3]}
    assert as_plain(record)["method"]["name"] == "kd"


def test_what_is_absent_has_its_default():
    assert parsed(Outer, {}, "") == Outer()
    assert parsed(Outer, {"inner": {"name": "b"}}, "").inner.sizes == (1, 2)


def test_fields_at_their_default_are_left_out():
    assert without_defaults(Outer()) == {"inner": {"name": "a"}, "method": {"name": "kd"}}
    assert without_defaults(Outer(rate=0.75, method=KD(2.0)))["method"] == {"name": "kd", "temperature": 2.0}


def test_a_whole_number_will_do_for_a_number_and_not_the_other_way():
    assert parsed(Outer, {"rate": 2}, "").rate == 2.0
    with pytest.raises(UserError, match=r"inner\.sizes\[0\] = 1\.5 is not a whole number"):
        parsed(Outer, {"inner": {"name": "b", "sizes": [1.5]}}, "")
    with pytest.raises(UserError, match="rate = True is not a number"):
        parsed(Outer, {"rate": True}, "")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"inner": {}}, "inner has no name"),
        ({"inner": 3}, "inner = 3 is not a table"),
        ({"innr": {}}, 'unknown field "innr"'),
        ({"inner": {"name": "a", "size": []}}, 'unknown field "inner.size"'),
        ({"kind": "z"}, 'unknown value of kind: "z"'),
        ({"method": {"temperature": 1.0}}, "method has no name"),
        ({"method": {"name": "kd", "alpha": "0.9"}}, r"method\.alpha = \'0\.9\' is not a number"),
    ],
)
def test_a_mistake_is_named_with_its_address(plain, message):
    with pytest.raises(UserError, match=message):
        parsed(Outer, plain, "")
