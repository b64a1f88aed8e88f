"""Files of weights as people and trainers save them, read as data: nothing in them is run."""

import argparse
import json
import logging
import re
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tutelage.errors import UserError
from tutelage.models.delivered import check_student
from tutelage.names import shown

log = logging.getLogger("tutelage")

METADATA = "tutelage"
"""The one entry of a .safetensors file's metadata in which our own files keep all of theirs, as JSON."""
WRAPPERS = (
    *("state_dict", "model", "model_state_dict", "net", "network", "state", "weights", "params"),
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema", "module"),
)
"""Names under which trainers keep the weights; the first that is there is read."""
FOREIGN = {
    ".onnx": "an ONNX file",
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "a file of Keras"),
    ".pb": "a file of TensorFlow",
    ".tflite": "a file of LiteRT",
    ".npz": "a file of NumPy",
    ".msgpack": "a file of Flax",
    ".pt2": "a program of torch.export",
    ".gguf": "a file of GGUF",
}
SAVE = "load the network where its code is and save its state dict: torch.save(model.state_dict(), 'weights.pth')"
NOT_THE_FILE = (
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself", "git lfs pull fetches the file"),
    (rb"<", "a page of a website, not the file itself", "fetch it again by the address of the file"),
    (rb"\x1f\x8b", "compressed by gzip", "unpack it first: gunzip"),
    (rb"\x08[\x03-\x1f]\x12", "an ONNX file by another name", SAVE),
    (rb".{4}TFL3", "a file of LiteRT by another name", SAVE),
    (rb"\x89HDF", "a file of Keras by another name", SAVE),
    (rb"\x93NUMPY", "a file of NumPy by another name", SAVE),
)
"""How a file begins that is none of weights, what it is, and what to do."""
PART = re.compile(r"-\d{5}-of-\d{5}\.safetensors\Z|\.safetensors\.index\.json\Z")
"""Ends of names where weights are stored in several files, a part each, and of the file that lists them."""
JOIN = (
    'python -c "import glob; from safetensors.torch import load_file, save_file; save_file({k: v for f in '
    "glob.glob('*-of-*.safetensors') for k, v in load_file(f).items()}, 'weights.safetensors')\" joins them, in their "
    "folder; name that file"
)

_DICTS = re.compile(
    r"(yacs\.config\.CfgNode|easydict\.EasyDict|addict\.addict\.Dict"
    r"|(pytorch_)?lightning(_fabric|\.fabric|\.pytorch)?\.utilities\.[\w.]*AttributeDict)\Z"
)
_INERT = re.compile(
    r"(pathlib\.|datetime\.|argparse\.|types\.SimpleNamespace\Z|omegaconf\.|(pytorch_)?lightning[\w.]*\.callbacks\."
    r"|numpy\.(_?core)\.multiarray\.(scalar|_reconstruct)\Z|numpy\.ndarray\Z|functools\.partial\Z"
    r"|torch\.optim\.|torch\.torch_version\.TorchVersion\Z|timm\.utils\.|fractions\.|decimal\.|uuid\.UUID\Z"
    r"|typing\.(Any|Union)\Z)"
)
_TYPES = {kind.__name__: kind for kind in (int, float, str, bool, list, tuple)}
"""Named as they are, as what is counted in, say."""
_NETWORKS = re.compile(r"torch\.nn\.modules\.|torch\.nn\.parallel\.|torchvision\.models\.|timm\.(models|layers)\.")


class _Inert:
    """Stands where a checkpoint names a class of settings, dates or schedules: it holds nothing and does nothing."""

    def __init__(self, *values: Any, **named: Any):
        pass

    def __new__(cls, *values: Any, **named: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a weights file by name, and its metadata (.safetensors only).

    What a file is, its first bytes say: trainers end their names in .pth, .pt, .ckpt, .pth.tar, .bin, or in nothing.

    Raises:
        UserError: no such file, not a file of weights, or unsafe to read.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else ""
        message = f"{path} is a folder, not a file of weights" if kind else f"there is no weights file {path}"
        raise UserError(message, "give the path of a .safetensors, .pth, .pt or .ckpt file")
    check_student(path)
    if PART.search(path.name) and "-00001-of-00001." not in path.name:
        raise UserError(f"{path} is not all of the weights: they are stored in several parts", JOIN)
    if path.suffix.lower() in FOREIGN:
        raise UserError(
            f'{path} ends in "{path.suffix}": {FOREIGN[path.suffix.lower()]}; weights come as .safetensors or .pth',
            SAVE,
        )
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", "look at its permissions") from None
    for beginning, kind, way in NOT_THE_FILE:
        if re.match(beginning, start, re.DOTALL) and start[8:9] != b"{":
            raise UserError(f"{path} is {kind}", way)
    if not start:
        raise UserError(f"{path} is empty", "fetch or write it again")
    is_pickle = start.startswith((b"PK\x03\x04", b"\x80"))
    if start[8:9] == b"{" or (path.suffix == ".safetensors" and not is_pickle):
        try:
            with safe_open(path, framework="pt") as file:
                return {k: file.get_tensor(k) for k in file.keys()}, _said(file.metadata() or {})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is no safetensors file: {error}", "fetch or write it again") from error
    return _unwrap(_read_pickle(path), path), {}


def metadata(path: str | Path) -> dict[str, str]:
    """What a weights file says of itself; nothing for others than .safetensors."""
    if Path(path).suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return _said(file.metadata() or {})
    except SafetensorError:  # a pickle by another name, or damaged: `read_weights` tells
        return {}


def _said(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata of a .safetensors file, as it was written: ours is one entry; nothing where that is damaged."""
    if METADATA not in metadata:
        return metadata
    try:
        own = json.loads(metadata[METADATA])
    except ValueError:
        return {}
    return own if isinstance(own, dict) else {}


def _read_pickle(path: Path) -> Any:
    _check_archive(path)
    dtypes = {type(np.dtype(code)) for code in np.typecodes["All"]}
    allowed: list[Any] = [argparse.Namespace, np.float64(0).__reduce__()[0], np.dtype, *dtypes]
    while True:
        try:
            with (
                torch.serialization.safe_globals(allowed),
                warnings.catch_warnings(action="ignore"),
                path.open("rb") as file,  # by its path, torch would go by the ending
            ):
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle can raise anything
            wanted = re.search(r"GLOBAL (\S+)", str(error))
            if wanted is None:
                raise UserError(
                    f"{path} cannot be read: it is damaged, or a pickle of something else than weights, which is never "
                    "run",
                    "fetch it again, or ask its author for .safetensors",
                ) from error
            allowed.append(_stand_in(wanted[1], path))
            if allowed[-1] in allowed[:-1]:
                raise _refused(path, wanted[1]) from error


def _stand_in(wanted: str, path: Path) -> Any:
    """What may stand for a class that a checkpoint names beside its weights, as `safe_globals` takes it.

    Raises:
        UserError: nothing may: the class or function is not one of settings, dates or schedules.
    """
    if wanted in _TYPES:
        return _TYPES[wanted]
    if wanted == "collections.defaultdict":
        return (_dict_of_any, wanted)
    if _DICTS.match(wanted):
        return (OrderedDict, wanted)
    if _INERT.match(wanted):
        return (_Inert, wanted)
    raise _refused(path, wanted)


def _dict_of_any(*_: Any) -> OrderedDict[Any, Any]:
    return OrderedDict()


def _refused(path: Path, wanted: str) -> UserError:
    """The error for a pickle that names a class or function of somebody's code."""
    try:
        names = {wanted, *torch.serialization.get_unsafe_globals_in_checkpoint(path)}
    except Exception:  # the older form of torch.save
        names = {wanted}
    if any(map(_NETWORKS.match, names)):
        own = sorted(name for name in names if not re.match(r"torch\.|collections\.|builtins|__builtin__", name))
        network = own[0] if own else wanted
        return UserError(
            f"{path} is no state dict but a whole pickled network ({network}), which would run its code when read", SAVE
        )
    return UserError(
        f"{path} was refused: it is not made of weights alone but wants to call {wanted}",
        "ask its author for .safetensors, or load it where you trust it and save model.state_dict()",
    )


def _check_archive(path: Path) -> None:
    """Refuses archives of torch that hold a program, or an entry that is not what its checksum says.

    torch.load compares no checksums. After `torch.serialization.set_crc32_options(False)` torch writes 0 for all.

    Raises:
        UserError: it is one of them; nothing for the older form of torch.save, which has no checksums.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return
    with archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
            raise UserError(
                f"{path} is a TorchScript archive, a program and not a state dict",
                "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth') writes its weights, where you trust it",
            )
        if any(name.endswith(("/archive_format", "serialized_exported_program.json")) for name in names):
            raise UserError(f"{path} is a program of torch.export, not a state dict", SAVE)
        for entry in archive.infolist():
            if entry.CRC and not _is_whole(archive, entry):
                raise UserError(
                    f"{path} is damaged: its part {shown(entry.filename)} is not what its checksum says",
                    "fetch it again, or copy it anew from where it was saved",
                )


def _is_whole(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether an entry can be read and has the checksum that the archive gives it."""
    try:
        with archive.open(entry) as part:
            while part.read(1 << 20):
                pass
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError):
        return False
    return True


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """The one state dict in what a trainer saved."""
    for _ in range(3):
        if not isinstance(content, Mapping) or _has_tensors(content):
            break
        inside = [name for name, value in content.items() if isinstance(value, Mapping) and _leads_to_tensors(value)]
        known = [name for name in WRAPPERS if name in inside]
        others = [name for name in inside if not re.search("optim|sched|scaler|loss|criterion", str(name))]
        if not known and len(others) > 1:
            raise UserError(
                f"{path} holds several state dicts: {', '.join(map(str, others[:5]))}",
                f"save the one that is meant: {SAVE}",
            )
        if not known and not others:
            break
        chosen = (known or others)[0]
        if len(known) > 1:
            log.info("%s: read %s; it also holds %s", path, chosen, ", ".join(known[1:]))
        content = content[chosen]
    if not isinstance(content, Mapping) or not _has_tensors(content):
        raise UserError(
            f"{path} holds no state dict{'' if isinstance(content, Mapping) else f' but a {type(content).__name__}'}",
            f"save model.state_dict(), plain or under one of {', '.join(WRAPPERS[:4])}",
        )
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    averaged = [name for name in state if name.rpartition(".")[2] == "n_averaged" and state[name].ndim == 0]
    beside = [str(name) for name in content if str(name) not in state] + averaged
    if beside:
        log.info("%s: left out %s", path, ", ".join(beside[:5]))
    return {name: tensor for name, tensor in state.items() if name not in averaged}


def _has_tensors(content: Mapping[Any, Any]) -> bool:
    """Whether it is a state dict itself: tensors under dotted names, or nothing else than tensors."""
    tensors = [name for name, value in content.items() if isinstance(value, Tensor)]
    return bool(tensors) and (len(tensors) == len(content) or any("." in str(name) for name in tensors))


def _leads_to_tensors(content: Mapping[Any, Any], depth: int = 2) -> bool:
    if _has_tensors(content):
        return True
    inside = [value for value in content.values() if isinstance(value, Mapping)] if depth else []
    return any(_leads_to_tensors(value, depth - 1) for value in inside)
