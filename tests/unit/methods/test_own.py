"""What is wrong with the class of a user's own method is told in one sentence, before anything is trained."""

import pytest

from tutelage.errors import UserError
from tutelage.methods.finding import find_method

HEAD = """
from dataclasses import dataclass
from typing import ClassVar
from tutelage.methods import Adapted, Method

"""
WHOLE = """
@dataclass(frozen=True)
class Own(Method):
    needs: ClassVar[frozenset[str]] = frozenset({"logits", "head"})
    strength: float = 1.0

    def losses(self, student, teacher, context, adapters):
        return {}
"""
NEEDS = 'needs: ClassVar[frozenset[str]] = frozenset({"logits", "head"})'


def found(tmp_path, text):
    file = tmp_path / "own.py"
    file.write_text(HEAD + text)
    return find_method(f"{file}:Own")


@pytest.mark.parametrize(
    ("before", "after", "message", "hint"),
    [
        ("losses", "loss", "Own does not define losses", "write def losses(self, student, teacher, context, adapters)"),
        (
            "Own(Method)",
            "Own(Adapted)",
            "Own does not define parts",
            "write def parts(self, student, teacher, samples)",
        ),
        (
            ", context, adapters",
            "",
            "Own.losses does not take student, teacher, context, adapters",
            "write def losses(",
        ),
        ("@dataclass(frozen=True)", "", "Own has no decorator, so that strength cannot be set", "(frozen=True) in the"),
        (
            NEEDS,
            'needs = "logits"',
            "needs = 'logits' is no set of what a network answers: logits, em",
            "write needs: ",
        ),
        (NEEDS, 'needs = frozenset({"logit"})', "needs = ['logit'] is no set of what a network", "write needs: "),
        (NEEDS, 'needs: frozenset[str] = frozenset({"logits"})', "needs = ['logits'] is no set", "ClassVar[frozen"),
        (NEEDS, 'student_needs = frozenset({"head"})', "student_needs = ['head'] is no set", "write student_needs: "),
    ],
)
def test_a_class_that_is_no_whole_method(before, after, message, hint, tmp_path):
    assert before in WHOLE
    with pytest.raises(UserError) as error:
        found(tmp_path, WHOLE.replace(before, after))
    assert message in error.value.message
    assert "own.py:Own" in error.value.message
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        WHOLE.replace(NEEDS, 'needs = {"logits"}'),
        WHOLE.replace("@dataclass(frozen=True)", "").replace("    strength: float = 1.0\n", ""),
        WHOLE.replace("student, teacher, context, adapters", "*everything"),
        WHOLE.replace(NEEDS, "@property\n    def needs(self):\n        return frozenset()\n"),
    ],
    ids=["whole", "a plain set", "no field, no decorator", "any arguments", "needs that depend on fields"],
)
def test_what_can_be_trained_passes(text, tmp_path):
    found(tmp_path, text)()
