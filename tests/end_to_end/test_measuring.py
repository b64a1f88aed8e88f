"""What a file is worth: compared with PyTorch image by image, by running it."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tutelage.export import measuring
from tutelage.export.measuring import measured, run_file


@pytest.fixture(autouse=True)
def _few_runs(monkeypatch):
    monkeypatch.setattr(measuring, "LATENCY_RUNS", 5)


def test_every_image_of_val_is_run_in_order(task, onnx_file):
    np.testing.assert_allclose(run_file(onnx_file, task.dataset.val), task.logits, atol=1e-4)


def test_a_right_file_loses_nothing(task, onnx_file):
    worth = measured(task, onnx_file)
    assert worth["drop"] == 0
    assert worth["same_predictions"] == 1
    assert worth["largest_difference"] < 1e-4
    assert worth["sqnr_db"] > 80
    assert worth["bytes"] == onnx_file.stat().st_size
    assert worth["images"] == len(task.dataset.val)
    assert worth["latency_ms"]["p50"] <= worth["latency_ms"]["p90"]
    assert worth["peak_bytes"] > worth["file_bytes"]


def test_a_wrong_file_is_found_out(task, onnx_file, tmp_path):
    model = onnx.load(onnx_file)
    last = max((t for t in model.graph.initializer if len(t.dims) == 2), key=lambda t: 10 in t.dims)
    weights = numpy_helper.to_array(last)
    last.CopyFrom(
        numpy_helper.from_array(weights[::-1].copy() if weights.shape[0] == 10 else weights[:, ::-1].copy(), last.name)
    )
    onnx.save(model, tmp_path / "wrong.onnx")
    worth = measured(task, tmp_path / "wrong.onnx")
    right = (task.logits.argmax(1) == task.dataset.val.labels).double().mean().item()
    assert worth["val_top1"] == pytest.approx(right - worth["drop"])
    assert worth["same_predictions"] < 0.5
    logits = torch.from_numpy(run_file(tmp_path / "wrong.onnx", task.dataset.val))
    assert worth["val_top1"] == pytest.approx((logits.argmax(1) == task.dataset.val.labels).double().mean().item())
    assert worth["largest_difference"] == pytest.approx((logits - task.logits).abs().max().item())
