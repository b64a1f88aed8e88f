"""Tells the processor, and which of its instruction sets 8-bit products may be computed with."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INT8_SETS = (
    "avx2",
    "avx512bw",
    "avx512_vnni",
    "avx_vnni",
    "avx_vnni_int8",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)
"""By the names that Linux gives them: x86 first, then Arm (asimd is Neon, asimddp its dot products)."""


def name() -> str:
    """The processor's name; its architecture where the system does not tell."""
    return (_told("model name") or [platform.machine()])[0]


def instruction_sets() -> list[str]:
    """Those of `INT8_SETS` that are here; empty where the system does not tell (it has no /proc/cpuinfo)."""
    here = " ".join(_told("flags") + _told("Features")).split()
    return [name for name in INT8_SETS if name in here]


def _told(line: str) -> list[str]:
    """What the lines of /proc/cpuinfo with this heading say."""
    if not CPUINFO.exists():
        return []
    parts = (text.partition(":") for text in CPUINFO.read_text().splitlines())
    return [value.strip() for heading, _, value in parts if heading.strip() == line]
