"""What is tried before the first file is written."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

import small
from tutelage.errors import UserError
from tutelage.methods.finding import method_at_defaults
from tutelage.models import Model
from tutelage.run.builtin import built_in
from tutelage.run.optim import Fit
from tutelage.training.loop import train
from tutelage.training.rehearsal import rehearse


def test_pretrained_weights_are_fetched_before_images_are_read_and_only_where_they_are_lacking(monkeypatch, tmp_path):
    def load(*_):
        raise LookupError("images are read")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("tutelage.data.load", load)
    recipe = replace(built_in("digits"), student=Model("timm:resnet18", weights="pretrained"))
    with pytest.raises(UserError, match="weights of resnet18 could not be fetched"):
        rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: "model.safetensors")
    with pytest.raises(LookupError):
        rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))


@pytest.mark.parametrize("attempt", [rehearse, train], ids=["rehearsal", "training"])
def test_one_image_a_step_is_refused_for_a_method_that_compares_images(attempt, tmp_path):
    recipe = small.taught(tmp_path, method=method_at_defaults("kd+rkd"), fit=Fit(epochs=1, batch_size=1))
    with pytest.raises(UserError, match=r"fit\.batch_size = 1: kd\+rkd needs several images a step \(pairs"):
        attempt(recipe, workspace=small.workspace(tmp_path / "runs"))
    rehearse(replace(recipe, second_view=True), workspace=small.workspace(tmp_path / "runs"))


def test_a_head_that_is_trained_anew_may_have_had_any_order(tmp_path):
    recipe = small.taught(tmp_path)
    path = recipe.teacher.model.weights
    save_file(load_file(path), path, {"classes": json.dumps(["1", "0", *map(str, range(2, 10))])})
    rehearse(
        replace(recipe, teacher=replace(recipe.teacher, tune="head")), workspace=small.workspace(tmp_path / "runs")
    )
    with pytest.raises(UserError, match="in another order"):
        rehearse(recipe, workspace=small.workspace(tmp_path / "runs"))
