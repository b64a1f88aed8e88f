"""Names and files of weights are refused before anything is read: the messages are in house/test_quickly.py."""

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
