"""Programs of torch.export, which PyTorch runs without the code that made them."""

import zipfile
from pathlib import Path

import numpy as np

from tutelage.edge import card
from tutelage.edge.runtimes import Opened, Student
from tutelage.errors import UserError

MODULE = PACKAGE = "torch"


def write(student: Student, path: Path) -> None:
    """Any batch size."""
    import torch

    batch = torch.export.Dim("batch", min=1)
    example = torch.zeros(2, *student.shape)
    program = torch.export.export(student.program, (example,), dynamic_shapes=({0: batch},))
    for part in program.graph_module.modules():
        for node in getattr(getattr(part, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # lines of source, with the folders of this machine
    torch.export.save(program, path)


def open_file(path: Path) -> Opened:
    """The program on one thread."""
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not a program of torch.export", "tutelage export RUN writes one")
    import torch

    torch.set_num_threads(1)
    program = torch.export.load(path).module()

    @torch.inference_mode()
    def infer(pixels: np.ndarray) -> np.ndarray:
        return program(torch.from_numpy(pixels)).numpy()

    return Opened(infer, lambda: card.beside(path))
