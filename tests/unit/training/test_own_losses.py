"""A mistake in the losses of a user's own method is told before a teacher is trained."""

import dataclasses

import pytest

import small
from tutelage.errors import UserError
from tutelage.faults import explained
from tutelage.methods.finding import method_at_defaults
from tutelage.training.rehearsal import rehearse

OWN = """
from dataclasses import dataclass
from typing import ClassVar
from tutelage.methods import Method, label_cross_entropy

@dataclass(frozen=True)
class Own(Method):
    needs: ClassVar[frozenset[str]] = frozenset({"logits", NEEDED})

    def losses(self, student, teacher, context, adapters):
        return {"label": label_cross_entropy(student.logits, context), "teacher": TERM}
"""


@pytest.fixture
def tried(tmp_path):
    """Rehearses a recipe with a method whose teacher's term, and what it needs for that, are given as text."""

    def rehearsed(term, needed="logits", **changes):
        (tmp_path / "own.py").write_text(OWN.replace("TERM", term).replace("NEEDED", f'"{needed}"'))
        method = method_at_defaults(f"{tmp_path / 'own.py'}:Own")
        recipe = dataclasses.replace(small.taught(tmp_path), method=method, **changes)
        rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))

    return rehearsed


@pytest.mark.parametrize(
    ("term", "needed"),
    [
        ("(student.logits - teacher.logits).square().mean()", "logits"),
        ("teacher.embedding.mean() * student.logits.mean()", "embedding"),
        ("teacher.features[-1].mean()", "features"),
        ("teacher.rotations.embedding[:, 2].mean() + teacher.embedding.mean()", "rotations"),
    ],
)
def test_what_a_method_declares_is_there(term, needed, tried):
    tried(term, needed)
    tried(term, needed, second_view=True)


def test_no_term_with_a_gradient_is_told(tmp_path):
    text = OWN.replace("student.logits, context", "student.logits.detach(), context")
    (tmp_path / "own.py").write_text(text.replace("TERM", "teacher.logits.mean()").replace("NEEDED", '"logits"'))
    recipe = dataclasses.replace(small.taught(tmp_path), method=method_at_defaults(f"{tmp_path / 'own.py'}:Own"))
    with pytest.raises(UserError, match=":Own depends on what the student answers"):
        rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))


def test_a_float_among_the_terms_is_told(tried):
    with pytest.raises(UserError, match=":Own returned a float as the term teacher"):
        tried("student.logits.mean().item()")


def test_what_is_read_without_being_declared_fails_where_it_is_read(tried, tmp_path):
    with pytest.raises(AttributeError) as error:
        tried("teacher.embedding.mean()")
    told = explained(error.value)
    assert told is not None
    assert f"{tmp_path / 'own.py'}, line 11, fails: AttributeError: 'NoneType'" in told.message
