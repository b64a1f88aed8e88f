"""What a plain session of ONNX Runtime says of int8 files, and how fast: a process of its own for `benchmarks/int8.py`.

python benchmarks/int8_session.py FOLDER NAME ...
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

OPTION = "+"
"""Ends the name of a file that is opened with `session.x64quantprecision`."""
ROUNDS, WARM_UP, REPEATS, BATCH = 60, 2, 20, 100


def main(folder: Path, names: list[str]) -> None:
    """Writes the logits of each file; prints the CPU seconds of `REPEATS` single images in each round as JSON."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    sessions = {name: opened(folder, name) for name in names}
    for name, session in sessions.items():
        parts = [session.run(None, {"pixels": pixels[i : i + BATCH]})[0] for i in range(0, len(pixels), BATCH)]
        np.save(folder / f"{name}.npy", np.concatenate(parts))
    one = np.ascontiguousarray(pixels[:1])
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS + WARM_UP):
        for name, session in sessions.items():
            begun = time.process_time()
            for _ in range(REPEATS):
                session.run(None, {"pixels": one})
            if number >= WARM_UP:
                seconds[name].append(time.process_time() - begun)
    print(json.dumps(seconds))


def opened(folder: Path, name: str) -> onnxruntime.InferenceSession:
    """As anybody opens a file, but on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if name.endswith(OPTION):
        options.add_session_config_entry("session.x64quantprecision", "1")
    path = folder / f"{name.removesuffix(OPTION)}.onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
