"""Writes and reads files that say what they are: a checksum over content and name, compared at every reading.

A seal is what a file is ("run-0123abcd/card.json") and the SHA-256 of its content followed by that. It stands in a
JSON object under "seal", in the metadata of a .safetensors file, on a line beside any other file. So a file is found
that was damaged, cut, or changed places with another one, its seal included. Files of versions that wrote no seals are
read as they are.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage import files
from tutelage.errors import Damaged

if TYPE_CHECKING:
    from torch import Tensor

SEAL = "seal"
"""Its key in a JSON object and in the metadata of a .safetensors file."""


def write_json(path: Path, value: dict[str, Any], what: str) -> None:
    """A JSON object and its seal, written as `files.write_json` writes.

    Args:
        path: The file.
        value: The object.
        what: The file's identity: it has to be given again when the file is read.
    """
    # Read back, so that keys which are no text are those that a reader will see.
    plain = json.loads(json.dumps(value, allow_nan=False))
    files.write_json(path, plain | {SEAL: {"of": what, "sha256": _of_json(plain, what)}})


def read_json(path: Path, what: str | None = None, *, required: bool = False) -> dict[str, Any]:
    """The object in a JSON file without its seal, which was compared.

    Args:
        path: The file.
        what: The file's identity; None: whatever its seal says.
        required: A file without a seal is damaged, not old.

    Raises:
        Damaged: it is gone, it is not a JSON object, its seal does not fit.
    """
    return _opened(_plain(path), path, what, required)


def owner(path: Path) -> str:
    """Whose file a sealed JSON file is: its identity up to the last "/"; empty for a file without a seal.

    Raises:
        Damaged: as `read_json`.
    """
    plain = _plain(path)
    _opened(plain, path, None, required=False)
    return plain[SEAL]["of"].rpartition("/")[0] if SEAL in plain else ""


def is_sealed(path: Path) -> bool:
    """Whether a JSON file says that it is sealed; False where it cannot be read."""
    try:
        return SEAL in _plain(path)
    except Damaged:
        return False


def unsealed(plain: dict[str, Any], where: str) -> dict[str, Any]:
    """A JSON object that was read already, without its seal, which was compared where there is one.

    Raises:
        Damaged: its seal does not fit.
    """
    try:
        return _opened(plain, Path(where), None, required=False)
    except Damaged as damaged:
        hint = f'if you have changed it yourself, remove its entry "{SEAL}": then it is a file of yours'
        raise Damaged.of(damaged.path, damaged.reason, hint) from None


def write_tensors(path: Path, tensors: "dict[str, Tensor]", what: str) -> None:
    """A .safetensors file with a seal in its metadata; the tensors contiguous and on the CPU."""
    from safetensors.torch import save_file

    seal = json.dumps({"of": what, "sha256": tensors_digest(tensors, what)})
    with files.appearing(path) as beside:
        # One entry: safetensors writes several in no fixed order, and the same content shall be the same bytes.
        save_file(tensors, beside, {SEAL: seal})


def read_tensors(path: Path, what: str, *, required: bool = False) -> "dict[str, Tensor]":
    """The tensors of a file of `write_tensors`; the arguments are those of `read_json`.

    Raises:
        Damaged: it is gone, it cannot be read, its seal does not fit.
    """
    tensors = {}
    for piece in tensor_pieces(path, what, required=required):
        tensors |= piece
    return tensors


def tensor_pieces(
    path: Path, what: str, rows: int | None = None, *, required: bool = False, framework: str = "pt"
) -> Iterator[dict[str, Any]]:
    """The tensors of a file of `write_tensors` one after the other, in order of names, or in pieces of so many rows.

    Nothing of it is to be used before the last piece has come: only then is the seal compared.

    Args:
        path: The file.
        what: Its identity.
        rows: Of a piece; no more than these are in memory. None: tensors are whole.
        required: A file without a seal is damaged, not old.
        framework: "pt" for tensors; "numpy" for arrays, which needs no torch and knows no bfloat16.

    Raises:
        Damaged: as `read_tensors`.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise Damaged.of(path, "it is gone")
    digest = hashlib.sha256()
    try:
        with safe_open(path, framework=framework) as file:
            text = (file.metadata() or {}).get(SEAL)
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
        seal = None if text is None else json.loads(text)
        for name, shape in shapes.items():
            for number, piece in enumerate(_cut(path, name, shape, rows, framework)):
                if seal is not None and number == 0:
                    digest.update(f"{name} torch.{str(piece.dtype).removeprefix('torch.')} {shape}\n".encode())
                if seal is not None:
                    digest.update(_bytes_of(piece))
                yield {name: piece}
    except (SafetensorError, ValueError, RuntimeError, TypeError) as error:
        raise Damaged.of(path, f"it cannot be read ({str(error).splitlines()[0]})") from None
    digest.update(what.encode())
    if seal is None and required:
        raise Damaged.of(path, "it has lost its seal")
    if seal is not None:
        _compare(path, seal, what, digest.hexdigest())


def _cut(path: Path, name: str, shape: tuple[int, ...], rows: int | None, framework: str) -> Iterator[Any]:
    """The file is opened anew for each piece: pages of a mapped file count as memory until it is closed."""
    from safetensors import safe_open

    whole = rows is None or 0 in (len(shape), *shape[:1])
    for start in (0,) if whole else range(0, shape[0], rows):
        with safe_open(path, framework=framework) as file:
            piece = file.get_tensor(name) if whole else file.get_slice(name)[start : min(start + rows, shape[0])]
        yield piece


def tensors_digest(tensors: "dict[str, Tensor]", what: str = "") -> str:
    """SHA-256 over names, dtypes, shapes and bytes of tensors, in order of names, and then `what`."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(_bytes_of(tensor))
    digest.update(what.encode())
    return digest.hexdigest()


def write_bytes(path: Path, content: bytes, what: str) -> None:
    """Any file, and beside it, before it, a line with its seal: a file that is there always has one."""
    with files.appearing(_line(path)) as beside:
        beside.write_text(_of_bytes(content, what) + "\n")
    with files.appearing(path) as beside:
        beside.write_bytes(content)


def check(path: Path, what: str, *, required: bool = True) -> None:
    """Compares a file of `write_bytes` with the line beside it.

    Raises:
        Damaged: one of the two is gone, or they do not fit, or fit as another file.
    """
    if not path.is_file():
        raise Damaged.of(path, "it is gone")
    line = _line(path)
    if not (required or line.exists()):
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    plain = digest.hexdigest()  # what earlier versions wrote
    digest.update(what.encode())
    written = line.read_bytes() if line.exists() else b""
    if written not in (f"{digest.hexdigest()}\n".encode(), f"{plain}\n".encode()):
        raise Damaged.of(path, "its checksum is not the one written beside it")


def append_lines(path: Path, values: list[Any], what: str) -> None:
    """Appends JSON objects as lines, and seals the file as it now is beside it.

    A crash between the two, or another process, leaves lines behind the sealed ones, which are read too.
    """
    check_beginning(path, what)
    files.append_lines(path, values)
    seal_beginning(path, what)


def read_lines(path: Path, what: str) -> list[dict[str, Any]]:
    """The objects of a file of `append_lines`; none where there is no such file.

    Raises:
        Damaged: it is gone, shorter than it was, or its sealed beginning has changed.
    """
    check_beginning(path, what)
    return files.read_lines(path)


def seal_beginning(path: Path, what: str) -> None:
    """Seals a file that only grows as it now is, on a line beside it."""
    content = path.read_bytes()
    with files.appearing(_line(path)) as beside:
        beside.write_text(f"{len(content)} {_of_bytes(content, what)}\n")


def check_beginning(path: Path, what: str) -> None:
    """Compares what was sealed of a file that only grows, where it was.

    Raises:
        Damaged: see `read_lines`.
    """
    line = _line(path)
    if not line.exists():
        return
    size, _, written = line.read_text(errors="replace").strip().partition(" ")
    if not path.exists():
        raise Damaged.of(path, "it is gone")
    beginning = path.read_bytes()[: int(size)] if size.isdecimal() else b""
    if _of_bytes(beginning, what) != written:
        raise Damaged.of(path, "its checksum is not the one written beside it")


def remove(paths: Iterable[Path]) -> None:
    """Removes files, and the lines beside those that have one."""
    for path in paths:
        path.unlink(missing_ok=True)
        _line(path).unlink(missing_ok=True)


def _plain(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise Damaged.of(path, "it is gone")
    try:
        plain = files.read_json(path)
    except ValueError:
        raise Damaged.of(path, "it is not JSON") from None
    if not isinstance(plain, dict):
        raise Damaged.of(path, "it is not a JSON object")
    return plain


def _opened(plain: dict[str, Any], path: Path, what: str | None, required: bool) -> dict[str, Any]:
    value = {key: item for key, item in plain.items() if key != SEAL}
    if SEAL in plain:
        seal = plain[SEAL]
        expected = seal.get("of") if what is None and isinstance(seal, dict) else what
        _compare(path, seal, str(expected), _of_json(value, str(expected)))
    elif required:
        raise Damaged.of(path, "it has lost its seal")
    return value


def _compare(path: Path, seal: Any, what: str, digest: str) -> None:
    if not isinstance(seal, dict) or seal.keys() != {"of", "sha256"}:
        raise Damaged.of(path, "its seal cannot be read")
    if seal["of"] != what:
        raise Damaged.of(path, f'it says that it is "{seal["of"]}", not "{what}"')
    if seal["sha256"] != digest:
        raise Damaged.of(path, "its content is not what its seal says")


def _of_json(value: Any, what: str) -> str:
    return _of_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), what)


def _of_bytes(content: bytes, what: str) -> str:
    return hashlib.sha256(content + what.encode()).hexdigest()


def _bytes_of(tensor: Any) -> Any:
    if not hasattr(tensor, "detach"):  # an array
        return tensor.reshape(-1).view("uint8")
    import torch

    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()


def _line(path: Path) -> Path:
    return path.with_suffix(".sha256")
