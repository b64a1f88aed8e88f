"""`teacher.folds`: a student learns what networks say of images that they were trained without; each is asked once."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import data, files
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.process import ALONE
from tutelage.run.recipe import TeacherSpec
from tutelage.teacher import lessons
from tutelage.training import rehearsal
from tutelage.training.loop import train
from typing_commands import typed

FIT = Fit(epochs=2, batch_size=64, learning_rate=0.05)
FOLDS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A recipe whose three teachers are trained."""
    folder = tmp_path_factory.mktemp("folds")
    spec = TeacherSpec(small.TEACHER, tune="full", fit=FIT, folds=FOLDS)
    recipe, space = replace(small.taught(folder, fit=FIT), teacher=spec), small.workspace(folder / "runs")
    for own in recipe.of_teachers:
        train(own, space)
    return recipe, space


def test_every_answer_is_that_of_the_network_which_has_not_seen_the_image(trained):
    recipe, space = trained
    dataset = small.digits()
    lesson = lessons.prepare(recipe, dataset, space, ALONE)
    assert lesson.paid == recipe.views * len(dataset.train)
    assert lessons.prepare(recipe, dataset, space, ALONE).paid == 0
    every, answered = torch.arange(len(dataset.train)), torch.zeros(len(dataset.train), dtype=torch.bool)
    for own in recipe.of_teachers:
        positions = data.load(own.data).train_positions
        unseen = ~torch.isin(dataset.train_positions, positions)
        network = small.network()
        network.network.load_state_dict(load_file(space.folder(own) / "student.safetensors"))
        for number in range(recipe.views):
            view = torch.full_like(every[unseen], number)
            found = lesson.teacher.answer(torch.empty(0), every[unseen], view).logits
            pixels = dataset.train.view(every[unseen], view, recipe.augment).pixels
            with torch.no_grad():
                assert torch.allclose(found, network(pixels).logits, rtol=2e-3, atol=2e-3)
        answered |= unseen
    assert answered.all()


def test_a_live_teacher_of_folds_says_what_its_cache_says(trained):
    recipe, space = trained
    dataset, sample = small.digits(), torch.tensor([5, 0, 700, 41, 1200])
    view = torch.ones_like(sample)
    pixels = dataset.train.view(sample, view, recipe.augment).pixels
    asked = replace(recipe, teacher=replace(recipe.teacher, live=True))
    live, stored = (lessons.prepare(one, dataset, space, ALONE).teacher for one in (asked, recipe))
    answers = [teacher.answer(pixels, sample, view).logits for teacher in (live, stored)]
    assert torch.allclose(*answers, rtol=2e-3, atol=2e-3)


def test_two_views_of_an_image_are_answered_by_the_same_network(trained):
    recipe, space = trained
    run = train(replace(recipe, second_view=True, fit=replace(FIT, epochs=1)), space)
    assert run.result("cost")["teacher_passes_paid"] == len(small.digits().train), "the stronger views alone"


def test_heads_of_folds_share_the_backbone_and_pay_for_it_once(tmp_path):
    folder = small.photos(tmp_path / "photos", images=40)
    spec = TeacherSpec(small.TEACHER, tune="head", fit=replace(FIT, batch_size=32), folds=FOLDS)
    changes = {"data": Data(str(folder), size=8), "teacher": spec, "fit": replace(FIT, batch_size=32)}
    recipe, space = replace(small.taught(tmp_path), **changes), small.workspace(tmp_path / "runs")
    dataset = data.load(recipe.data)
    paid = [train(own, space).result("cost")["teacher_passes_paid"] for own in recipe.of_teachers]
    assert paid == [2 * len(dataset.train) + len(dataset.val), 0, 0]
    assert train(recipe, space).result("cost")["teacher_passes_paid"] == 0


def test_images_without_a_label_are_answered_too(tmp_path):
    folder, more = small.photos(tmp_path / "photos", images=40), small.photos(tmp_path / "more", images=5, size=(13, 9))
    spec = TeacherSpec(small.TEACHER, tune="full", fit=replace(FIT, batch_size=32), folds=FOLDS)
    changes = {"data": Data(str(folder), size=8, unlabeled=str(more)), "teacher": spec, "fit": FIT}
    recipe, space = replace(small.taught(tmp_path), **changes), small.workspace(tmp_path / "runs")
    dataset = data.load(recipe.data)
    assert (dataset.train.labels < 0).sum() == 15
    known, fold = dataset.train_positions, dataset.folds(FOLDS)
    for own in recipe.of_teachers:
        seen = torch.isin(known, data.load(own.data).train_positions)
        assert torch.equal(fold[: len(known)] != own.data.held_back[0], seen), "the labelled folds are the same"
    assert train(recipe, space).result("cost")["teacher_passes_paid"] == recipe.views * len(dataset.train)


def test_a_batch_that_is_larger_than_what_is_left_is_refused_before_training(tmp_path):
    spec = TeacherSpec(small.TEACHER, tune="full", fit=replace(FIT, batch_size=900), folds=FOLDS)
    recipe = replace(small.taught(tmp_path), teacher=spec)
    with pytest.raises(UserError, match=r"a batch of 900 images, but only 86[23] to train on") as refused:
        rehearsal.rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))
    assert "lower teacher.fit.batch_size" in refused.value.hint


def test_a_study_with_folds_as_it_is_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--student.name", "convnet", "--teacher.model.name", "convnet", "--teacher.folds", 2]
    short = ["--fit.epochs", 1, "--teacher.fit.epochs", 1, "--seeds", 0, "--engine.device", "cpu", "--force", "True"]
    typed("distill", "digits", *options, *short)
    said = capsys.readouterr()
    assert "check: the 2 as an ensemble, on val" in said.err
    assert "teacher 2 x convnet" in said.out
    (study,) = tmp_path.glob("runs/study-*")
    results = json.loads((study / "results.json").read_text())
    assert results["teacher"]["name"] == "2 x convnet"
    (run,) = tmp_path.glob("runs/digits-kd-convnet-*")
    assert "2 x convnet" in (run / "README.md").read_text()
    assert Run.open(run).recipe.cross_fitted == 2
    typed("cache", "verify", "digits", *options, "--fit.epochs", 1, "--teacher.fit.epochs", 1)
    assert capsys.readouterr().out.count("rows asked again differ by") == 2
    assert files.read_json(run / "cost.json")["teacher_passes_saved"] > 0
