"""What a recipe's teachers are asked for, and whether their answers can be stored."""

from dataclasses import replace

import pytest
import torch

import small
from tutelage.data.augment import Augment
from tutelage.methods import AT, CRD, KD, SDD, SRRL, SSKD, Baseline, SimKD, Sum
from tutelage.outputs import Sizes
from tutelage.run.process import ALONE
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member

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
        (SDD(), {"logits": 10, "regions": 160}),
        (SSKD(), {"logits": 10, "embedding": 64, "rotations": 3 * 74}),
    ],
    ids=["kd", "crd", "srrl", "sum", "sdd", "sskd"],
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
        ({"tune": "head", "method": SSKD()}, False),
        ({"tune": "head", "augment": Augment(mix="mixup")}, False),
        ({"tune": "head", "teacher": replace(SPEC, live=True)}, False),
    ],
    ids=["head", "alone", "full", "features", "rotations", "mixed", "live"],
)
def test_pixels_are_spared_where_nothing_but_the_head_looks(changes, expected):
    assert lessons.embeddings_will_do(replace(TAUGHT, **changes)) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [(KD(temperature=3.0), 3.0), (AT(), 1.0), (Sum(KD(temperature=5.0), KD(temperature=2.0)), 2.0)],
)
def test_the_temperature_at_which_the_teacher_is_softened(method, expected):
    assert lessons.temperature(replace(TAUGHT, method=method)) == expected


def test_the_logits_of_parts_come_from_the_cache_as_the_teacher_says_them(tmp_path):
    recipe, space = small.taught(tmp_path, teacher=small.NORMED, method=SDD(), views=1), small.workspace(tmp_path / "r")
    dataset = small.digits()
    lesson = lessons.prepare(recipe, dataset, space, ALONE)
    assert lesson.paid == len(dataset.train)
    sample = torch.tensor([5, 0, 1293])
    pixels = dataset.train.view(sample, torch.zeros_like(sample), recipe.augment).pixels
    told = lesson.teacher.answer(pixels, sample, torch.zeros_like(sample))
    live = load_member(recipe, recipe.teacher, dataset, space).network(pixels, frozenset({"regions"}))
    torch.testing.assert_close(told.regions, live.regions, rtol=2e-3, atol=2e-3)
    assert told.embedding is None


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_rotations_come_from_the_cache_as_the_teacher_says_them_and_are_three_passes_more(tmp_path, storage):
    recipe = small.taught(tmp_path, teacher=small.NORMED, method=SSKD(), views=1, storage=storage)
    dataset, space = small.digits(), small.workspace(tmp_path / "r")
    lesson = lessons.prepare(recipe, dataset, space, ALONE)
    assert lesson.paid == lesson.caches[0].files.paid == 4 * len(dataset.train)
    sample = torch.tensor([5, 0, 1293])
    pixels = dataset.train.view(sample, torch.zeros_like(sample), recipe.augment).pixels
    told = lesson.teacher.answer(pixels, sample, torch.zeros_like(sample))
    network = load_member(recipe, recipe.teacher, dataset, space).network
    for quarters in (1, 2, 3):
        live = network(pixels.rot90(quarters, (2, 3)), frozenset({"embedding"}))
        torch.testing.assert_close(told.rotations.logits[:, quarters - 1], live.logits, rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(told.rotations.embedding[:, quarters - 1], live.embedding, rtol=2e-3, atol=2e-3)
    assert lessons.prepare(replace(recipe, method=KD()), dataset, space, ALONE).paid == 0, "kd reads the same logits"


def test_answers_to_images_have_the_same_bits_whether_or_not_rotations_are_asked_for(tmp_path):
    recipe = small.taught(tmp_path, teacher=small.NORMED, views=1)
    folders = [tmp_path / "plain", tmp_path / "rotated"]
    for method, folder in zip((KD(), SSKD()), folders, strict=True):
        lesson = lessons.prepare(replace(recipe, method=method), small.digits(), small.workspace(folder), ALONE)
        assert lesson.caches[0].files.paid == lesson.paid
    plain, rotated = (next(folder.rglob("logits_*.npy")).read_bytes() for folder in folders)
    assert plain == rotated
