"""Knows the names of timm's and torchvision's networks from their sources: importing them takes seconds."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tutelage.errors import UserError, unknown
from tutelage.models import MODELS
from tutelage.names import shown

WAYS = "a model is a name of tutelage list models, timm:NAME, torchvision:NAME, hf-hub:OWNER/NAME or FILE.py:NAME"
_REGISTERED = re.compile(r"^@register_model(?:\(\))?\n(?:@[^\n]*\n)*def (\w+)\(", re.MULTILINE)


class Library(NamedTuple):
    """What the sources of a library say."""

    names: tuple[str, ...]
    """Of the networks that it lists."""
    text: str
    """The sources themselves: names of other times are quoted in them."""


@cache
def library(name: str) -> Library:
    """timm or torchvision, as installed."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "models"
    # torchvision's subfolders are of other tasks.
    files = sorted(folder.rglob("*.py") if name == "timm" else folder.glob("*.py"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return Library(tuple(sorted(_REGISTERED.findall(text))), text)


def check_name(name: str) -> None:
    """Refuses the name of a network that nobody has; files of one's own and the hub are not looked at.

    Raises:
        UserError: the hint says where it is, or names the nearest.
    """
    if name.endswith(".py"):
        raise UserError(
            f'unknown model "{shown(name)}"', f"name the function in it that makes the network: {shown(name)}:NAME"
        )
    source, colon, bare = name.rpartition(":") if ".py:" in name else name.partition(":")
    if colon and ".py:" not in name and (source not in ("timm", "torchvision", "hf-hub") or not bare.partition(".")[0]):
        raise UserError(f'unknown model "{shown(name)}"', WAYS)
    if source == "timm" and bare.partition(":")[0] in ("hf-hub", "hf_hub", "local-dir"):
        return
    if not colon and name not in MODELS:
        raise _unknown(f'unknown model "{name}"', name, "", unknown("model", name, MODELS, "tutelage list models"))
    if colon and source in ("timm", "torchvision"):
        bare = bare.partition(".")[0] if source == "timm" else bare
        known = library(source)
        if bare not in known.names and not re.search(rf"['\"]{re.escape(bare)}['\"]", known.text):
            nearest = unknown(f"{source} model", bare, known.names)
            raise _unknown(f'{source} has no model "{bare}"', bare, source, nearest)


def others(name: str, source: str = "") -> list[str]:
    """A name as the sources other than `source` know it: ["timm:resnet50", "torchvision:resnet50"]."""
    known = {origin: name in library(origin).names for origin in ("timm", "torchvision")} | {"": name in MODELS}
    return [f"{origin}:{name}" if origin else name for origin, has in known.items() if has and origin != source]


def _unknown(message: str, name: str, source: str, nearest: UserError) -> UserError:
    """Unknown there; the hint says so if another source has it."""
    elsewhere = others(name, source)
    return UserError(message, "did you mean " + " or ".join(elsewhere) + "?") if elsewhere else nearest
