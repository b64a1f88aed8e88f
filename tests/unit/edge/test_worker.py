"""A process that runs one file: asked by line, its end told."""

import pytest

import pictures
from tutelage.edge.worker import Worker
from tutelage.errors import UserError


def test_it_answers_what_it_is_asked(tmp_path):
    worker = Worker(pictures.student(tmp_path / "student.onnx"), (3, 4, 4))
    try:
        assert worker.memory["peak_bytes"] > worker.memory["file_bytes"] >= 0
        times = worker.ask("latency", runs=4)
        assert len(times) == 4
        assert min(times) > 0
        assert worker.ask("throughput", batch=2, seconds=0.0) > 0
    finally:
        worker.close()


def test_a_file_that_cannot_be_run_is_told(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(UserError, match=r"broken\.onnx cannot be measured: .*is not an ONNX file"):
        Worker(tmp_path / "broken.onnx", (3, 4, 4))
