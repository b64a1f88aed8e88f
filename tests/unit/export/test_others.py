"""Files of other runtimes: written only with what they need, the same answers as PyTorch."""

import numpy as np
import pytest
import torch
from tutelage.export.others import write_openvino, write_torch

import small
from tutelage.edge.runtimes import open_file


def expected(task, batch):
    pixels = small.digits().val.plain(torch.arange(batch))
    with torch.inference_mode():
        return pixels.numpy(), task.network(pixels).logits.numpy()


@pytest.mark.parametrize("batch", [1, 6])
def test_a_program_of_torch_export_takes_any_batch(task, batch, tmp_path):
    write_torch(task, tmp_path / "student.pt2")
    pixels, logits = expected(task, batch)
    np.testing.assert_allclose(open_file(tmp_path / "student.pt2").infer(pixels), logits, atol=1e-5)


def test_openvino_leaves_the_graph_and_its_weights_alone(task, tmp_path):
    pytest.importorskip("openvino")
    write_openvino(task, tmp_path / "student.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student.bin", "student.xml"]
    pixels, logits = expected(task, 3)
    np.testing.assert_allclose(open_file(tmp_path / "student.xml").infer(pixels), logits, atol=1e-4)
