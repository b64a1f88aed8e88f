"""The loop: equal to ten lines of raw PyTorch, the same from a cache as live, the same after any interruption."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import small
from tutelage import data, rng
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.measure.classifier import measure, predict
from tutelage.methods import method_class
from tutelage.methods.adapters import stages_read
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.optim import Fit, learning_rate
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe, method_at_defaults
from tutelage.run.workspace import Workspace
from tutelage.training import loop, session
from tutelage.training.loop import train
from typing_commands import typed


def result(recipe, runs):
    """The final weights of a recipe trained without interruption."""
    return load_file(train(recipe, small.workspace(runs)).weights)


def test_the_loop_equals_ten_lines_of_pytorch(tmp_path):
    recipe = small.taught(tmp_path, live=True, fit=Fit(epochs=2, batch_size=128, learning_rate=0.05))
    trained = result(recipe, tmp_path / "runs")

    images = small.digits().train
    student = small.network(small.STUDENT, seed=0).train()
    teacher = small.network()
    teacher.network.load_state_dict(load_file(recipe.teacher.model.weights))
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, momentum=0.9, nesterov=True)
    for step in range(20):
        sample = rng.permutation(0, step // 10, len(images))[step % 10 * 128 :][:128]
        view = torch.full_like(sample, (step // 10 + rng.integer(0, "first view")) % 2)
        pixels = images.view(sample, view, small.AUGMENT).pixels
        p = F.softmax(teacher(pixels).logits.detach() / 4, dim=1)
        logits = student.to(memory_format=torch.channels_last)(pixels).logits
        soft = (p * (p.log() - F.log_softmax(logits / 4, dim=1))).sum(dim=1).mean() * 16
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe.fit, step, 20)
        optimizer.zero_grad()
        (0.9 * soft + 0.1 * F.cross_entropy(logits, images.labels[sample])).backward()
        optimizer.step()
    for name, tensor in student.network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("storage", "tolerance"), [("float16", 1e-3), ("float32", 0.0)])
def test_a_cached_teacher_teaches_what_the_live_one_does(tmp_path, storage, tolerance):
    fit = Fit(epochs=5, batch_size=128, learning_rate=0.05)
    live = result(small.taught(tmp_path, live=True, fit=fit), tmp_path / "runs")
    cached = result(small.taught(tmp_path, storage=storage, fit=fit), tmp_path / "runs")
    for name, tensor in live.items():
        torch.testing.assert_close(cached[name], tensor, rtol=0, atol=tolerance)


CHANGES = {
    "sgd": {},
    "adam": {"fit": Fit(epochs=3, batch_size=128, optimizer="adam", learning_rate=3e-3)},
    "averaged, clipped": {"fit": Fit(epochs=3, batch_size=128, ema=0.9, clip_norm=1.0)},
    "batch norm": {"student": small.NORMED},
    "muon, whitened, averaged at the end": {
        "fit": Fit(3, 128, optimizer="muon", learning_rate=0.02, schedule="linear", average=0.5),
        "student": Model(small.NORMED.name, init="whiten"),
    },
    "adapters": {"method": method_at_defaults("crd")},
    "composition": {"method": method_at_defaults("kd+rkd")},
    "live features": {"method": method_class("fitnet")()},
}


@pytest.mark.parametrize("kind", CHANGES)
def test_stopped_anywhere_it_ends_in_the_same_bits(tmp_path, monkeypatch, kind):
    recipe = small.taught(tmp_path, **CHANGES[kind])
    whole = train(recipe, small.workspace(tmp_path / "whole"))

    stops = iter([7, 6, 10, 1000])  # steps made by each attempt: in an epoch, at its end, after it

    @contextmanager
    def soon():
        left = next(stops)

        def asked():
            nonlocal left
            left -= 1
            return left == 0

        yield asked

    monkeypatch.setattr(loop, "stopping", soon)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, small.workspace(tmp_path / "parts"))
    parts = train(recipe, small.workspace(tmp_path / "parts"))
    assert small.same_tensors(load_file(parts.weights), load_file(whole.weights))
    assert parts.curve("val", "top1") == whole.curve("val", "top1")
    assert [m["step"] for m in parts.metrics()] == sorted(m["step"] for m in parts.metrics())


def test_done_is_done(tmp_path, monkeypatch):
    recipe = small.taught(tmp_path)
    run = train(recipe, small.workspace(tmp_path / "runs"))
    before = run.weights.stat().st_mtime_ns
    monkeypatch.setattr(loop, "_train", None)
    assert train(recipe, small.workspace(tmp_path / "runs")).weights.stat().st_mtime_ns == before


def test_two_processes_train_what_one_does(tmp_path):
    recipe = small.taught(tmp_path, fit=Fit(epochs=2, batch_size=128, learning_rate=0.05))
    one = result(recipe, tmp_path / "one")
    engine = replace(small.CPU, devices=2)
    two = load_file(train(recipe, Workspace(tmp_path / "two", engine=engine)).weights)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5)


def test_a_loss_that_is_not_finite_names_step_and_term(tmp_path):
    recipe = small.taught(tmp_path, fit=Fit(epochs=3, batch_size=128, learning_rate=1e30, warm_up=0.0))
    with pytest.raises(UserError, match=r"term (label|teacher) at step \d+ of"):
        train(recipe, small.workspace(tmp_path / "runs"))
    assert not list((tmp_path / "runs").glob("*/DONE"))


def test_a_live_teacher_that_moves_is_caught(tmp_path):
    from tutelage.teacher.answer import LiveTeacher

    teacher = LiveTeacher(small.network(small.NORMED), frozenset({"logits"}))
    teacher.check_frozen()
    teacher.network.train()
    sample = torch.arange(8)
    teacher.answer(small.digits().train.plain(sample), sample, torch.zeros_like(sample))
    with pytest.raises(RuntimeError, match="changed while it taught"):
        teacher.check_frozen()


def test_training_learns_and_the_final_network_is_the_one_measured(tmp_path):
    recipe = small.taught(tmp_path, teacher=small.TEACHER, method=KD(alpha=0.0), fit=Fit(epochs=6, batch_size=64))
    run = train(replace(recipe, student=small.NORMED), small.workspace(tmp_path / "runs"))
    from tutelage.training.student import load_student

    dataset = data.load(Data("digits"))
    top1 = measure(predict(load_student(run, dataset), dataset.val), dataset.val.labels)["top1"]
    assert top1 == run.curve("val", "top1")[-1][1] > 0.8


def test_frozen_parts_stay_as_they_were(tmp_path):
    from tutelage.models.tune import set_trained

    network = small.network(Model("resnet8"))
    before = {name: t.clone() for name, t in network.network.state_dict().items()}
    set_trained(network, "last_stage")
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    F.cross_entropy(network(torch.rand(8, 1, 8, 8)).logits, torch.arange(8)).backward()
    optimizer.step()
    moved = {name for name, t in network.network.state_dict().items() if not torch.equal(t, before[name])}
    assert moved
    assert all(name.startswith(("layer3", "linear")) for name in moved)
    assert {name for name in before if name.startswith("layer3") and "running" in name} <= moved


def test_frozen_norms_keep_the_statistics_of_the_weights_through_a_run(tmp_path):
    weights = small.weights(tmp_path / "w.safetensors", small.NORMED)
    fit = Fit(epochs=2, batch_size=50, learning_rate=0.05)
    student = Model("resnet8", weights=str(weights))
    recipe = Recipe(data=Data("digits", part=200), student=student, fit=fit, norms="frozen", augment=small.AUGMENT)
    run = train(recipe, small.workspace(tmp_path / "runs"))
    before, after = load_file(weights), load_file(run.weights)
    statistics = [name for name in before if "running" in name]
    assert len(statistics) > 10
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not torch.equal(before["layer1.0.bn1.weight"], after["layer1.0.bn1.weight"])


def test_plan_and_batch_too_large():
    with pytest.raises(UserError, match="a batch of 64 images, but only 10"):
        Plan(10, 1, 0, Fit())


@pytest.mark.parametrize(("name", "stages"), [("fitnet", 2), ("at", 3), ("sem_ckd", 3), ("kd+at", 0), ("review_kd", 0)])
def test_a_live_teacher_is_computed_as_deep_as_it_is_read_and_teaches_the_same(tmp_path, monkeypatch, name, stages):
    told = []
    monkeypatch.setattr(session, "stages_read", lambda *what: told.append(stages_read(*what)) or told[-1])
    fit = Fit(epochs=1, batch_size=256, learning_rate=0.01, clip_norm=1.0)
    recipe = small.taught(
        tmp_path, teacher=small.NORMED, student=small.NORMED, method=method_at_defaults(name), fit=fit
    )
    shallow = result(recipe, tmp_path / "shallow")
    assert told == [stages]
    monkeypatch.setattr(session, "stages_read", lambda *what: 0)
    assert small.same_tensors(shallow, result(recipe, tmp_path / "whole"))


@pytest.mark.parametrize("live", [False, True])
def test_a_run_learns_from_two_views_a_step(tmp_path, live):
    recipe = small.taught(tmp_path, method=method_class("mlkd")(), second_view=True, live=live)
    run = train(recipe, small.workspace(tmp_path / "runs"))
    losses = [value for _, value in run.curve("train", "instance")]
    assert losses[-1] < losses[0] / 1.2
    assert recipe.as_baseline.second_view, "the baseline sees the same images"


@pytest.mark.parametrize("live", [False, True])
def test_a_run_learns_from_rotations_and_every_one_is_a_teacher_pass(tmp_path, capsys, live):
    recipe = small.taught(tmp_path, student=small.NORMED, method=method_class("sskd")(), live=live)
    run = train(recipe, small.workspace(tmp_path / "runs"))
    losses = [value for _, value in run.curve("train", "rotations")]
    assert losses[-1] < losses[0] / 1.2
    heads = [value for _, value in run.curve("train", "head")]
    assert heads[-1] < heads[0], "the teacher's head learns beside the student"
    cost, seen, images = run.result("cost"), 30 * 128, 2 * len(small.digits().train)
    paid, saved = (0, 0) if live else (4 * images, 4 * seen)
    assert (cost["teacher_passes_paid"], cost["teacher_passes_saved"]) == (paid, saved)
    typed("cache", "list", "--runs", tmp_path / "runs")
    if not live:
        assert f"read by 1 run, teacher passes paid {paid:,}, saved {saved:,}" in capsys.readouterr().out


def test_a_run_measures_statistics_once_averaging_has_begun(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(session, "measure_norms", lambda student, images, plan, epoch, augment: measured.append(epoch))
    fit = Fit(epochs=4, batch_size=128, average=0.5)
    train(small.taught(tmp_path, fit=fit, student=small.NORMED), small.workspace(tmp_path / "runs"))
    assert measured == [2, 3]
