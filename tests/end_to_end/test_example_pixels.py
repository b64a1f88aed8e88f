"""The examples in examples/deploy make the very bytes of Pillow's pictures that a student was validated on."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.edge.card import INTERPOLATIONS, Card
from tutelage.edge.pixels import as_input

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "deploy"
SIZES = [(9, 14), (14, 9), (16, 12), (70, 41), (41, 71), (131, 130), (1, 3)]
CARDS = [
    Card((), (channels, *sides), interpolation)
    for channels, sides, interpolation in itertools.product((1, 3), ((16, 16), (12, 20)), INTERPOLATIONS)
]
NODE = """
import {{ readFileSync, writeFileSync }} from "node:fs";
import {{ centred, input }} from "{pixels}";
for (const [number, {{ width, height, asked }}] of JSON.parse(readFileSync("cases.json")).entries()) {{
  const rgb = readFileSync(`${{number}}.rgb`), part = centred(width, height, asked.shape);
  const rgba = new Uint8ClampedArray(part.width * part.height * 4);
  for (let y = 0; y < part.height; y++)
    for (let x = 0; x < part.width; x++)
      for (let c = 0; c < 3; c++)
        rgba[(y * part.width + x) * 4 + c] = rgb[((y + part.top) * width + x + part.left) * 3 + c];
  writeFileSync(`${{number}}.f32`, new Uint8Array(input(rgba, part.width, asked).buffer));
}}
"""
CPP = """
#include <cstdlib>
#include <fstream>
#include <string>
#include "pixels.hpp"
int main(int count, char** words) {
    for (int i = 1; i + 6 < count; i += 7) {
        size_t of[5];
        for (int k = 0; k < 5; ++k) of[k] = std::stoul(words[i + 1 + k]);
        Picture picture{of[0], of[1], std::vector<unsigned char>(of[0] * of[1] * 3)};
        std::ifstream(words[i] + std::string(".rgb"), std::ios::binary)
            .read(reinterpret_cast<char*>(picture.bytes.data()), picture.bytes.size());
        std::vector<float> pixels(of[2] * of[3] * of[4]);
        prepare(picture, of[2], of[3], of[4], std::string(words[i + 6]) == "bicubic", pixels.data());
        std::ofstream(words[i] + std::string(".f32"), std::ios::binary)
            .write(reinterpret_cast<char*>(pixels.data()), pixels.size() * 4);
    }
}
"""


@pytest.fixture
def cases(tmp_path):
    """Raw pictures in files, and the card of each."""
    made = []
    for number, (size, card) in enumerate(itertools.product(SIZES, CARDS)):
        values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
        values[: size[1] // 2] = np.where(values[: size[1] // 2] > 127, 255, 0)  # so that bicubic weights overshoot
        (tmp_path / f"{number}.rgb").write_bytes(values.tobytes())
        made.append((size, card, Image.fromarray(values)))
    return made


def check(folder: Path, cases) -> None:
    for number, (size, card, picture) in enumerate(cases):
        expected = as_input(picture.convert("L" if card.shape[0] == 1 else "RGB"), card)
        found = np.fromfile(folder / f"{number}.f32", np.float32)
        assert np.array_equal(found, expected.ravel()), (size, card)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_browsers_pixels(cases, tmp_path):
    told = [
        {"width": w, "height": h, "asked": {"shape": card.shape, "interpolation": card.interpolation}}
        for (w, h), card, _ in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(told))
    shutil.copy(EXAMPLES / "browser" / "pixels.js", tmp_path / "pixels.mjs")
    (tmp_path / "run.mjs").write_text(NODE.format(pixels="./pixels.mjs"))
    subprocess.run(["node", "run.mjs"], cwd=tmp_path, check=True)
    check(tmp_path, cases)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cpps_pixels(cases, tmp_path):
    (tmp_path / "run.cpp").write_text(CPP)
    built = ["g++", "-std=c++17", "-Wall", "-Wextra", "-I", str(EXAMPLES / "cpp"), "run.cpp", "-o", "run"]
    subprocess.run(built, cwd=tmp_path, check=True)
    words = [
        [str(number), *map(str, (*size, *card.shape)), card.interpolation]
        for number, (size, card, _) in enumerate(cases)
    ]
    subprocess.run(["./run", *itertools.chain(*words)], cwd=tmp_path, check=True)
    check(tmp_path, cases)
