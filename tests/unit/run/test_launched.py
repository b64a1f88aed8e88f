"""Who has started the processes of a run, as their environment says."""

import pytest

from tutelage.run.launched import Launched, launched


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}, None),
        ({"WORLD_SIZE": "2"}, None),
        ({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}, Launched("torchrun", 1, 2, 1)),
        (
            {"WORLD_SIZE": "6", "RANK": "5", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "3"},
            Launched("torchrun", 5, 3, 2),
        ),
        (
            {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "LT_CLI_USED": "1"},
            Launched("fabric run", 1, 2, 1),
        ),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "3"}, Launched("srun", 3, 2, 2)),
    ],
    ids=["nobody", "one process", "a stray word", "torchrun", "two nodes", "fabric", "a job's script", "srun"],
)
def test_the_environment_says_it(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched() == expected
    assert expected is None or expected.world == expected.here * expected.nodes
