"""Names and files of weights are refused before anything is read: the messages are in house/test_quickly.py."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

import small
from tutelage.cli.checks import check_methods, check_weights
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.run.builtin import built_in


def test_methods_are_known_by_their_names_and_sums():
    check_methods(["kd", "kd+at", "baseline"])
    with pytest.raises(UserError, match='unknown method "att"'):
        check_methods(["kd", "kd+att"])


def test_weights_of_another_network_are_refused(tmp_path):
    recipe = built_in("digits")
    file = small.weights(tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="does not fit"):
        check_weights(recipe.with_teachers(recipe.teacher.__class__(Model("resnet20", weights=str(file)))))


@pytest.mark.parametrize("at_hand", [False, True])
def test_pretrained_weights_are_fetched_before_images_are_read_and_only_where_they_are_lacking(
    monkeypatch, tmp_path, at_hand
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    if at_hand:
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: "model.safetensors")
    recipe = replace(built_in("digits"), student=Model("timm:resnet18", weights="pretrained"))
    with nullcontext() if at_hand else pytest.raises(UserError, match="weights of resnet18 could not be fetched"):
        check_weights(recipe)
