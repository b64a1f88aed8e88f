"""Several teachers: the loop against raw PyTorch, and the whole of a study from the command line."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import small
from tutelage import rng
from tutelage.cli import main
from tutelage.measure.classifier import measure
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import TeacherSpec
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member
from tutelage.training.loop import train

T, ALPHA, EPOCHS, BATCH = 3.0, 0.7, 2, 128
OTHER = Model("convnet", options={"widths": [8, 16], "hidden": 8})


def two(folder, **changes):
    """A recipe taught by two networks of random weights, one of them asked at every step."""
    recipe = small.taught(folder, method=KD(temperature=T, alpha=ALPHA), fit=Fit(epochs=EPOCHS, batch_size=BATCH))
    file = small.weights(folder / "other.safetensors", OTHER)
    members = (recipe.teacher, TeacherSpec(replace(OTHER, weights=str(file)), live=True))
    return replace(recipe, teacher=None, teachers=members, **changes)


def test_the_loop_learns_from_the_mean_of_softened_probabilities(tmp_path):
    fit = Fit(epochs=EPOCHS, batch_size=BATCH, schedule="constant", warm_up=0.0, learning_rate=0.05)
    recipe = two(tmp_path, fit=fit, views=2)
    run = train(recipe, small.workspace(tmp_path / "runs"))
    trained = load_file(run.weights)

    student = small.network(small.STUDENT, seed=0).train().to(memory_format=torch.channels_last)
    teachers = [small.network(small.TEACHER), small.network(OTHER)]
    for teacher, name in zip(teachers, ("teacher", "other"), strict=True):
        teacher.network.load_state_dict(load_file(tmp_path / f"{name}.safetensors"))
    groups = [[p for p in student.parameters() if p.ndim > 1], [p for p in student.parameters() if p.ndim == 1]]
    groups = [{"params": group, "weight_decay": decay} for group, decay in zip(groups, (5e-4, 0.0), strict=True)]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    train_split = small.digits().train
    for step in range(EPOCHS * 10):
        epoch, start = step // 10, step % 10 * BATCH
        sample = rng.permutation(0, epoch, len(train_split))[start : start + BATCH]
        view = torch.full_like(sample, (epoch + rng.integer(0, "first view")) % 2)
        pixels = train_split.view(sample, view, small.AUGMENT).pixels
        logits = student(pixels).logits
        with torch.no_grad():
            p = sum(F.softmax(teacher(pixels).logits / T, dim=1) for teacher in teachers) / 2
        soft = F.kl_div(F.log_softmax(logits / T, dim=1), p, reduction="batchmean") * T**2
        loss = (1 - ALPHA) * F.cross_entropy(logits, train_split.labels[sample]) + ALPHA * soft
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    expected = student.network.state_dict()
    for name, tensor in trained.items():
        # The first member's answers come from float16 files.
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-3)
    images = EPOCHS * 10 * BATCH
    assert run.result("cost")["teacher_passes_saved"] == images, "of one member; the other was asked"


def test_on_val_the_ensemble_is_a_classifier(tmp_path):
    """Its probabilities are the mean of its members' at T = 1."""
    recipe, dataset = two(tmp_path), small.digits()
    together = lessons.all_on_val(recipe, dataset, small.workspace(tmp_path / "runs"))
    members = [load_member(recipe, spec, dataset, small.workspace(tmp_path / "runs")) for spec in recipe.teachers]
    pixels = dataset.val.plain(torch.arange(len(dataset.val)))
    p = torch.stack([m.network(pixels).logits.softmax(1) for m in members]).mean(0)
    torch.testing.assert_close(together.softmax(1), p, rtol=1e-4, atol=1e-5)
    assert measure(together, dataset.val.labels)["nll"] == pytest.approx(
        F.nll_loss(p.log(), dataset.val.labels).item(), rel=1e-4
    )


STUDENT = ["--student", "convnet", "--student.options", '{"widths": [4, 8], "hidden": 8}']
FLAGS = ["--teacher", "convnet", "--teacher", "convnet", "--teacher.fit.epochs", "1", "--teacher.options",
         '{"widths": [16], "hidden": 8}', "--fit.epochs", "2", "--views", "2"]  # fmt: skip


def test_a_study_with_two_teachers_from_the_command_line(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def told(*words):
        main(list(words))
        return capfd.readouterr()

    out, err = told("distill", "digits", *STUDENT, *FLAGS, "--seeds", "1")
    assert "check: teacher convnet (seed 0)" in err
    assert "check: teacher convnet (seed 1)" in err
    assert "check: the 2 as an ensemble, on val: top-1" in err
    assert "teacher 2 x convnet: val" in out
    (study,) = (tmp_path / "runs").glob("study-*")
    results = json.loads((study / "results.json").read_text())
    one = 16 * 9 + 16 + 16 * 16 * 9 + 16 + 16 * 8 + 8 + 8 * 10 + 10
    assert results["teacher"]["parameters"] == 2 * one
    assert results["teacher"]["val_held_out"]
    assert results["teacher"]["test"]["images"] == 359
    assert results["cost"]["teacher_passes_paid"] == 2 * 2 * 1294
    assert results["recipes"][1]["teachers"][1]["seed"] == 1

    run = next(path for path in (tmp_path / "runs").glob("digits-kd-*-s1-*"))
    assert "2 x convnet" in told("report", str(study)).out
    assert "agreement with the teacher" in told("evaluate", str(run)).out
    assert Run.open(run).recipe.teachers[1].model.options == {"widths": [16], "hidden": 8}
    filled = told("cache", "fill", "digits", *STUDENT, *FLAGS).out
    assert "0 teacher passes now" in filled
    assert filled.count("teacher-cache/v1-") == 2
    assert told("cache", "verify", "digits", *STUDENT, *FLAGS).out.count("rows asked again differ by") == 2
    assert f"{run.relative_to(tmp_path)} (was done already)" in told("train", str(run)).out
    again = told("train", "digits", *STUDENT, *FLAGS, "--teachers.1.seed", "1", "--seed", "1").out
    assert "(was done already)" in again, "a flag of one member"
