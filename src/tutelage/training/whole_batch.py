"""Lets several processes compute with their shares of a batch what one would compute with the whole of it.

What is a mean over samples is right by itself: the mean of the shares' means. Two things are not. Batch norm wants the
statistics of all samples, and a loss that compares samples wants all of them at once.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

Record = TypeVar("Record")


def sharing() -> bool:
    """Whether other processes have the rest of the batch."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def normalised_by_all() -> AbstractContextManager[Any]:
    """Batch norm inside the block takes the statistics of all processes' samples; all must call it alike.

    Whoever calls `batch_norm` does not notice, so a network's modules stay what they are: layers of other libraries
    that do more than normalise, taps, and names in a checkpoint. Their shares must be equally large.
    """
    return _NormalisedByAll() if sharing() else nullcontext()


@torch.compiler.disable
def gathered(*records: Record) -> Sequence[Record]:
    """The tensors of these records with the samples of all processes, in the order of the batch they are shares of.

    The gradient of a share is this process's part of the gradient of one loss that all processes compute alike, times
    their number, which the mean over the processes takes away again. Tensors of no dimension are the same everywhere.
    """
    return cast(Sequence[Record], pytree.tree_map_only(Tensor, _gathered, records)) if sharing() else records


def _gathered(share: Tensor) -> Tensor:
    if not share.ndim:
        return share
    if not share.numel():  # logits of no classes
        return share.new_empty(len(share) * dist.get_world_size(), *share.shape[1:])
    return cast(Tensor, _Gathered.apply(share))


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:
        share = share.contiguous()
        parts = [torch.empty_like(share) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, share)
        return torch.stack(parts, dim=1).flatten(0, 1)  # a rank has every world-th sample: see Plan.addresses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        world, rank = dist.get_world_size(), dist.get_rank()
        return gradients[0][rank::world] * world


class _NormalisedByAll(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm and kwargs["training"]:  # it says itself again, and always in this way
            return _batch_norm(args[0], args[1:], (kwargs["weight"], kwargs["bias"]), kwargs["momentum"], kwargs["eps"])
        return func(*args, **(kwargs or {}))


Pair = tuple[Tensor | None, Tensor | None]


def _batch_norm(x: Tensor, running: Pair, affine: Pair, momentum: float, eps: float) -> Tensor:
    """`F.batch_norm` in training: `running` holds mean and variance, `affine` weight and bias."""
    world = dist.get_world_size()
    if x.is_cuda:  # torch's kernels, which it has for no CPU
        from torch.nn.modules._functions import SyncBatchNorm

        return SyncBatchNorm.apply(x, *affine, *running, eps, momentum, dist.group.WORLD, world)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    over = [0, *range(2, x.ndim)]
    mean = _Sum.apply(wide.mean(over, keepdim=True)) / world
    centred = wide - mean
    variance = _Sum.apply(centred.square().mean(over, keepdim=True)) / world
    count = world * x.numel() // x.shape[1]
    with torch.no_grad():
        for average, now in zip(running, (mean, variance * (count / (count - 1))), strict=True):
            if average is not None:
                average.lerp_(now.flatten().to(average.dtype), momentum)
    weight, bias = (None if part is None else part.view(mean.shape) for part in affine)
    scale = (variance + eps).rsqrt()
    normalised = centred * (scale if weight is None else scale * weight)
    return (normalised if bias is None else normalised + bias).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since each of their losses depends on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous().clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient
