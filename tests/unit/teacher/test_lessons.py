"""What a recipe's teachers are asked for, and whether their answers can be stored."""

from dataclasses import replace

import pytest

from tutelage.data.augment import Augment
from tutelage.methods import AT, CRD, KD, SRRL, Baseline, SimKD, Sum
from tutelage.outputs import Sizes
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher import lessons

SPEC = TeacherSpec()
TAUGHT = Recipe(teacher=SPEC, method=KD())
SIZES = Sizes(10, 64)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (KD(), {"logits": 10}),
        (CRD(), {"logits": 10, "embedding": 64}),
        (SRRL(), {"logits": 10, "embedding": 64}),
        (Sum(KD(), CRD()), {"logits": 10, "embedding": 64}),
    ],
    ids=["kd", "crd", "srrl", "sum"],
)
def test_a_cache_holds_what_the_method_reads(method, fields):
    recipe = replace(TAUGHT, method=method)
    assert lessons.fields_of(recipe) == tuple(fields)
    assert lessons.widths(recipe, SIZES) == fields
    assert lessons.cached(recipe, SPEC)


def test_features_are_asked_for_at_every_step():
    assert not lessons.cached(replace(TAUGHT, method=AT()), SPEC)
    assert not lessons.cached(TAUGHT, replace(SPEC, live=True))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tune": "head"}, True),
        ({"tune": "head", "method": Baseline(), "teacher": None}, True),
        ({"tune": "full"}, False),
        ({"tune": "head", "method": SimKD()}, False),
        ({"tune": "head", "augment": Augment(mix="mixup")}, False),
        ({"tune": "head", "teacher": replace(SPEC, live=True)}, False),
    ],
    ids=["head", "alone", "full", "features", "mixed", "live"],
)
def test_pixels_are_spared_where_nothing_but_the_head_looks(changes, expected):
    assert lessons.embeddings_will_do(replace(TAUGHT, **changes)) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [(KD(temperature=3.0), 3.0), (AT(), 1.0), (Sum(KD(temperature=5.0), KD(temperature=2.0)), 2.0)],
)
def test_the_temperature_at_which_the_teacher_is_softened(method, expected):
    assert lessons.temperature(replace(TAUGHT, method=method)) == expected
