"""Compiles an int8 file for Arm's Ethos-U by Vela, Arm's own compiler, and reads what it estimates."""

import csv
import importlib.util
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tutelage import files
from tutelage.errors import UserError, unknown

NPUS = (
    *("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512"),
    *("ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048"),
)
"""What Vela compiles for; the number is the multiply-adds of a cycle."""


def check(name: str) -> None:
    """Raises UserError where there is no such processor, or Vela is not installed."""
    if name not in NPUS:
        raise unknown("NPU", name, NPUS)
    if importlib.util.find_spec("ethosu") is None:
        raise UserError(f"--npu {name} needs ethos-u-vela, not installed here", "pip install ethos-u-vela")


def compiled(path: Path, name: str) -> dict[str, Any]:
    """Writes a file for the processor beside one of 8 bits.

    Args:
        path: The file of 8 bits.
        name: Of `NPUS`.

    Returns:
        `npu`; `file`; `cycles`, `ms` and `clock_hz` of one image, `sram_bytes` and `flash_bytes`, all of them Vela's
        estimates for its own default system; `on_cpu`, the operators that stay on the controller; `vela`, its version.

    Raises:
        UserError: no such processor, no Vela, or it refuses the file.
    """
    check(name)
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-c", "from ethosu.vela.vela import main; main()", path.absolute()]
        options = ["--accelerator-config", name, "--output-dir", made]
        done = subprocess.run([*command, *options], capture_output=True, text=True, errors="replace", cwd=made)
        written = Path(made) / f"{path.stem}_vela.tflite"
        tables = list(Path(made).glob("*_summary_*.csv"))
        if done.returncode or not written.is_file() or len(tables) != 1:
            last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it wrote no file")
            raise UserError(f"Vela cannot compile {path.name} for {name}: {last}", "choose a simpler student")
        with tables[0].open(encoding="utf-8", newline="") as table:
            (row,) = csv.DictReader(table)
        out = _beside(path, name)
        with files.appearing(out) as beside:
            beside.write_bytes(written.read_bytes())
    return {
        "npu": name,
        "file": out.name,
        "cycles": int(float(row["cycles_total"])),
        "ms": 1e3 * float(row["inference_time"]),
        "clock_hz": float(row["core_clock"]),
        "sram_bytes": round(1024 * float(row["sram_memory_used"])),
        "flash_bytes": round(1024 * float(row["off_chip_flash_memory_used"])),
        "on_cpu": sorted(set(re.findall(r"\(supported operators\) operator: (\w+)", done.stdout + done.stderr))),
        "vela": version("ethos-u-vela"),
    }


def files_beside(path: Path) -> list[Path]:
    """The files that `compiled` has written beside one of 8 bits."""
    return [found for name in NPUS if (found := _beside(path, name)).is_file()]


def in_words(found: dict[str, Any]) -> str:
    """One sentence."""
    return f"{found['npu']}: {estimate(found)}; {found['file']}"


def estimate(found: dict[str, Any]) -> str:
    """What Vela expects of a file."""
    cpu = f"; on the controller: {', '.join(found['on_cpu'])}" if found["on_cpu"] else ""
    return (
        f"{found['cycles']:,} cycles, {found['ms']:.3g} ms at {found['clock_hz'] / 1e6:.0f} MHz, "
        f"{found['sram_bytes']:,} bytes of SRAM, by the estimate of Vela {found['vela']}{cpu}"
    )


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}-{name}{path.suffix}")
