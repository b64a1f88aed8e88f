"""A student as C: compiled for this machine, it holds the same bytes, scales and labels."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from tutelage.edge.flatbuffer import Program, Tensor
from tutelage.export import c_files
from tutelage.export.needs import Needs

MODEL = bytes(np.random.default_rng(0).integers(0, 256, 1003, np.uint8))
LABELS = ['a "quoted" name', "back\\slash??/", "line\nbreak", "d\u00e9j\u00e0 vu", "*/ end", "7up\x017", "%d"]
PROGRAM = Program(
    Tensor((1, 6, 8, 3), np.dtype(np.int8), 1 / 255, -7), Tensor((1, 7), np.dtype(np.int8), 0.0123, 5), lambda x: x
)
NEEDS = Needs(len(MODEL), 30_000, 5000, 700, ("ADD", "CONV_2D", "PADV2"))

PRINT = r"""
#include <stdio.h>
#include "student_model.h"
int main(void) {
  printf("%d %d %d %d %d %d\n", STUDENT_ARENA_BYTES, STUDENT_HEIGHT, STUDENT_WIDTH, STUDENT_CHANNELS,
         STUDENT_INPUT_OFFSET, STUDENT_INPUT_ZERO_POINT);
  printf("%.9g %.9g %d %d\n", STUDENT_INPUT_SCALE, STUDENT_OUTPUT_SCALE, STUDENT_OUTPUT_ZERO_POINT,
         STUDENT_OUTPUT_IS_PROBABILITY);
  printf("%d %d\n", (int)sizeof(student_input_t), (int)((uintptr_t)student_model % 16));
  fwrite(student_model, 1, STUDENT_MODEL_BYTES, stdout);
  for (int i = 0; i < STUDENT_CLASSES; ++i) { fputs(student_labels[i], stdout); fputc(0, stdout); }
  return 0;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "c"
    c_files.write(folder, MODEL, PROGRAM, LABELS, NEEDS, probabilities=False)
    return folder


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("compiler", [("gcc", "-std=c99"), ("g++", "-xc++")], ids=["C", "C++"])
def test_the_compiled_array_is_the_file(folder, compiler, tmp_path):
    (tmp_path / "print.c").write_text(PRINT)
    sources = [str(folder / "student_model.c"), str(tmp_path / "print.c")]
    words = [*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{folder}", *sources, "-o", str(tmp_path / "it")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out = subprocess.run([tmp_path / "it"], capture_output=True, check=True).stdout
    sizes, scales, kinds, rest = out.split(b"\n", 3)
    assert sizes.split() == [b"6736", b"6", b"8", b"3", b"128", b"-7"]
    assert [float(word) for word in scales.split()] == pytest.approx([1 / 255, 0.0123, 5, 0], rel=1e-7)
    assert kinds.split() == [b"1", b"0"], "aligned to 16"
    assert rest[: len(MODEL)] == MODEL
    assert rest[len(MODEL) :].split(b"\0")[:-1] == [name.encode() for name in LABELS]


def test_exactly_the_operators_are_registered(folder):
    text = (folder / "main.cc").read_text()
    assert re.findall(r"resolver\.Add(\w+)\(\)", text) == ["Add", "Conv2D", "PadV2"]
    assert "MicroMutableOpResolver<3>" in text


def test_nothing_is_left_to_be_filled_in(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"CMakeLists.txt", "README.md", "main.cc", "student_model.c", "student_model.h"}
    for path in folder.iterdir():
        assert path.read_text(encoding="utf-8").isascii()
        assert not re.search(r"@[A-Z_]+@", path.read_text()), path.name


def test_labels_are_escaped():
    for name in LABELS:
        said = c_files.escaped(name)
        assert not set(said) & set('"\n?')
        undone = re.sub(r"\\(\d{3})", lambda found: f"\\u{int(found[1], 8):04x}", said)
        assert json.loads(f'"{undone}"').encode("latin-1") == name.encode()
