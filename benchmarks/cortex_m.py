"""Builds the C of an exported student for a Cortex-M4 and runs it there: QEMU's mps2-an386, pictures in, answers out.

Needs arm-none-eabi-g++ with newlib, qemu-system-arm, and a tree of TensorFlow Lite Micro with its library for that
processor (no package has its sources): TUTELAGE_TFLITE_MICRO=TREE, laid out as c/README.md says.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

START = """
#include <stdint.h>
#include <stdlib.h>
int main(void);
void initialise_monitor_handles(void);
void __libc_init_array(void);
extern uint32_t stack_top;
void *__dso_handle;
void _init(void) {}
void _fini(void) {}
void start(void) { initialise_monitor_handles(); __libc_init_array(); exit(main()); }
void fault(void) { exit(70); }
__attribute__((section(".vectors"), used)) const void *vectors[16] = {
    &stack_top, start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault};
"""
"""Input and output are the host's, by semihosting."""
LAYOUT = """
MEMORY { CODE (rx) : ORIGIN = 0, LENGTH = 4M  DATA (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) KEEP(*(.init_array*)) } > CODE
  .ARM.exidx : { *(.ARM.exidx*) } > CODE
  .data : { *(.data*) } > DATA
  .bss : { *(.bss*) *(COMMON) } > DATA
  end = .;
  stack_top = ORIGIN(DATA) + LENGTH(DATA);
}
"""
COMPILED = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "-Os", "-ffunction-sections", "-fdata-sections"]
AS_CPP = ["-std=c++17", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics"]
AS_CPP += ["-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_STRIP_ERROR_STRINGS"]
HEADERS = ("", "third_party/flatbuffers/include", "third_party/gemmlowp", "third_party/ruy")


class Answer(NamedTuple):
    """What the program printed."""

    values: list[int]
    """One int8 a class."""
    label: str
    arena: int
    """Bytes that the interpreter used of its arena, with 32-bit pointers."""


def missing() -> str:
    """What is not here, in words; empty: it can be done."""
    tools = [name for name in ("arm-none-eabi-g++", "qemu-system-arm") if shutil.which(name) is None]
    tree = os.environ.get("TUTELAGE_TFLITE_MICRO", "")
    if not tree or not (Path(tree) / "libtflite-micro.a").is_file():
        tools.append("TUTELAGE_TFLITE_MICRO=TREE with libtflite-micro.a for a Cortex-M4")
    return ", ".join(tools)


def build(source: Path, out: Path) -> Path:
    """The program of a student's folder `c`, linked.

    Args:
        source: The folder.
        out: A folder for what is made.
    """
    tree = Path(os.environ["TUTELAGE_TFLITE_MICRO"])
    (out / "start.c").write_text(START)
    (out / "layout.ld").write_text(LAYOUT)
    include = [f"-I{source}", *(f"-I{tree / folder}" for folder in HEADERS)]
    for file, more in ((out / "start.c", []), (source / "student_model.c", []), (source / "main.cc", AS_CPP)):
        compiler = "arm-none-eabi-g++" if more else "arm-none-eabi-gcc"
        _run(compiler, "-c", *COMPILED, *more, *include, file, "-o", out / f"{file.stem}.o")
    objects = [out / f"{name}.o" for name in ("start", "student_model", "main")]
    linked = ["-T", out / "layout.ld", "-nostartfiles", "--specs=rdimon.specs", "-Wl,--gc-sections"]
    program = out / "student.elf"
    _run("arm-none-eabi-g++", *COMPILED, *objects, tree / "libtflite-micro.a", *linked, "-o", program)
    return program


def answer(program: Path, picture: bytes) -> Answer:
    """What the program says of a picture's bytes: rows from the top, channels last."""
    machine = ["-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
    machine += ["-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    done = subprocess.run(["qemu-system-arm", *machine], input=picture, capture_output=True, timeout=300, check=True)
    values, label, arena = done.stdout.decode().splitlines()
    found = re.fullmatch(r"arena: (\d+) of \d+ bytes", arena)
    assert found is not None, arena
    return Answer([int(word) for word in values.split()], label, int(found[1]))


def _run(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr}")
