"""What one run leaves behind; resuming, killing and two processes are tests/end_to_end."""

import pytest
import torch

import small
from tutelage.run.plan import Plan


def test_a_finished_run_has_its_weights_and_says_what_it_cost(finished_run):
    assert finished_run.done
    assert finished_run.weights.is_file()
    recipe = finished_run.recipe
    plan = Plan(len(small.digits().train), recipe.views, recipe.seed, recipe.fit)
    cost = finished_run.result("cost")
    assert cost["images"] == plan.steps * recipe.fit.batch_size
    assert cost["teacher_passes_paid"] == len(small.digits().train) * len(plan.views_used)
    assert cost["teacher_passes_saved"] == cost["images"]
    assert cost["seconds"] > 0


def test_losses_add_up_and_val_is_measured_after_every_epoch(finished_run):
    losses = {name: finished_run.curve("train", name) for name in ("loss", "label", "teacher")}
    assert losses["loss"]
    for (step, loss), (_, label), (_, teacher) in zip(*losses.values(), strict=True):
        assert loss == pytest.approx(label + teacher), step
    assert len(finished_run.curve("val", "top1")) == finished_run.recipe.fit.epochs


def test_the_weights_have_moved(finished_run):
    from safetensors.torch import load_file

    begun = small.network(small.STUDENT).network.state_dict()
    ended = load_file(finished_run.weights)
    assert ended.keys() == begun.keys()
    assert not any(torch.equal(ended[name], begun[name]) for name in ended)
    assert all(tensor.isfinite().all() for tensor in ended.values())
