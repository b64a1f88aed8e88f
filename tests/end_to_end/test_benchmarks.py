"""The benchmark for machines that are seldom at hand still runs: here small."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_gpu_benchmark_runs_in_its_smoke_mode(tmp_path):
    told = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--smoke", "--out", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    result = json.loads((tmp_path / "gpu_smoke.json").read_text())
    assert {pair["student"] for pair in result["pairs"]} == {"resnet8"}
    assert set(result["pairs"][0]["ratio_to_bare"]) == {"kd", "dkd", "rkd"}
    assert all(recipe["extrapolated"] and recipe["student_s"] > 0 for recipe in result["recipes"])
