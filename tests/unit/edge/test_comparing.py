"""Several files measured in turn: who is asked when, and which of them nothing beats."""

import json

import pytest

from tutelage.edge import comparing
from tutelage.edge.comparing import Contestant, compare, percentiles, size_bytes

SPEED = {"slow": 4.0, "fast": 1.0, "middle": 2.0}


@pytest.fixture
def asked(monkeypatch):
    """Files that are not run: each takes the milliseconds of its name. Who was asked what, in order."""
    calls = []

    class Stub:
        memory = {"peak_bytes": 7, "file_bytes": 1}

        def __init__(self, path, shape):
            self.name = path.stem

        def ask(self, do, **more):
            calls.append((do, self.name))
            return [SPEED[self.name]] * more["runs"] if do == "latency" else 1000 / SPEED[self.name]

        def close(self):
            calls.append(("close", self.name))

    monkeypatch.setattr(comparing, "Worker", Stub)
    return calls


def contestants(tmp_path, **accuracy):
    for name in accuracy:
        (tmp_path / f"{name}.onnx").write_bytes(b"12345")
    return [Contestant(name, tmp_path / f"{name}.onnx", (3, 4, 4), top1) for name, top1 in accuracy.items()]


def test_all_are_asked_in_turn_and_ended(asked, tmp_path):
    rows = compare(contestants(tmp_path, slow=0.9, fast=0.8), rounds=2, batch=4)
    assert asked == [
        *[("latency", "slow"), ("latency", "fast")] * 2,
        ("throughput", "slow"),
        ("throughput", "fast"),
        ("close", "slow"),
        ("close", "fast"),
    ]
    assert [row["latency_ms"]["p50"] for row in rows] == [4.0, 1.0]
    assert [(row["bytes"], row["peak_bytes"], row["batch"]) for row in rows] == [(5, 7, 4)] * 2


def test_what_is_slower_and_no_better_is_beaten(asked, tmp_path):
    rows = compare(contestants(tmp_path, slow=0.8, middle=0.9, fast=0.8), rounds=1, batch=4)
    assert [row["pareto"] for row in rows] == [False, True, True]
    rows = compare(contestants(tmp_path, slow=0.9, fast=0.9), rounds=1, batch=4)
    assert [row["pareto"] for row in rows] == [False, True]


def test_nothing_is_said_of_an_accuracy_that_is_not_known(asked, tmp_path):
    rows = compare(contestants(tmp_path, slow=None, fast=0.1), rounds=1, batch=4)
    assert [row["pareto"] for row in rows] == [None, True]


def test_percentiles_are_those_of_the_times():
    assert percentiles([float(i) for i in range(11)]) == {"p50": 5.0, "p90": 9.0}


def test_openvinos_weights_count(tmp_path):
    (tmp_path / "a.xml").write_bytes(b"123")
    (tmp_path / "a.bin").write_bytes(b"4567")
    assert size_bytes(tmp_path / "a.xml") == 7


def test_what_a_microcontroller_needs_is_taken_from_the_export(asked, tmp_path):
    measured = {"file": "fast.onnx", "flash_bytes": {"total": 900, "model": 800}, "ram_bytes": {"arena": 90}}
    measured["npu"] = {"npu": "ethos-u55-128"}
    (tmp_path / "export.json").write_text(json.dumps({"onnx": {"file": "slow.onnx"}, "mcu": measured}))
    rows = compare(contestants(tmp_path, slow=0.8, fast=0.8), rounds=1, batch=4)
    assert [(row["flash_bytes"], row["ram_bytes"]) for row in rows] == [(None, None), (900, 90)]
    assert [row["npu"] for row in rows] == [None, {"npu": "ethos-u55-128"}]
