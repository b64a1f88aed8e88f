"""What there is to export: pixels in, logits out."""

import torch

import small
from tutelage.export import task_of
from tutelage.export.task import Pixels


def test_a_file_computes_the_logits_alone(finished_run):
    task = task_of(finished_run, small.digits())
    pixels = small.digits().val.plain(torch.arange(3))
    with torch.inference_mode():
        assert torch.equal(Pixels(task.network)(pixels), task.network(pixels).logits)


def test_it_knows_the_shape_of_one_image_and_the_logits_on_val(finished_run):
    dataset = small.digits()
    task = task_of(finished_run, dataset)
    assert task.shape == (1, 8, 8)
    with torch.inference_mode():
        logits = task.network(dataset.val.plain(torch.arange(len(dataset.val)))).logits
    torch.testing.assert_close(task.logits, logits, atol=1e-4, rtol=1e-4)
