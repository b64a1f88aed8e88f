"""Every image validates once a division, rows are paired, and the interval is that of Nadeau and Bengio."""

import json
import math
from dataclasses import replace

import pytest
from scipy import stats

import small
from tutelage.data import Data, photos
from tutelage.errors import UserError
from tutelage.measure.statistics import folds_interval
from tutelage.methods.baseline import Baseline
from tutelage.methods.label_smoothing import LabelSmoothing
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.run.record import kept
from tutelage.study.folds import CrossValidation, gathered


@pytest.fixture
def recipe(tmp_path):
    folder = small.photos(tmp_path / "colours", images=10)
    fit = Fit(epochs=1, batch_size=8, learning_rate=0.05)
    return Recipe(
        data=Data(str(folder), size=8, val_share=0.2), student=small.STUDENT, fit=fit, augment=small.AUGMENT, views=1
    )


def parts(data):
    return photos.pieces(photos.sound(data), data)


def test_every_image_but_those_of_test_validates_once_in_each_division(recipe):
    whole = parts(recipe.data)
    pool = sorted([*whole.train.tolist(), *whole.val.tolist()])
    assert len(pool) == 24
    seen = {}
    for division in range(2):
        folds = [parts(replace(recipe.data, fold=(fold, 4, division))) for fold in range(4)]
        assert sorted(i for fold in folds for i in fold.val.tolist()) == pool
        assert all(sorted([*fold.train.tolist(), *fold.val.tolist()]) == pool for fold in folds)
        assert {len(fold.val) for fold in folds} == {6}
        seen[division] = [tuple(fold.val.tolist()) for fold in folds]
    assert seen[0] != seen[1]


def test_folds_hold_each_class_in_its_share_and_no_group_in_two(recipe):
    data = replace(recipe.data, group=r"([^/]+/\d)\d\.\w+$")  # red/0, green/0, ...: 10 images a class in one group
    indexed = photos.sound(recipe.data)
    labels = photos.labels_of(indexed.sound, indexed.classes)
    for fold in range(4):
        val = labels[parts(replace(recipe.data, fold=(fold, 4, 0))).val]
        assert val.bincount().tolist() == [2, 2, 2]
    with pytest.raises(UserError, match="are too few to set"):
        parts(replace(data, fold=(0, 4, 0)))


def test_groups_are_kept_whole(tmp_path):
    folder = small.bursts(tmp_path / "bursts")
    data = Data(str(folder), size=16, group=r"(.*)_\d+\.\w+$")
    indexed = photos.sound(data)
    burst = [entry.place.file.rpartition("_")[0] for entry in indexed.sound]
    found = []
    for fold in range(3):
        cut = parts(replace(data, fold=(fold, 3, 0)))
        of_train, of_val = ({burst[i] for i in part.tolist()} for part in cut)
        assert not of_val & of_train
        found.append(of_val)
    assert not (found[0] & found[1] | found[1] & found[2])


def test_the_interval_is_the_corrected_one_computed_by_hand():
    values = [0.02, -0.01, 0.05, 0.03, 0.00, 0.04, 0.01, 0.02, 0.03, -0.02]
    mean = sum(values) / 10
    variance = sum((v - mean) ** 2 for v in values) / 9
    # Nadeau & Bengio: 1/J + n_test/n_train, here 10 folds of two divisions into 5: n_test/n_train = 1/4
    half = stats.t.ppf(0.975, 9) * math.sqrt((1 / 10 + 1 / 4) * variance)
    assert folds_interval(values, 5) == pytest.approx((mean - half, mean + half))
    assert folds_interval([0.1, 0.2], 2) is None


def test_rows_are_paired_on_the_same_fold_and_seed(recipe):
    other = replace(recipe, method=LabelSmoothing())
    every = CrossValidation((recipe, other), folds=3, repeats=2).every
    assert len(every) == 6
    assert all(one.data == two.data and one.seed == two.seed for one, two in every)
    assert [one.data.fold for one, _ in every] == [(f, 3, r) for r in range(2) for f in range(3)]
    assert len({one.name for one, _ in every}) == 6


def test_what_it_finds_is_kept_and_made_once(recipe, tmp_path):
    folded = CrossValidation((recipe, replace(recipe, method=LabelSmoothing())), folds=2)
    workspace, folder = small.workspace(tmp_path / "runs"), tmp_path / "runs" / "study-colours-0123abcd"
    found = folded.run(workspace, folder)
    assert found["images"] == 24
    assert [row["label"] for row in found["rows"]] == ["baseline", "label_smoothing"]
    assert [len(row["top1"]) for row in found["rows"]] == [2, 2]
    assert kept(folder, "folds") == json.loads(json.dumps(found))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/DONE")}
    assert len(times) == 4
    assert folded.run(workspace, folder) == found
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_gains_are_differences_fold_by_fold():
    found = gathered(["baseline", "kd"], [[0.5, 0.7, 0.6], [0.6, 0.8, 0.7]], 3, 1)
    assert found["rows"][1]["gain"] == pytest.approx(0.1)
    assert found["rows"][1]["gain_interval"] == pytest.approx([0.1, 0.1])
    assert found["rows"][0]["gain"] == 0


@pytest.mark.parametrize(
    ("data", "folds", "message"),
    [
        (Data("digits"), 5, "--folds goes with photos"),
        (Data("a/b", fold=(0, 5, 0)), 5, "chooses one of them"),
        (Data("a/b"), 1, "divided into two folds or more"),
    ],
)
def test_mistakes(data, folds, message):
    with pytest.raises(UserError, match=message):
        CrossValidation((Recipe(data=data, method=Baseline()),), folds=folds)


@pytest.mark.parametrize("fold", [(1,), (5, 5, 0), (0, 1, 0), (0, 5, -1), (-1, 5, 0)])
def test_a_fold_that_there_is_not(fold):
    with pytest.raises(UserError, match=r"data\.fold is"):
        Data("a/b", fold=fold)


def test_too_many_folds_are_refused_before_anything_is_trained(recipe):
    with pytest.raises(UserError, match="are too few to set"):
        CrossValidation((recipe,), folds=12).check()
