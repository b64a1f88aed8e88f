"""Parameters and multiply-accumulates, counted by hand for layers that anybody can count."""

import torch
from torch import nn

from tutelage.models.count import macs, parameters


def test_parameters_are_what_training_can_change():
    assert parameters(nn.Linear(3, 4)) == 16
    assert parameters(nn.BatchNorm2d(5)) == 10  # running statistics are buffers


def test_a_convolution_multiplies_its_kernel_at_every_place():
    convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert macs(convolution, (1, 3, 16, 16)) == 8 * 8 * 8 * 3 * 3 * 3


def test_a_linear_layer_multiplies_its_matrix_once_an_image():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    assert macs(network, (1, 3, 2, 2)) == 60
    assert macs(network, (4, 3, 2, 2)) == 60


def test_counting_leaves_modes_and_statistics_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    macs(network, (1, 1, 4, 4))
    assert network[0].training
    assert not network[1].training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
