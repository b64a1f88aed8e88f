"""Puts weights from files into networks: names matched, heads replaced where asked. Weights have a digest, too."""

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage import sealed
from tutelage.errors import UserError
from tutelage.models import known
from tutelage.models.checkpoints import read_weights

log = logging.getLogger("tutelage")

PREFIXES = ("module", "_orig_mod", "model", "net", "network")
"""What wrappers put before the names of a network's weights."""
_WRAPPED = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_COUNTER = "num_batches_tracked"
"""A buffer of BatchNorm that files of before 2018 lack; it only counts batches."""


def load_weights(network: nn.Module, path: str | Path, *, head: str = "", replace_head: bool = False) -> dict[str, str]:
    """Copy a file's weights into a network; every name must match.

    A checkpoint of a trainer is unwrapped (see `checkpoints`), and what stands before all of the network's names in it
    ("module.", "model.", "net.", "_orig_mod.", ...) is taken off. Half precision becomes the network's own.

    Args:
        network: The plain network.
        path: A .safetensors, .pth, .pt, .ckpt file, or of another name that holds the same.
        head: Module path of its final layer.
        replace_head: A final layer for another number of classes, or none, starts from zeros (Kolesnikov et al.
            2020, arXiv:1912.11370): what random weights say there is loud beside wide embeddings; False: an error.

    Returns:
        The metadata of a .safetensors file; nothing for others.

    Raises:
        UserError: no such file, not a file of weights, unsafe to read, not finite or not float, or of another network.
    """
    state, metadata = read_weights(path)
    own = network.state_dict()
    of_head = [name for name in (f"{head}.weight", f"{head}.bias") if name in own]
    state = _by_own_names(state, own, of_head, path)
    heads = [name for name in of_head if name not in state or state[name].shape != own[name].shape]
    if heads and replace_head:
        log.info("%s: kept %d tensors; %s start from zeros", path, len(own) - len(heads), ", ".join(heads))
        state |= {name: torch.zeros_like(own[name]) for name in heads}
    _check_names(state, own, path, [name for name in heads if name in state])
    _check_kinds(state, own, path)
    halves = [k for k, v in state.items() if v.dtype in (torch.float16, torch.bfloat16) and v.dtype != own[k].dtype]
    if halves:
        log.info("%s: %d tensors in half precision became %s", path, len(halves), own[halves[0]].dtype)
    state = {name: tensor.to(own[name].dtype) for name, tensor in state.items()}
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(
            f"{path} holds NaN or infinity in {known.few(broken)}", "the training that wrote it has diverged"
        )
    network.load_state_dict(state)
    return metadata


def check_fit(network: nn.Module, path: str | Path, head: str) -> None:
    """Compares names and shapes alone; a final layer for other classes is another question.

    Args:
        network: May be on the meta device.
        path: The file of weights.
        head: Module path of the network's final layer.

    Raises:
        UserError: as for `load_weights`.
    """
    state, _ = read_weights(path)
    own = network.state_dict()
    of_head = [name for name in (f"{head}.weight", f"{head}.bias") if name in own]
    state = _by_own_names(state, own, of_head, path)
    heads = [name for name in of_head if name not in state or state[name].shape[1:] == own[name].shape[1:]]
    expected = {name: tensor for name, tensor in own.items() if name not in heads}
    _check_names(state, expected | {name: state[name] for name in heads if name in state}, path, [])
    _check_kinds(state, own, path)


def _by_own_names(
    state: dict[str, Tensor], own: dict[str, Tensor], of_head: list[str], path: str | Path
) -> dict[str, Tensor]:
    """The tensors under the network's names where the file holds them all after one prefix; else as `bare` has them."""
    needed = [name for name in own if name not in of_head and not name.endswith(_COUNTER)]
    for named in (state, {_WRAPPED.sub("", name): tensor for name, tensor in state.items()}):
        parents = (name[: i + 1] for name in named for i, letter in enumerate(name) if letter == ".")
        fitting = [p for p in dict.fromkeys(["", *parents]) if all(f"{p}{name}" in named for name in needed)]
        usual = [p for p in fitting if set(p.split(".")) <= {*PREFIXES, ""}]
        if len(fitting) > 1 and len(usual) != 1:
            raise UserError(
                f"{path} holds several networks that fit: {known.few(fitting)}",
                "save the state dict of one of them alone",
            )
        if fitting and needed:
            return _chosen(named, (usual or fitting)[0], own, path)
    return bare(state)


def _chosen(named: dict[str, Tensor], prefix: str, own: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """What stands after a prefix; counters of batches begin at 0 where the file has none."""
    chosen = {name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)}
    beside = [name for name in named if not name.startswith(prefix)]
    if beside:
        log.info("%s: %d tensors left out, not of this network: %s", path, len(beside), known.few(beside))
    return {name: tensor for name, tensor in own.items() if name.endswith(_COUNTER)} | chosen


def bare(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what wrappers put before every name."""
    while (first := {name.partition(".")[0] for name in state}) and len(first) == 1 and first <= {*PREFIXES}:
        state = {name.partition(".")[2]: tensor for name, tensor in state.items()}
    return state


def _check_names(state: dict[str, Tensor], own: dict[str, Tensor], path: str | Path, heads: list[str]) -> None:
    shared = sorted(own.keys() & state.keys())
    differences = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": [
            f"{k} {list(state[k].shape)} instead of {list(own[k].shape)}"
            for k in shared
            if state[k].shape != own[k].shape
        ],
    }
    wrong = [name for name in shared if state[name].shape != own[name].shape]
    if sum(map(len, differences.values())) == 1 and wrong and _but_channels(state[wrong[0]], own[wrong[0]]):
        theirs, ours = state[wrong[0]].shape[1], own[wrong[0]].shape[1]
        raise UserError(
            f"{path} was made for images of {theirs} channels, these have {ours}",
            f"give images of {theirs} channels, or take a network that is trained on these first (--teacher.tune full)",
        )
    parts = [f"{len(keys)} {kind}: {known.few(keys)}" for kind, keys in differences.items() if keys]
    if parts and heads and len(heads) == sum(map(len, differences.values())):
        raise _of_other_classes(path, len(state[heads[0]]), len(own[heads[0]]))
    if parts:
        raise UserError(f"{path} does not fit the network; " + "; ".join(parts), known.advice(state, path))


def _check_kinds(state: dict[str, Tensor], own: dict[str, Tensor], path: str | Path) -> None:
    """Refuses what would become other numbers in silence: whole numbers of a quantised network without their scales."""
    kinds = {name: _not_plain(state[name], own[name].is_floating_point()) for name in own if name in state}
    odd = [name for name, kind in kinds.items() if kind]
    if odd:
        raise UserError(
            f"{path} holds {kinds[odd[0]]} in {known.few(odd)}, and float numbers are expected",
            "save the state dict of the network as it was trained, before it was quantised or converted",
        )


def _not_plain(tensor: Tensor, floating: bool) -> str:
    """What a tensor holds in place of a number for each place; empty: these."""
    if tensor.is_meta:
        return "no numbers (they are on the meta device)"
    if tensor.is_quantized or tensor.layout != torch.strided:
        return "quantised numbers" if tensor.is_quantized else "sparse tensors"
    return f"numbers of {tensor.dtype}" if floating and not tensor.is_floating_point() else ""


def _but_channels(own: Tensor, other: Tensor) -> bool:
    """Kernels of a first convolution for images of other channels."""
    return own.ndim == 4 and own[:, 0].shape == other[:, 0].shape and {own.shape[1], other.shape[1]} <= {1, 3, 4}


def _of_other_classes(path: str | Path, theirs: int, ours: int) -> UserError:
    if theirs == 1:
        return UserError(
            f"{path} has one output (a sigmoid's) where {ours} classes want one each",
            "its final layer has to be trained for these classes (--teacher.tune head); or write a network that "
            "answers with torch.cat([-z, z], 1) / 2, z being that output before the sigmoid",
        )
    return UserError(
        f"{path} knows {theirs} classes instead of {ours}",
        "its final layer has to be trained for these classes (--teacher.tune head); the rest of its weights can stay",
    )


def weights_digest(module: nn.Module, *, without: str = "") -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all parameters and persistent buffers, in order of names.

    Args:
        module: Any network.
        without: Path of a submodule to leave out; empty: none.
    """
    state = module.state_dict()
    compared = {name: tensor for name, tensor in state.items() if not without or not name.startswith(f"{without}.")}
    return sealed.tensors_digest(compared)
