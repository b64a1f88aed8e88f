"""`tutelage env`: versions, devices, processor and paths of an installation, to put into the report of a problem."""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tutelage
from tutelage.cli.parser import Parser
from tutelage.edge import processor
from tutelage.names import shown

LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "numpy",
    "onnx",
    "onnxruntime",
    "pillow",
    "safetensors",
    "optuna",
    "datasets",
    "pyarrow",
    "openvino",
    "executorch",
    "ai-edge-litert",
    "tflite-micro",
)
"""Those whose version decides what a command computes, or whether it is there."""


def env(arguments: list[str]) -> None:
    """Versions, devices, what the processor computes with, and paths without the home folder."""
    parser = Parser(
        "tutelage env", description="What a report of a problem should say. The home folder is printed as ~."
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    facts = environment()
    if parser.parse_args(arguments).json:
        print(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(shown(f"{name:<{width}}  {', '.join(value) or 'none' if isinstance(value, list) else value}"))


def environment() -> dict[str, str | list[str]]:
    """What is installed and what it runs on, by what it is called."""
    return {
        "tutelage": tutelage.__version__,
        "installed in": _at_home(Path(tutelage.__file__).parent),
        "python": f"{platform.python_version()} ({_at_home(Path(sys.executable))})",
        "system": platform.platform(),
        "processor": f"{processor.name()}, {len(_cores())} cores to use of {os.cpu_count()}",
        "instruction sets": processor.instruction_sets() or "not told by this system",
        "devices": _devices(),
        "libraries": [f"{name} {found}" for name in LIBRARIES if (found := _version(name))],
        "not installed": [name for name in LIBRARIES if not _version(name)],
        "settings": [
            f"{name}={_at_home(Path(value))}"
            for name, value in sorted(os.environ.items())
            if name.startswith("TUTELAGE_")
        ],
    }


def _at_home(path: Path) -> str:
    """The path as text, its home folder written as ~."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def _cores() -> set[int]:
    """Those that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices() -> list[str]:
    if not _version("torch"):
        return ["not known without torch"]
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    return ["cpu", *gpus]
