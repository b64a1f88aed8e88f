"""The methods: METHODS is the only list, one file each.

`METHODS[name]` says what `list` prints without importing torch; `method_class(name)` imports the file of that name.
The classes and pure functions are attributes of this package: `methods.KD`, `methods.kd_loss`.
"""

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage.errors import unknown

if TYPE_CHECKING:
    from tutelage.methods._base import Method


class Row(NamedTuple):
    """One line of `tutelage list methods`."""

    cls: str
    """The class in the file of the row's name."""
    paper: str
    year: int
    needs: tuple[str, ...]
    """What it reads of the teacher: a cache serves "logits", "embedding" and "head", a live teacher all."""
    functions: tuple[str, ...] = ()
    """The public pure functions in the same file."""


METHODS: dict[str, Row] = {
    # no teacher
    "baseline": Row("Baseline", "cross-entropy with the labels", 1989, ()),
    "label_smoothing": Row("LabelSmoothing", "Szegedy et al.", 2016, ()),
    "tf_kd": Row("TfKD", "Yuan et al.", 2020, (), ("tf_kd_loss", "virtual_teacher")),
    # logits
    "kd": Row("KD", "Hinton, Vinyals & Dean", 2015, ("logits",), ("kd_loss",)),
    "logit_mse": Row("LogitMSE", "Ba & Caruana", 2014, ("logits",), ("logit_mse_loss",)),
    "hard_label": Row("HardLabel", "Touvron et al.", 2021, ("logits",), ("hard_label_loss",)),
    "dkd": Row("DKD", "Zhao et al.", 2022, ("logits",), ("dkd_loss",)),
    "nkd": Row("NKD", "Yang et al.", 2023, ("logits",), ("nkd_loss",)),
    "dist": Row("DIST", "Huang et al.", 2022, ("logits",), ("dist_loss", "pearson")),
    "wsld": Row("WSLD", "Zhou et al.", 2021, ("logits",), ("wsld_loss",)),
    "ttm": Row("TTM", "Zheng & Yang", 2024, ("logits",), ("ttm_loss",)),
    "wttm": Row("WTTM", "Zheng & Yang", 2024, ("logits",), ("wttm_loss",)),
    "ctkd": Row("CTKD", "Li et al.", 2023, ("logits",)),
    "rld": Row("RLD", "Sun et al.", 2024, ("logits",), ("rld_loss",)),
    "luminet": Row("LumiNet", "Hossain et al.", 2023, ("logits",), ("luminet_loss", "perception")),
    # embedding
    # features
}


def method_class(name: str) -> "type[Method]":
    """The class of a method by its name in METHODS.

    Raises:
        UserError: there is no such method; the hint names the nearest.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS, "tutelage list methods")
    return getattr(importlib.import_module(f"tutelage.methods.{name}"), METHODS[name].cls)


def method_name(method: "Method") -> str:
    """The name under which METHODS lists a method's class."""
    return type(method).__module__.rsplit(".", 1)[-1]


def __getattr__(name: str) -> Any:
    for file, row in METHODS.items():
        if name == row.cls or name in row.functions:
            return getattr(importlib.import_module(f"tutelage.methods.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
