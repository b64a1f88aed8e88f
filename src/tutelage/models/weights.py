"""Weights from files: safetensors, or a .pth that holds nothing but weights; and what identifies them."""

import argparse
import json
import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from tutelage import sealed
from tutelage.errors import UserError
from tutelage.models.delivered import check_student

log = logging.getLogger("tutelage")

METADATA = "tutelage"
"""The one entry of a .safetensors file's metadata in which our own files keep all of theirs, as JSON."""

_WRAPPERS = ("state_dict", "model", "net", "model_ema")
_PREFIXES = ("module.", "_orig_mod.")


def load_weights(network: nn.Module, path: str | Path, *, head: str = "", replace_head: bool = False) -> dict[str, str]:
    """Copy a file's weights into a network; every name must match.

    A .pth or .pt file may wrap its weights in "state_dict", "model", "net" or "model_ema", and prefix names with
    "module." or "_orig_mod.". Half precision becomes the network's own.

    Args:
        network: The plain network.
        path: A .safetensors, .pth or .pt file.
        head: Module path of its final layer.
        replace_head: A final layer for another number of classes starts from zeros (Kolesnikov et al.
            2020, arXiv:1912.11370): what random weights say there is loud beside wide embeddings; False: an error.

    Returns:
        The metadata of a .safetensors file; nothing for others.

    Raises:
        UserError: no such file, not a file of weights, unsafe to read, not finite, or of another network.
    """
    state, metadata = read_weights(path)
    own = network.state_dict()
    heads = [
        k for k in (f"{head}.weight", f"{head}.bias") if k in state and k in own and state[k].shape != own[k].shape
    ]
    if heads and replace_head:
        log.info("%s: kept %d tensors; %s start from zeros", path, len(state) - len(heads), ", ".join(heads))
        state |= {k: torch.zeros_like(own[k]) for k in heads}
    _check_names(state, own, path, heads)
    halves = [k for k, v in state.items() if v.dtype in (torch.float16, torch.bfloat16) and v.dtype != own[k].dtype]
    if halves:
        log.info("%s: %d tensors in half precision became %s", path, len(halves), own[halves[0]].dtype)
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(f"{path} holds NaN or infinity in {_few(broken)}", "the training that wrote it has diverged")
    network.load_state_dict(state)
    return metadata


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a weights file by plain names, and its metadata (.safetensors only)."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no weights file {path}", "give the path of a .safetensors or .pth file")
    check_student(path)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return _plain({k: file.get_tensor(k) for k in file.keys()}), _said(file.metadata() or {})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is no safetensors file: {error}", "fetch or write it again") from error
    if path.suffix in (".pth", ".pt"):
        return _plain(_unwrap(_read_pickle(path), path)), {}
    raise UserError(
        f'{path} ends in "{path.suffix}"; weights come as .safetensors, .pth or .pt', "convert it to .safetensors"
    )


def metadata(path: str | Path) -> dict[str, str]:
    """What a weights file says of itself; nothing for others than .safetensors."""
    if Path(path).suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as file:
        return _said(file.metadata() or {})


def _said(metadata: dict[str, str]) -> dict[str, str]:
    return json.loads(metadata[METADATA]) if METADATA in metadata else metadata


def _read_pickle(path: Path) -> Any:
    dtypes = {type(np.dtype(code)) for code in np.typecodes["All"]}
    allowed: list[Any] = [argparse.Namespace, np.float64(0).__reduce__()[0], np.dtype, *dtypes]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted:
            raise UserError(
                f"{path} was refused: it is not made of weights alone but wants to call {wanted[1]}",
                "ask its author for .safetensors, or load it where you trust it and save model.state_dict()",
            ) from error
        raise UserError(
            f"{path} cannot be read: it is damaged, or a pickle of something else than weights, which is never run",
            "fetch it again, or ask its author for .safetensors",
        ) from error


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if isinstance(content, Mapping) and content and all(isinstance(v, Tensor) for v in content.values()):
        return dict(content)
    raise UserError(
        f"{path} holds no state dict but {type(content).__name__}",
        f"save model.state_dict(), plain or under one of {', '.join(_WRAPPERS)}",
    )


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES * 2:
        if all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
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
    told = [f"{len(keys)} {kind}: {_few(keys)}" for kind, keys in differences.items() if keys]
    if told and len(heads) == sum(map(len, differences.values())):
        raise UserError(
            f"{path} knows {len(state[heads[0]])} classes instead of {len(own[heads[0]])}",
            "its final layer has to be trained for these classes; the rest of its weights can stay",
        )
    if told:
        raise UserError(
            f"{path} does not fit the network; " + "; ".join(told), "choose the network that the weights were made for"
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names) - 3} more)" if len(names) > 3 else "")


def weights_digest(module: nn.Module, *, without: str = "") -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all parameters and persistent buffers, in order of names.

    Args:
        module: Any network.
        without: Path of a submodule to leave out; empty: none.
    """
    state = module.state_dict()
    kept = {name: tensor for name, tensor in state.items() if not without or not name.startswith(f"{without}.")}
    return sealed.tensors_digest(kept)
