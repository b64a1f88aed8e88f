"""What a split is to all other modules."""

import pytest
import torch

import small
from tutelage.data.images import Images, workers_beside


def test_nobody_makes_views_ahead_where_networks_compute_on_the_same_cores():
    assert workers_beside(torch.device("cpu")) == 0


@pytest.mark.parametrize(("cores", "workers"), [(None, 0), (1, 0), (4, 3), (64, 8)])
def test_beside_a_gpu_one_core_is_left_for_the_loop(cores, workers, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert workers_beside(torch.device("cuda")) == workers


def test_a_split_is_as_long_as_its_labels():
    train = small.digits().train
    assert isinstance(train, Images)
    assert len(train) == len(train.labels)
    with pytest.raises(TypeError, match="abstract"):
        Images()
