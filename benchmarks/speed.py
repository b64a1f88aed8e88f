"""`make bench`: every comparison that fits in ten minutes, against those of the last release, as docs/results/speed.md.

Each benchmark is a process of its own with a time limit; one that fails or no longer fits keeps its numbers of before,
and their date. Absolute times drift on shared machines: what is claimed and compared is ratios.

    python benchmarks/speed.py [--only step fill] [--page] [--budget 600] [--threads 0]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from _common import RESULTS

ROOT = Path(__file__).parent.parent
PAGE = RESULTS / "speed.md"


INTRODUCTION = """`make bench`, generated from the JSON files beside this page. Ratios are medians over rounds of
interleaved measurements in one process, the spread their quartiles; batch 64, 32 pixels and 100 classes unless said
otherwise."""


class Benchmark(NamedTuple):
    """One script, and how long it may take on two quiet cores."""

    script: str
    arguments: tuple[str, ...]
    limit_s: int


BENCHMARKS = (
    Benchmark("step", ("--limit", "30"), 180),
    Benchmark("fill", ("--limit", "16"), 120),
    Benchmark("peers", ("--limit", "45"), 100),
    Benchmark("startup", ("--rounds", "5"), 180),
    Benchmark("views", ("--rounds", "20"), 40),
    Benchmark("photos", ("--limit", "16"), 100),
    Benchmark("scale", ("--rounds", "50"), 120),
    Benchmark("sweep", (), 360),
)


class Claim(NamedTuple):
    """One number of the page."""

    words: str
    value: float
    limit: str = ""
    """As the page shows it; empty: nothing is promised."""
    spread: str = ""


def _ratio(words: str, values: dict[str, Any], limit: str = "") -> Claim:
    spread = f"{values['quartile_low']:.3f} to {values['quartile_high']:.3f}, n = {values['rounds']}"
    return Claim(words, values["median"], limit, spread)


def claims(script: str, result: dict[str, Any]) -> list[Claim]:
    """What a benchmark's JSON says, in words; ratios, milliseconds for what has nothing to be divided by."""
    match script:
        case "step":
            return [
                _ratio(f"{pair['teacher']} -> {pair['student']}: {name} / bare student step", values, "at most 1.05")
                for pair in result["pairs"]
                for name, values in pair["ratio_to_bare"].items()
            ]
        case "fill":
            found = []
            for row in result["networks"]:
                words = f"{row['network']}: speed of filling / best bare loop ({row['best_bare']})"
                found.append(_ratio(words, row["speed_of_fill_to_best_bare"], "at least 0.95"))
                for loop, values in row["time_to_bare"].items():
                    found.append(_ratio(f"{row['network']}: time of {loop} / batch {result['fill_batch']}", values))
            return found
        case "peers":
            return [
                _ratio(f"{name} / tutelage from cached answers", row["ratio_to_cached"])
                for name, row in result["steps"].items()
                if name != "tutelage, cached"
            ]
        case "startup":
            found = []
            for name, row in result["commands"].items():
                words = f"`{name}`, seconds{', imports torch' if row['torch'] else ', without torch'}"
                limit = "at most 0.35" if "help" in name else ""
                found.append(Claim(words, row["median_s"], limit, f"least {row['min_s']}, n = {result['rounds']}"))
            run = result["run"]
            found.append(Claim("a run of the digits: all of it / its training", run["all_s"] / run["training_s"]))
            found.append(Claim("the same command again, seconds", run["again_s"]))
            if demo := result.get("demo"):  # a result of before has none
                words, rounds = f"the demo, {demo['runs']} runs", f"n = {demo['rounds']}"
                found.append(Claim(f"{words}, seconds as typed", demo["all_s"], spread=rounds))
                found.append(Claim(f"{words}: as typed / training one after the other", demo["all_s"] / demo["runs_s"]))
                found.append(Claim(f"{words}, seconds when all is done", demo["again_s"], spread=rounds))
            return found
        case "views":
            return [Claim(f"{kind}: images/s on one core", row["median"]) for kind, row in result["views"].items()]
        case "photos":
            return [
                _ratio(
                    f"{row['stored']} pixels, {row['workers']} workers, {time}: {name} / "
                    f"{row[kind]['best_of_torchvision']}",
                    row[kind]["speed_to_best"][name],
                    "" if name.endswith("first") else "at least 0.95",
                )
                for row in result["rows"]
                for kind, time in (("cpu", "images per second of CPU"), ("clock", "images per second"))
                for name in row[kind]["speed_to_best"]
                if name.startswith("keep")
            ]
        case "scale":
            found = []
            for row in result["sizes"]:
                words = f"{row['samples']:,} images of 1,000 classes"
                limit = "at most 2" if row["samples"] > 1_000_000 else ""
                found.append(Claim(f"{words}: random 512 rows, ms", row["read_512_rows"]["median_ms"], limit))
                prepared = row["prepare_64_images"]["median_ms"] + row["order_per_step_ms"]
                found.append(Claim(f"{words}: a batch of 64 prepared, ms", prepared))
            many = result["many_views"]
            words = f"{many['views']} views of {many['samples']:,} images"
            found.append(Claim(f"{words}: opened and looked through, ms", many["open"]["median_ms"], "at most 50"))
            for name, row in many["read_512_rows"].items():
                found.append(Claim(f"{words}: random 512 rows, {name}, ms", row["median_ms"]))
            grown = max(many["memory_grown_mib"], result["sizes"][0]["memory_grown_mib"])
            return [*found, Claim("memory of the process grown while reading, MiB", grown)]
        case "sweep":
            words = f"{result['runs']} runs and one fill / as many bare trainings and one fill"
            return [Claim(words, result["ratio_to_bare_and_one_fill"], "at most 1.05")]
    return []


TITLES = {
    "step": "A step from cached answers against the bare student step",
    "fill": "Filling the cache against a bare loop of the teacher",
    "peers": "One step by others, ResNet-56 -> ResNet-20",
    "startup": "Start and end",
    "views": "Views",
    "photos": "Views of photos from files against ImageFolder and DataLoader, JPEGs of that many pixels a side at 128",
    "scale": "Scale",
    "sweep": "A sweep on one cache",
}


def page(results: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]], release: str) -> str:
    """speed.md."""
    machines = {json.dumps(result["machine"]): result["machine"] for result in results.values()}
    lines = ["# Speed", "", INTRODUCTION]
    for machine in machines.values():
        named = [name for name, result in results.items() if result["machine"] == machine]
        lines += ["", f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['system']}, "]
        lines[-1] += f"{machine['threads']} torch threads, GPU {machine['gpu'] or 'none'} ({', '.join(named)})."
    for script, result in results.items():
        lines += [
            "",
            f"## {TITLES[script]}",
            "",
            f"`python benchmarks/{script}.py`, {result.get('date', 'undated')}",
            "",
        ]
        lines += [f"| | now | spread | promised | now / {release} |", "|---|---|---|---|---|"]
        was = {claim.words: claim.value for claim in _claims_or_none(script, before.get(script))}
        for claim in claims(script, result):
            old = f"{claim.value / was[claim.words]:.2f}" if was.get(claim.words) else ""
            value = f"{claim.value:,.0f}" if claim.value >= 1000 else f"{claim.value:.3f}"
            lines.append(f"| {claim.words} | {value} | {claim.spread} | {claim.limit} | {old} |")
    return "\n".join(lines) + "\n"


def _claims_or_none(script: str, result: dict[str, Any] | None) -> list[Claim]:
    """A release may have had another form of JSON."""
    try:
        return claims(script, result) if result else []
    except (KeyError, TypeError, statistics.StatisticsError):
        return []


def last_release() -> str:
    """The newest tag, or the last commit before there is any."""
    described = _git("describe", "--tags", "--abbrev=0")
    return described.strip() if described else "HEAD"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def committed(release: str) -> dict[str, dict[str, Any]]:
    """The JSONs of a release."""
    found = {}
    for benchmark in BENCHMARKS:
        text = _git("show", f"{release}:docs/results/{benchmark.script}.json")
        if text:
            found[benchmark.script] = json.loads(text)
    return found


def run(benchmark: Benchmark, left_s: float, threads: int) -> str:
    """Runs one script and says how it went."""
    if left_s < benchmark.limit_s / 2:
        return f"left out: {left_s:.0f} s of the budget are left"
    command = [sys.executable, str(ROOT / "benchmarks" / f"{benchmark.script}.py"), *benchmark.arguments]
    environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    begun = time.monotonic()
    try:
        code = subprocess.run(command, check=False, env=environment, timeout=min(benchmark.limit_s, left_s)).returncode
    except subprocess.TimeoutExpired:
        return f"stopped after {time.monotonic() - begun:.0f} s"
    return f"{'done' if code == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s"


def main() -> None:
    """Runs what was asked for, then writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[benchmark.script for benchmark in BENCHMARKS])
    parser.add_argument("--page", action="store_true", help="only the page, from the JSONs that are there")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds in all")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its choice")
    chosen = parser.parse_args()
    begun, ended = time.monotonic(), {}
    for benchmark in () if chosen.page else BENCHMARKS:
        if chosen.only is None or benchmark.script in chosen.only:
            print(f"== {benchmark.script}", flush=True)
            ended[benchmark.script] = run(benchmark, chosen.budget - (time.monotonic() - begun), chosen.threads)
            print(f"== {benchmark.script}: {ended[benchmark.script]}", flush=True)
    release = last_release()
    paths = {benchmark.script: RESULTS / f"{benchmark.script}.json" for benchmark in BENCHMARKS}
    results = {script: json.loads(path.read_text()) for script, path in paths.items() if path.exists()}
    results = {script: result for script, result in results.items() if _claims_or_none(script, result)}
    PAGE.write_text(page(results, committed(release), release))
    print(PAGE)
    for script, how in ended.items():
        print(f"{script}: {how}")
    if any(how.startswith(("FAILED", "stopped")) for how in ended.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
