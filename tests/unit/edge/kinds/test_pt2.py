"""Programs of torch.export: any batch, the same answers as PyTorch."""

import numpy as np
import pytest
import torch

import small
from tutelage.edge.kinds import pt2
from tutelage.edge.runtimes import open_file


def expected(task, batch):
    pixels = small.digits().val.plain(torch.arange(batch))
    with torch.inference_mode():
        return pixels.numpy(), task.network(pixels).logits.numpy()


@pytest.mark.parametrize("batch", [1, 6])
def test_a_program_of_torch_export_takes_any_batch(task, batch, tmp_path):
    pt2.write(task, tmp_path / "student.pt2")
    pixels, logits = expected(task, batch)
    np.testing.assert_allclose(open_file(tmp_path / "student.pt2").infer(pixels), logits, atol=1e-5)
