"""Counts how big a network is, in parameters and in multiply-accumulates."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tutelage.models.tap import evaluating


def parameters(module: nn.Module) -> int:
    """Numbers that training can change; buffers are not counted."""
    return sum(p.numel() for p in module.parameters())


def macs(network: nn.Module, shape: tuple[int, int, int, int]) -> int:
    """Multiply-accumulates of convolutions and matrix products on one input, as torch counts them (FLOPs / 2).

    Args:
        network: Takes pixels of that shape.
        shape: (1, channels, height, width).
    """
    counter = FlopCounterMode(display=False)
    device = next(network.parameters()).device
    with torch.no_grad(), evaluating(network), counter:
        network(torch.zeros(shape, device=device))
    return counter.get_total_flops() // 2 // shape[0]
