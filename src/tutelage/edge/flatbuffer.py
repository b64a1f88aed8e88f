"""Runs flat buffers of LiteRT by LiteRT itself and by the interpreter for microcontrollers: pixels in, logits out.

A file of 8 bits takes a picture's bytes as they are (uint8) or less 128 (int8); its answers are logits, or
probabilities where its card says so.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage.edge import card
from tutelage.edge.runtimes import Infer, quiet
from tutelage.errors import UserError

MARK = b"TFL3"
"""What stands in bytes 4 to 8 of every such file."""
ARENA = 64 << 20
"""Bytes that the interpreter for microcontrollers may use here: what it needs is measured, not what it may use."""


class Tensor(NamedTuple):
    """An input or output of a file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    """One step of 8 bits; 0: float."""
    zero: int
    """The step that stands for 0."""


class Program(NamedTuple):
    """A file that is ready to be run."""

    input: Tensor
    """Its input, [1, H, W, C]."""
    output: Tensor
    """Its output, [1, classes]."""
    run: Callable[[np.ndarray], np.ndarray]
    """From an input as it is in memory to an output as it is."""


class Arena(NamedTuple):
    """The bytes that the interpreter for microcontrollers takes, on this machine of 64-bit pointers."""

    head: int
    """Activations: the same on every machine."""
    tail: int
    """What it knows of each operator and tensor: less where a pointer has 32 bits."""

    @property
    def total(self) -> int:
        """Both."""
        return self.head + self.tail


class Micro(NamedTuple):
    """A file in the interpreter for microcontrollers."""

    program: Program
    arena: Callable[[], Arena]
    """What it takes; the file is run once for it."""


def litert(path: Path, *, reference: bool = False) -> Program:
    """A file in LiteRT's interpreter, one thread.

    Args:
        path: The file.
        reference: By the plain kernels that microcontrollers have too, instead of fast ones that round otherwise.

    Raises:
        ModuleNotFoundError: ai-edge-litert is not installed.
    """
    interpreter = interpreted(path, reference=reference)
    input_, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(values: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(input_["index"], values)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    tensors = (_tensor(end["shape"], end["dtype"], *end["quantization"]) for end in (input_, output))
    return Program(*tensors, run)


def interpreted(path: Path, *, reference: bool, **more: Any) -> Any:
    """LiteRT's interpreter of a file, ready; `more` are its own arguments."""
    module = import_module("ai_edge_litert.interpreter")
    kernels = module.OpResolverType.BUILTIN_REF if reference else module.OpResolverType.AUTO
    with quiet():  # it says on stderr what it is made of
        interpreter = module.Interpreter(str(path), num_threads=1, experimental_op_resolver_type=kernels, **more)
        interpreter.allocate_tensors()
    return interpreter


def micro(path: Path) -> Micro:
    """A file in TensorFlow Lite Micro's interpreter, with the kernels that every microcontroller has.

    Raises:
        ModuleNotFoundError: tflite-micro is not installed.
        UserError: it refuses the file; with what it said.
    """
    runtime = import_module("tflite_micro").runtime
    content = path.read_bytes()
    with _heard() as words:
        try:
            interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
            sides = interpreter.get_input_details(0), interpreter.get_output_details(0)
        except (RuntimeError, SystemError) as error:
            raise UserError(
                f"TensorFlow Lite Micro refuses {path.name}: {_first(words()) or error}", "choose a simpler student"
            ) from None

    def run(values: np.ndarray) -> np.ndarray:
        interpreter.set_input(values, 0)
        interpreter.invoke()
        return interpreter.get_output(0)

    input_, output = (
        _tensor(
            side["shape"],
            side["dtype"],
            *(list(side["quantization_parameters"][name])[:1] for name in ("scales", "zero_points")),
        )
        for side in sides
    )

    def arena() -> Arena:
        interpreter.set_input(np.zeros(input_.shape, input_.dtype), 0)
        interpreter.invoke()
        with _heard() as words:
            interpreter.print_allocations()
            parts = dict(re.findall(r"allocation (head|tail) (\d+) bytes", words()))
        return Arena(int(parts["head"]), int(parts["tail"]))

    return Micro(Program(input_, output, run), arena)


def infer(program: Program, path: Path) -> Infer:
    """A file as every other kind is run: one image [1, C, H, W] in [0, 1] to logits.

    Raises:
        UserError: it is not an image classifier of channels last.
    """
    input_, output = program.input, program.output
    if len(input_.shape) != 4 or input_.shape[0] != 1 or input_.shape[3] not in (1, 3) or len(output.shape) != 2:
        raise UserError(
            f"{path} takes {list(input_.shape)} and answers {list(output.shape)}: "
            "expected [1, height, width, channels] and [1, classes]",
            "tutelage export RUN --format litert or mcu writes such a file",
        )
    written = card.plain_inside(path) or {}
    probabilities = written.get("output") == "probabilities"

    def one(pixels: np.ndarray) -> np.ndarray:
        _, channels, height, width = pixels.shape
        if (height, width, channels) != input_.shape[1:]:
            raise UserError(
                f"{path} takes images of {input_.shape[1:]} (height, width, channels), not {(height, width, channels)}",
                "its card.json is of another file",
            )
        answer = program.run(as_bytes(pixels, input_.dtype))
        return logits(answer, output, probabilities=probabilities)

    return one


def as_bytes(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Pixels [B, C, H, W] in [0, 1] as a file of channels last wants them: a byte, a byte less 128, or as they are."""
    last = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    if dtype == np.float32:
        return last
    steps = np.rint(last * 255)
    return (steps - 128 if dtype == np.int8 else steps).astype(dtype)


def logits(answer: np.ndarray, output: Tensor, *, probabilities: bool) -> np.ndarray:
    """What a file answered, in float; of probabilities their logarithm, whose softmax they are."""
    values = ((answer.astype(np.float32) - output.zero) * np.float32(output.scale)) if output.scale else answer
    # The smallest step above nothing is 1 / 256: what is rounded to 0 is taken for half of it.
    return np.log(np.maximum(values, 1 / 512)) if probabilities else values


def _tensor(shape: Any, dtype: Any, scale: Any, zero: Any) -> Tensor:
    """Either runtime's description; scale and zero may come as lists that are empty for float."""
    scale, zero = (value[0] if isinstance(value, list) and value else value or 0 for value in (scale, zero))
    return Tensor(tuple(int(side) for side in shape), np.dtype(dtype), float(scale), int(zero))


@contextmanager
def _heard() -> Generator[Callable[[], str]]:
    """What C++ writes to stderr meanwhile goes to the function that is given, and not to the terminal."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as ear:
        os.dup2(ear.fileno(), 2)
        try:
            yield lambda: os.pread(ear.fileno(), 1 << 20, 0).decode(errors="replace")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _first(words: str) -> str:
    return next((line.strip() for line in words.splitlines() if line.strip()), "")
