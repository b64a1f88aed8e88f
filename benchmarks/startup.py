"""What a user waits for before and after the work: commands that only tell, and a run's beginning and end.

    python benchmarks/startup.py [--rounds 9]

Help and lists are timed from outside, as a shell starts them. The run is one of the digits whose teacher has answered
already: what `tutelage train` spends in all but the imports, what of it in steps and validation, and what the same
command spends when there is nothing left to do. The demo is `tutelage distill digits` with twenty seeds in an empty
folder, from outside: in all, the same command a second time, and its runs alone, one after the other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import write

COMMANDS = {
    "tutelage --help": ["--help"],
    "tutelage list methods": ["list", "methods"],
    "tutelage list models": ["list", "models"],
    "tutelage list datasets": ["list", "datasets"],
    "tutelage list recipes": ["list", "recipes"],
}
IMPORTS = "import sys; from tutelage import cli; cli.main(sys.argv[1:]); sys.exit('torch' in sys.modules)"


def seconds(arguments: list[str]) -> tuple[float, bool]:
    """Of a whole process, and whether it imported torch."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", IMPORTS, *arguments], capture_output=True, check=False)
    return time.perf_counter() - begun, done.returncode != 0


def a_run() -> dict[str, float]:
    """Seconds of one run of the digits within a process that has imported everything: in all, in the loop, again."""
    from tutelage import Engine, data, train
    from tutelage.run.builtin import built_in
    from tutelage.run.workspace import Workspace
    from tutelage.training.predictions import evaluate_run

    recipe, engine = built_in("digits"), Engine(device="cpu", threads=1)
    dataset = data.load(recipe.data)

    def all_of_it(seed: int) -> float:
        begun = time.perf_counter()
        run = train(replace(recipe, seed=seed), Workspace(runs, engine=engine))
        evaluate_run(run, dataset)
        result.update(run.result("cost"))
        return time.perf_counter() - begun

    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        all_of_it(0)
        whole, again = all_of_it(1), all_of_it(1)
    return {"all_s": round(whole, 3), "training_s": round(result["seconds"], 3), "again_s": round(again, 3)}


def demo(rounds: int) -> dict[str, Any]:
    """Seconds of the demo as a user types it; when there is nothing left to do; and of its runs alone.

    The last are what the runs say of their training, summed, where they are trained one after the other (--jobs 1).
    """
    command = [sys.executable, "-m", "tutelage", "distill", "digits", "--seeds", *map(str, range(20)), "--runs"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}

    def typed(*words: str) -> float:
        begun = time.perf_counter()
        subprocess.run([*command, *words], env=environment, capture_output=True, check=True)
        return time.perf_counter() - begun

    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as runs, tempfile.TemporaryDirectory() as one_by_one:
            times = typed(runs), typed(runs)
            typed(one_by_one, "--jobs", "1")
            costs = [json.loads(file.read_text())["seconds"] for file in Path(one_by_one).glob("*/cost.json")]
            found.append((*times, sum(costs)))
    middle = [round(statistics.median(column), 2) for column in zip(*found, strict=True)]
    return dict(zip(("all_s", "again_s", "runs_s"), middle, strict=True)) | {"runs": len(costs), "rounds": rounds}


def main() -> None:
    """Prints and writes docs/results/startup.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    commands = {}
    for name, arguments in COMMANDS.items():
        found = [seconds(arguments) for _ in range(rounds)]
        times = [time for time, _ in found]
        row = {"median_s": round(statistics.median(times), 3), "min_s": round(min(times), 3)}
        commands[name] = row | {"torch": any(torch for _, torch in found)}
        print(f"{name}: {row['median_s']:.3f} s{', imports torch' if commands[name]['torch'] else ''}", flush=True)
    run = a_run()
    print(f"a run of the digits: {run['all_s']} s, {run['training_s']} s of it training; again: {run['again_s']} s")
    whole = demo(3)
    print(f"the demo: {whole['all_s']} s, its {whole['runs']} runs {whole['runs_s']} s; again: {whole['again_s']} s")
    print(write("startup", {"rounds": rounds, "commands": commands, "run": run, "demo": whole}))


if __name__ == "__main__":
    main()
