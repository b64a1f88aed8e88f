"""The list of the networks, read without torch; and what describes a network and the data it is for."""

import pytest

from tutelage import models
from tutelage.models import MODELS, DataSpec, Model


def test_build_comes_when_it_is_asked_for():
    from tutelage.models.building import build

    assert models.build is build
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = models.nothing


@pytest.mark.parametrize("name", MODELS)
def test_a_row_says_where_its_network_is_and_what_it_is_worth(name):
    row = MODELS[name]
    assert row.parameters > 0
    assert row.macs > 0
    assert row.stages
    assert len(row.mean) == len(row.std) <= 1


def test_a_model_is_its_name_until_more_is_said():
    assert Model("resnet20") == Model(
        "resnet20", weights="", init="random", size=0, mean=(), std=(), stages=(), options={}
    )
    assert DataSpec(10, 3, 32, (0.5,) * 3, (0.25,) * 3).channels == 3
