"""A method by its words, and its words again."""

from pathlib import Path

import pytest

from tutelage.errors import UserError
from tutelage.methods import AT, DKD, KD, METHODS, Sum, Warmed
from tutelage.methods.finding import find_method, method_at_defaults, method_label, method_words, temperatures

OWN = """
from dataclasses import dataclass
from tutelage.methods import Method

@dataclass(frozen=True)
class Nothing(Method):
    def losses(self, student, teacher, context, adapters):
        return {}

no_class = 3
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:Nothing"


@pytest.mark.parametrize("name", METHODS)
def test_a_name_of_the_table_is_its_class_and_back(name):
    assert method_label(find_method(name)()) == name
    assert method_words(find_method(name)()) == name


def test_a_method_of_ones_own_is_known_by_its_file(own):
    assert method_label(find_method(own)()) == own


def test_a_class_of_a_file_is_one_until_its_code_changes(own):
    assert find_method(own) is find_method(own), "runs of one recipe are compared as one"
    file = Path(own.rpartition(":")[0])
    before = find_method(own)
    file.write_text(file.read_text() + "\nmore = 1\n")
    assert find_method(own) is not before


def test_what_is_no_method_is_refused(own, tmp_path):
    with pytest.raises(UserError, match="is not a method"):
        find_method(own.replace("Nothing", "no_class"))
    with pytest.raises(UserError, match='unknown method "kdd"') as error:
        find_method("kdd")
    assert '"kd"' in error.value.hint


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("kd+", 'the name of a method is empty in "kd+"', "a plus or a comma too many"),
        ("", "the name of a method is empty", "a plus or a comma too many"),
        ("kd++at", 'the name of a method is empty in "kd++at"', "write kd+at"),
        ("kd,dkd", '"kd,dkd" is more than one method', "distill RECIPE kd,dkd; to add their terms: kd+dkd"),
        ("kd, dkd", '"kd, dkd" is more than one method', "distill RECIPE kd,dkd; to add"),
        ("kd,", 'the name of a method is empty in "kd,"', "a comma too many"),
        ("kd+baseline", "baseline behind a plus adds nothing: the labels' term of a second", "first: baseline+kd"),
        ("own.py", "own.py is a file, not a method", "name the class in it: own.py:NAME"),
        ("warmed", "warmed is made of other methods, which its name does not say", "write kd+at"),
        ("kd+sum", "sum is made of other methods, which its name does not say", "write kd+at"),
    ],
)
def test_a_name_that_says_no_method_or_not_all_of_it_is_told_so(name, message, hint):
    with pytest.raises(UserError) as error:
        method_at_defaults(name)
    assert error.value.message.startswith(message)
    assert hint in error.value.hint


def test_spaces_around_a_plus_do_not_matter():
    assert method_at_defaults("kd + at") == Sum(KD(), AT())


def test_a_method_of_ones_own_without_defaults_is_for_recipes(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("    def losses", "    strength: float\n\n    def losses"))
    assert find_method(f"{file}:Nothing")(2.0).strength == 2.0
    with pytest.raises(UserError, match=":Nothing has no default for strength") as error:
        method_at_defaults(f"{file}:Nothing")
    assert "[method] with name and strength" in error.value.hint


def test_words_with_a_plus_are_a_sum():
    assert method_at_defaults("kd") == KD()
    assert method_at_defaults("kd+at") == Sum(KD(), AT())
    assert method_words(method_at_defaults("kd+at+dkd")) == "kd+at+dkd"
    assert method_words(Warmed(KD())) == "kd"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (KD(temperature=3.0), (3.0,)),
        (AT(), ()),
        (Sum(KD(temperature=4.0), DKD(temperature=2.0)), (2.0, 4.0)),
        (Sum(KD(temperature=4.0), Warmed(KD(temperature=4.0))), (4.0,)),
    ],
    ids=["one", "none", "two", "the same twice"],
)
def test_the_temperatures_at_which_a_teacher_is_read(method, expected):
    assert temperatures(method) == expected
