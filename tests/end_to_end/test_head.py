"""Head-only training from cached embeddings is head-only training, at the price of one backbone pass a view."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import embedded, training
from tutelage.methods.baseline import Baseline
from tutelage.methods.kd import KD
from tutelage.optim import Fit
from tutelage.training import train


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
    by_cache = train(chosen, engine=small.CPU, runs=tmp_path / "cache")
    monkeypatch.setattr(embedded, "possible", lambda recipe: False)
    by_pixels = train(chosen, engine=small.CPU, runs=tmp_path / "pixels")
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
    forward = training.teaching.Tapped.forward

    def counting(self, pixels, *rest, **named):
        nonlocal asked
        asked += len(pixels)
        return forward(self, pixels, *rest, **named)

    monkeypatch.setattr(training.teaching.Tapped, "forward", counting)
    fit = Fit(epochs=10, batch_size=128, learning_rate=0.05)
    chosen = replace(recipe(tmp_path, method=Baseline(), fit=fit), teacher=None)
    run = train(chosen, engine=small.CPU, runs=tmp_path / "runs")
    images = 2 * len(small.digits().train) + len(small.digits().val)
    assert run.result("cost")["teacher_passes_paid"] == images
    assert asked <= 1.01 * images, "beyond the passes, single images to find sizes"
    again = train(replace(chosen, seed=1), engine=small.CPU, runs=tmp_path / "runs")
    assert again.result("cost")["teacher_passes_paid"] == 0
