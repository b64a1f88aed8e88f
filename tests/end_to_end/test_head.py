"""Head-only training from cached embeddings is head-only training, at the price of one backbone pass a view."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import files
from tutelage.methods.baseline import Baseline
from tutelage.methods.kd import KD
from tutelage.methods.sskd import SSKD
from tutelage.models import tap
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import TeacherSpec
from tutelage.study.study import Study
from tutelage.teacher import lessons
from tutelage.teacher.asking import ask
from tutelage.teacher.members import load_member
from tutelage.training.loop import train


def recipe(folder, **changes):
    weights = small.weights(folder / "start.safetensors", small.NORMED)
    student = replace(small.NORMED, weights=str(weights))
    values = {"student": student, "tune": "head", "fit": Fit(epochs=4, batch_size=128, learning_rate=0.05)}
    return small.taught(folder, **values | changes)


@pytest.mark.parametrize("kind", ["baseline", "kd", "averaged"])
def test_the_head_is_the_one_that_pixels_would_have_trained(tmp_path, monkeypatch, kind):
    chosen = recipe(tmp_path, method=Baseline() if kind == "baseline" else KD())
    if kind == "averaged":
        chosen = replace(chosen, fit=replace(chosen.fit, ema=0.9))
    by_cache = train(chosen, small.workspace(tmp_path / "cache"))
    monkeypatch.setattr(lessons, "embeddings_will_do", lambda recipe: False)
    by_pixels = train(chosen, small.workspace(tmp_path / "pixels"))
    start = load_file(chosen.student.weights)
    one, other = load_file(by_cache.weights), load_file(by_pixels.weights)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        if name.startswith("linear"):
            torch.testing.assert_close(tensor, other[name], rtol=0, atol=2e-3)
            assert not torch.equal(tensor, start[name])
        else:
            assert torch.equal(tensor, start[name]), f"{name} moved"
            assert torch.equal(other[name], start[name]), f"{name} moved"
    assert by_cache.curve("val", "top1")[-1][1] == pytest.approx(by_pixels.curve("val", "top1")[-1][1], abs=0.03)


def test_the_backbone_is_paid_once_for_all_epochs_and_seeds(tmp_path, monkeypatch):
    asked = 0
    forward = tap.Tapped.forward

    def counting(self, pixels, *rest, **named):
        nonlocal asked
        asked += len(pixels)
        return forward(self, pixels, *rest, **named)

    monkeypatch.setattr(tap.Tapped, "forward", counting)
    fit = Fit(epochs=10, batch_size=128, learning_rate=0.05)
    chosen = replace(recipe(tmp_path, method=Baseline(), fit=fit), teacher=None)
    run = train(chosen, small.workspace(tmp_path / "runs"))
    images = 2 * len(small.digits().train) + len(small.digits().val)
    assert run.result("cost")["teacher_passes_paid"] == images
    assert asked <= 1.01 * images, "beyond the passes, single images to find sizes"
    again = train(replace(chosen, seed=1), small.workspace(tmp_path / "runs"))
    assert again.result("cost")["teacher_passes_paid"] == 0


def test_a_head_tuned_teacher_answers_from_the_embeddings_it_learnt_from(tmp_path, monkeypatch):
    start = small.weights(tmp_path / "start.safetensors", small.NORMED)
    fit = Fit(epochs=4, batch_size=128, learning_rate=0.05)
    teacher = TeacherSpec(replace(small.NORMED, weights=str(start)), tune="head", fit=fit)
    chosen = replace(small.taught(tmp_path), teacher=teacher, fit=replace(fit, epochs=2), views=2)
    runs = tmp_path / "runs"
    (own,) = chosen.of_teachers
    train(own, small.workspace(runs))
    asked = 0
    forward = tap.Tapped.forward

    def counting(self, pixels, *rest, **named):
        nonlocal asked
        asked += len(pixels) if self.mean == teacher.model.mean else 0
        return forward(self, pixels, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(tap.Tapped, "forward", counting)
        run = train(chosen, small.workspace(runs))
    assert run.result("cost")["teacher_passes_paid"] == 0
    assert asked < 40, "a few rows are compared, sizes are found"
    dataset = small.digits()
    member = load_member(chosen, teacher, dataset, small.workspace(runs))
    cache = lessons.open_cache(chosen, member, dataset, small.workspace(runs))
    assert cache.files.views() == [0, 1]
    stored = cache.answers(torch.arange(100), torch.ones(100, dtype=torch.long)).logits
    fresh = ask(member.network, dataset.train, chosen.augment, torch.arange(100), 1).logits
    torch.testing.assert_close(stored, fresh, rtol=0, atol=2e-3 * fresh.abs().max().item())
    assert torch.equal(cache.head.weight, load_file(Run.of(own, runs).weights)["linear.weight"])
    told = files.read_json(Study((chosen,), (0,)).run(small.workspace(runs)).folder / "results.json")
    embedded = 2 * len(dataset.train) + len(dataset.val)
    assert told["cost"]["teacher_passes_paid"] == embedded, "by the teacher's own training"
    rotating = train(replace(chosen, method=SSKD()), small.workspace(runs))
    assert rotating.result("cost")["teacher_passes_paid"] == 4 * 2 * len(dataset.train), (
        "of which embeddings know nothing"
    )
