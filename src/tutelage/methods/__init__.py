"""Lists the methods, one file each; METHODS is the only list.

`METHODS[name]` says what `list` prints without importing torch; `method_class(name)` imports the file of that name.
The classes and pure functions are attributes of this package: `methods.KD`, `methods.kd_loss`, `methods.Method`.
"""

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage.errors import unknown
from tutelage.methods import declared

if TYPE_CHECKING:
    from tutelage.methods.base import Method


class Row(NamedTuple):
    """One line of `tutelage list methods`."""

    cls: str
    """The class in the file of the row's name."""
    paper: str
    year: int
    needs: tuple[str, ...]
    """What it reads of the teacher: a cache serves all but "features", a live teacher all."""
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
    "ea_kd": Row("EAKD", "Su et al.", 2025, ("logits",), ("ea_weights", "entropy")),
    "wkd_l": Row("WKDL", "Lv, Yang & Li", 2024, ("logits", "head"), ("class_costs", "sinkhorn_cost")),
    "mlkd": Row("MLKD", "Jin, Wang & Lin", 2023, ("logits",), ("class_likeness_loss", "sample_likeness_loss")),
    "cat_kd": Row("CATKD", "Guo et al.", 2023, ("regions",), ("cat_loss",)),
    "sdd": Row("SDD", "Wei, Luo & Luo", 2024, ("regions",)),
    # embedding
    "rkd": Row("RKD", "Park et al.", 2019, ("embedding",), ("rkd_distance_loss", "rkd_angle_loss")),
    "pkt": Row("PKT", "Passalis & Tefas", 2018, ("embedding",), ("pkt_loss",)),
    "cc": Row("CC", "Peng et al.", 2019, ("embedding",), ("cc_loss",)),
    "itrd": Row("ITRD", "Miles et al.", 2022, ("embedding",), ("itrd_correlation_loss", "itrd_mutual_loss")),
    "srd": Row("SRD", "Miles & Mikolajczyk", 2024, ("logits", "embedding"), ("srd_loss",)),
    "srrl": Row("SRRL", "Yang et al.", 2021, ("logits", "embedding", "head")),
    "simkd": Row("SimKD", "Chen et al.", 2022, ("embedding", "head")),
    "crd": Row("CRD", "Tian, Krishnan & Isola", 2020, ("embedding",), ("nce_loss",)),
    "nd": Row("ND", "Wang et al.", 2023, ("embedding",), ("nd_loss",)),
    "sskd": Row("SSKD", "Xu et al.", 2020, ("logits", "embedding", "rotations")),
    # features
    "fitnet": Row("FitNet", "Romero et al.", 2015, ("features",)),
    "at": Row("AT", "Zagoruyko & Komodakis", 2017, ("features",), ("at_loss",)),
    "sp": Row("SP", "Tung & Mori", 2019, ("features",), ("sp_loss",)),
    "nst": Row("NST", "Huang & Wang", 2017, ("features",), ("nst_loss",)),
    "fsp": Row("FSP", "Yim et al.", 2017, ("features",), ("fsp_loss", "fsp_matrix")),
    "vid": Row("VID", "Ahn et al.", 2019, ("features",), ("vid_loss",)),
    "ofd": Row("OFD", "Heo et al.", 2019, ("features",), ("ofd_loss", "ofd_margin")),
    "review_kd": Row("ReviewKD", "Chen et al.", 2021, ("embedding", "features"), ("hcl_loss",)),
    "wkd_f": Row("WKDF", "Lv, Yang & Li", 2024, ("features",), ("wkd_f_loss",)),
    "sem_ckd": Row("SemCKD", "Chen et al.", 2021, ("features",), ("similarity_profile",)),
}


BUILDING_BLOCKS = {
    "base": (
        "Adapted",
        "Claims",
        "Epochs",
        "Extended",
        "Method",
        "Published",
        "Range",
        "Share",
        "Temperature",
        "Weight",
    ),
    "_common": ("label_cross_entropy", "ramp", "softened_kl", "standardized", "widened"),
    "combine": ("Sum", "Warmed", "composed"),
}
"""By file: what a method of one's own is made of, and what puts methods together."""

COMBINATIONS = {"warmed": "Warmed", "sum": "Sum"}
"""Methods made of methods, all in combine.py."""


def method_class(name: str) -> "type[Method]":
    """The class of a method by its name in METHODS, or in COMBINATIONS.

    Raises:
        UserError: there is no such method; the hint names the nearest.
    """
    if name in COMBINATIONS:
        return getattr(declared.module("combine"), COMBINATIONS[name])
    if name not in METHODS:
        raise unknown("method", name, METHODS, "tutelage list methods")
    return getattr(declared.module(name), METHODS[name].cls)


def method_name(method: "Method") -> str:
    """The name under which METHODS or COMBINATIONS lists a method's class."""
    file = type(method).__module__.rpartition(".")[2]
    return type(method).__name__.lower() if file == "combine" else file


def __getattr__(name: str) -> Any:
    for file, row in METHODS.items():
        if name == row.cls or name in row.functions:
            return getattr(importlib.import_module(f"tutelage.methods.{file}"), name)
    for file, names in BUILDING_BLOCKS.items():
        if name in names:
            return getattr(importlib.import_module(f"tutelage.methods.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    listed = {name for row in METHODS.values() for name in (row.cls, *row.functions)}
    return sorted(listed.union(*BUILDING_BLOCKS.values(), {"METHODS", "method_class", "method_name"}))
