"""Small made-up studies as results.json holds them; every number is chosen, none computed by the project.

Over three seeds the baseline reaches 70, 72 and 74 % (mean 72.0, standard deviation 2.0). With kd the paired
differences are 5, 4 and 6 points: mean 5.0, and 4.303 / sqrt(3) = 2.48 on either side (Student's t, 2 degrees of
freedom).
"""

from typing import Any

BASELINE = (0.70, 0.72, 0.74)
JUDGED = {"n": 3, "pairs": "few", "margin": 0.003, "p_equivalent": 0.9, "equivalent": False}
GAIN = JUDGED | {"mean": 0.05, "low": 0.0252, "high": 0.0748, "p": 0.013, "p_adjusted": 0.013, "verdict": "gain"}
LOSS = JUDGED | {"mean": -0.05, "low": -0.0748, "high": -0.0252, "p": 0.013, "p_adjusted": 0.013, "verdict": "loss"}
NEITHER = JUDGED | {"mean": -0.01, "low": -0.03, "high": 0.01, "p": 0.164, "p_adjusted": 0.164, "verdict": "none"}
UNKNOWN = dict.fromkeys(("low", "high", "p", "p_adjusted", "p_equivalent", "equivalent"))
TOO_FEW = UNKNOWN | {"mean": 0.05, "n": 1, "pairs": "too few", "margin": 0.003, "verdict": "few"}
LATENCY = {"p50": 2.5, "p90": 3.0}


def study(
    *,
    gains: dict[str, dict[str, Any]] | None = None,
    seeds: int = 3,
    classes: tuple[str, ...] = ("cat", "dog", "frog"),
    images: int = 1000,
) -> dict[str, Any]:
    """A baseline and one row a method; `gains` by method are those of both splits."""
    gains = {"kd": GAIN} if gains is None else gains
    methods = [{"name": "baseline"}, *({"name": name, "temperature": 4.0} for name in gains)]
    differences = [(0.0, 0.0, 0.0)] + [tuple(gain["mean"] + d for d in (0.0, -0.01, 0.01)) for gain in gains.values()]
    rows: list[dict[str, Any]] = [
        {
            "label": method["name"],
            "method": method,
            "parameters": 4000,
            "macs": 20_000,
            "latency_ms": LATENCY,
            "seeds": [
                _seed(method["name"], seed, BASELINE[seed] + of_row[seed], classes, images) for seed in range(seeds)
            ],
        }
        for method, of_row in zip(methods, differences, strict=True)
    ]
    for row, gain in zip(rows[1:], gains.values(), strict=True):
        row["gain"] = {"val": gain, "test": gain}
    return {
        "schema": 1,
        "study": "study-cats-kd-small-12345678",
        "data": {"name": "cats", "classes": list(classes), "train": 9000, "val": images, "unlabeled": 0},
        "student": {"name": "small", "parameters": 4000, "macs": 20_000},
        "teacher": {
            "name": "large",
            "parameters": 400_000,
            "macs": 1_000_000,
            "latency_ms": {"p50": 12.5, "p90": 13.0},
            "val": _measured(0.94, classes, images),
            "val_held_out": True,
            "test": _measured(0.92, classes, images),
        },
        "rows": rows,
        "gallery": None,
        "tuning": None,
        "cost": {
            "wall_seconds": 125.0,
            "commands": 1,
            "own_seconds": {"students": 100.0, "teachers": 20.0},
            "found_done": {"students": 0, "teachers": 0},
            "training_seconds": 100.0,
            "teacher_training_seconds": 20.0,
            "teacher_passes_paid": 10_352,
            "teacher_passes_saved": 76_800,
        },
        "export": {
            "run": "cats-kd-small-s2-0",
            "method": "kd",
            "seed": 2,
            "val": 0.80,
            "doubt": "",
            "onnx": {
                "file": "student.onnx",
                "bytes": 33_557,
                "val_top1": 0.77,
                "same_predictions": 1.0,
                "largest_difference": 1e-5,
                "latency_ms": {"p50": 0.1234, "p90": 0.2},
            },
        },
        "test_openings": {
            "study": [{"time": "2026-01-02T03:04:05+00:00", "run": "study-cats", "reason": "final evaluation"}],
            "all": 4,
            "unnamed": 0,
            "until": "2026-01-02T03:30:00+00:00",
        },
        "conditions": [],
        "machine": {"system": "Linux x86_64", "processor": "A CPU", "cores": 2, "threads": 1, "gpu": None},
        "environment": {
            "time": "2026-01-02T03:00:00+0000",
            "command": "tutelage distill cats.toml --seeds 0 1 2",
            "commit": "abc1234",
            "python": "3.11.7",
            "versions": {"tutelage": "0.1.0", "torch": "2.14.1"},
            "engine": {"device": "cpu", "devices": 1},
        },
        "recipes": [_recipe(method) for method in methods],
        "seeds": list(range(seeds)),
    }


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""One black pixel."""


def rich() -> dict[str, Any]:
    """A study with kd and dkd that was looked at image by image, closes a search and was made in somebody's folders."""
    none = NEITHER | {"p_equivalent": 0.04, "equivalent": True}
    results = study(gains={"kd": GAIN | {"p_adjusted": 0.026}, "dkd": none})
    for number, row in enumerate(results["rows"]):
        bins = [{"images": 0, "confidence": None, "accuracy": None}] * 13
        bins += [
            {"images": 19, "confidence": 0.91, "accuracy": 0.11},
            {"images": 900, "confidence": 0.97, "accuracy": 0.88},
        ]
        row["fidelity"] = {"test": {"reliability": bins}}
        for seed in row["seeds"]:
            seed["interval"] = {"test": [0.681, 0.739]}
        if number:
            row["fidelity"]["test"] |= {
                "class_gain": [0.05, 0.05, None],
                "confusion": [[12.0, -12.0, 0.0], [-4.33, 4.33, 0.0], [0.0, 0.0, 0.0]],
                "largest": [{"true": 0, "predicted": 1, "images": -12.0}, {"true": 1, "predicted": 0, "images": -4.33}],
                "inherited": {
                    "teacher_wrong": 80,
                    "baseline_right": 31.67,
                    "learnt": 7.33,
                    "unlearnt": 9.67,
                    "images": [{"position": 417, "label": 0, "teacher": 1, "seeds": 2}],
                },
            }
            for seed in row["seeds"]:
                seed["mcnemar"] = {"test": {"only_one": 91, "only_other": 41, "p": 1.6e-05}}
    results["teacher"]["reliability"] = {"test": [{"images": 500, "confidence": 0.96, "accuracy": 0.93}]}
    image = {"label": 1, "png": PNG, "classes": [{"index": 1, "teacher": 0.62, "baseline": 0.4, "student": 0.55}]}
    results["gallery"] = {"temperature": 4.0, "baseline": "a", "student": "b", "learnt": []} | {
        reason: [image | {"position": number} for number in numbers]
        for reason, numbers in (("uncertain", (11, 12)), ("changed", (13,)))
    }
    values = [(4.0, 0.9, 0.71), (1.5, 0.3, 0.69), (12.0, 0.95, 0.74), (18.0, 0.1, None)]
    results["tuning"] = {
        "search": {"trials": 4, "seed": 1000},
        "best": 2,
        "defaults_row": "kd",
        "tuned_row": "kd",
        "fresh": {"val": GAIN, "test": GAIN},
        "trials": [
            {"number": number, "state": "complete" if val else "pruned", "method": "kd", "defaults": number == 0}
            | {"values": {"temperature": t, "alpha": a}, "early": 0.5, "val": val, "run": f"r{number}"}
            for number, (t, a, val) in enumerate(values)
        ],
    }
    results["environment"]["command"] = (
        "tutelage distill /home/ann/my.toml --teacher=/home/ann/t.pth --runs '/tmp/a b/runs'"
    )
    results["recipes"][1]["teacher"]["model"]["weights"] = "/home/ann/t.pth"
    return results


def _seed(method: str, seed: int, top1: float, classes: tuple[str, ...], images: int) -> dict[str, Any]:
    measured = _measured(top1, classes, images) | {"agreement": 0.8, "kl_to_teacher": 0.3}
    return {
        "run": f"cats-{method}-small-s{seed}-0",
        "seed": seed,
        "val": measured,
        "test": measured,
        "best_val": {"top1": 0.81, "epoch": 2},
        "seconds": 12.5,
        "images_per_second": 4321.0,
        "curves": {
            "val_top1": [[1.0, top1 - 0.2], [2.0, top1 - 0.1], [3.0, top1]],
            "train_loss": [[0.5, 2.0], [1.0, 1.5], [2.0, 1.0], [3.0, 0.5]],
        },
    }


def _measured(top1: float, classes: tuple[str, ...], images: int) -> dict[str, Any]:
    return {
        "images": images,
        "top1": top1,
        "nll": 0.654,
        "brier": 0.345,
        "ece": 0.0321,
        "confidence": 0.88,
        "per_class": [None if i == 2 else top1 for i in range(len(classes))],
    }


def _recipe(method: dict[str, Any]) -> dict[str, Any]:
    teacher = None if method["name"] == "baseline" else {"model": {"name": "large"}, "tune": "full"}
    fit = {"epochs": 3, "learning_rate": 0.1}
    return {"schema": 1, "student": {"name": "small"}, "teacher": teacher, "method": method, "fit": fit, "seed": 0}


def search(best: int) -> dict[str, Any]:
    """What results.json says of a search of three trials: the defaults, a better one, and one that ended early."""
    trials = [
        {
            "number": 0,
            "state": "complete",
            "method": "kd",
            "defaults": True,
            "values": {"alpha": 0.9},
            "val": 0.70,
        },
        {"number": 1, "state": "complete", "method": "kd", "defaults": False, "values": {"alpha": 0.5}, "val": 0.75},
        {"number": 2, "state": "pruned", "method": "kd", "defaults": False, "values": {"alpha": 0.1}, "val": None},
    ]
    return {"trials": trials, "best": best, "search": {"seed": 1000, "epochs": 0, "part": 0}}
