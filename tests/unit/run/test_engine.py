"""Where a run runs: refused where it cannot, said to Fabric where it can."""

import pytest
import torch

from tutelage.errors import UserError
from tutelage.run.engine import Engine


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_the_cpu_is_found_where_there_is_nothing_else():
    fabric = Engine().fabric()
    assert fabric.device == torch.device("cpu")
    assert fabric.world_size == 1


@pytest.mark.parametrize(("precision", "inside"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_forward_pass_has_the_precision(precision, inside):
    with Engine(device="cpu", precision=precision).fabric().autocast():
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == inside


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        Engine(device="cpu", threads=2).fabric()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Engine(device="cuda"), "cuda with 1 devices, but torch sees 0"),
        (Engine(device="cuda", devices=4), "cuda with 4 devices, but torch sees 0"),
        (Engine(device="mps"), "engine.device = mps, but torch sees none"),
        (Engine(device="cpu", precision="fp16"), "fp16 needs a GPU"),
    ],
    ids=["cuda", "four", "mps", "fp16"],
)
def test_what_is_not_there_is_refused(engine, message):
    with pytest.raises(UserError, match=message):
        engine.fabric()


def test_processes_are_started_here_unless_a_launcher_has(monkeypatch):
    engine = Engine(device="cpu", devices=2)
    assert engine.fabric().strategy._start_method == "spawn"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not hasattr(engine.fabric().strategy, "launcher") or engine.fabric().strategy._start_method == "popen"
