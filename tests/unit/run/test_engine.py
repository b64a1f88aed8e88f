"""Where a run runs: refused where it cannot, said to Fabric where it can."""

import lightning_fabric  # noqa: F401  # looks at torch.cuda's functions, which are replaced here
import pytest
import torch

from tutelage.errors import UserError
from tutelage.run.engine import Engine

TORCHRUN = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1"}
SRUN = {
    "SLURM_NTASKS": "4",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}


def started(monkeypatch, environment):
    """As a launcher does it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


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
        (Engine(device="cuda"), "device = cuda, but torch sees none"),
        (Engine(device="cuda", devices=4), "device = cuda, but torch sees none"),
        (Engine(device="mps"), "engine.device = mps, but torch sees none"),
        (Engine(device="cpu", precision="fp16"), "fp16 needs a GPU"),
    ],
    ids=["cuda", "four", "mps", "fp16"],
)
def test_what_is_not_there_is_refused(engine, message):
    with pytest.raises(UserError, match=message):
        engine.fabric()


@pytest.mark.parametrize("wrong", [{"devices": 0}, {"nodes": -1}, {"save_every": 0.0}])
def test_numbers_are_above_0(wrong):
    with pytest.raises(UserError, match=r"engine\.\w+ = "):
        Engine(**wrong)


def test_processes_are_started_here_unless_a_launcher_has(monkeypatch):
    fabric = Engine(device="cpu", devices=2).fabric()
    assert (fabric.world_size, fabric.strategy._start_method) == (2, "spawn")
    started(monkeypatch, TORCHRUN)
    fabric = Engine(device="cpu").fabric()
    assert (fabric.world_size, fabric.global_rank, fabric.strategy._start_method) == (4, 3, "popen")
    assert fabric.strategy.num_nodes == 2


def test_tasks_of_slurm_are_processes_of_a_run(monkeypatch):
    started(monkeypatch, SRUN)
    fabric = Engine(device="cpu").fabric()
    assert (fabric.world_size, fabric.global_rank) == (4, 3)


def test_as_many_tasks_as_srun_alone_was_told(monkeypatch):
    """`srun -n 4`: SLURM says nothing of tasks on each node, and Fabric alone refuses that."""
    started(monkeypatch, {name: value for name, value in SRUN.items() if name != "SLURM_NTASKS_PER_NODE"})
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    assert Engine(device="cpu").fabric().world_size == 4


def test_one_process_in_a_job_of_slurm_waits_for_nobody(monkeypatch):
    started(monkeypatch, {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "a"})
    assert Engine(device="cpu").fabric().world_size == 1
    assert Engine(device="cpu", devices=3).fabric().strategy._start_method == "spawn"


@pytest.mark.parametrize(
    ("engine", "told", "message"),
    [
        (Engine(devices=3), {}, "engine.devices = 3, and torchrun has started 2 processes on each of 2 nodes"),
        (Engine(nodes=3), {}, "engine.nodes = 3, and torchrun has started 2 processes on each of 2 nodes"),
        (Engine(device="cuda"), {}, "2 processes on this machine, and torch sees 1 cuda devices: each needs its own"),
        (Engine(), {"LOCAL_WORLD_SIZE": "3"}, "torchrun has started 4 processes on 2 nodes, not equally many on each"),
    ],
    ids=["devices", "nodes", "gpus", "unequal"],
)
def test_more_processes_than_devices_and_other_contradictions_are_refused(engine, told, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    started(monkeypatch, TORCHRUN | told)
    with pytest.raises(UserError, match=message):
        engine.fabric()


def test_several_nodes_need_a_launcher():
    with pytest.raises(UserError, match=r"engine.nodes = 2, and no launcher.*\n\nhint: on every node: torchrun"):
        Engine(device="cpu", nodes=2).fabric()
