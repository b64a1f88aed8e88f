"""Small made-up studies as results.json holds them; every number is chosen, none computed by the project.

Over three seeds the baseline reaches 70, 72 and 74 % (mean 72.0, standard deviation 2.0). With kd the paired
differences are 5, 4 and 6 points: mean 5.0, and 4.303 / sqrt(3) = 2.48 on either side (Student's t, 2 degrees of
freedom).
"""

from typing import Any

BASELINE = (0.70, 0.72, 0.74)
GAIN = {"mean": 0.05, "n": 3, "low": 0.0252, "high": 0.0748, "p": 0.013}
LOSS = {"mean": -0.05, "n": 3, "low": -0.0748, "high": -0.0252, "p": 0.013}
NEITHER = {"mean": -0.01, "n": 3, "low": -0.03, "high": 0.01, "p": 0.164}
TOO_FEW = {"mean": 0.05, "n": 1, "low": None, "high": None, "p": None}


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
            "method": method,
            "seeds": [
                _seed(method["name"], seed, BASELINE[seed] + of_row[seed], classes, images) for seed in range(seeds)
            ],
        }
        for method, of_row in zip(methods, differences, strict=True)
    ]
    for row, gain in zip(rows[1:], gains.values(), strict=True):
        row["gain"] = {"val": gain, "test": gain}
    return {
        "study": "study-cats-kd-small-12345678",
        "data": {"name": "cats", "classes": list(classes), "train": 9000, "val": images},
        "student": {"name": "small", "parameters": 4000, "macs": 20_000},
        "teacher": {
            "name": "large",
            "parameters": 400_000,
            "macs": 1_000_000,
            "val": _measured(0.94, classes, images),
            "val_held_out": True,
            "test": _measured(0.92, classes, images),
        },
        "rows": rows,
        "cost": {
            "wall_seconds": 125.0,
            "training_seconds": 100.0,
            "teacher_training_seconds": 20.0,
            "teacher_passes_paid": 10_352,
            "teacher_passes_saved": 76_800,
        },
        "export": {
            "run": "cats-kd-small-s0-0",
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
        },
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
        "ece": 0.0321,
        "confidence": 0.88,
        "per_class": [None if i == 2 else top1 for i in range(len(classes))],
    }


def _recipe(method: dict[str, Any]) -> dict[str, Any]:
    teacher = None if method["name"] == "baseline" else {"model": {"name": "large"}, "tune": "full"}
    fit = {"epochs": 3, "learning_rate": 0.1}
    return {"schema": 1, "student": {"name": "small"}, "teacher": teacher, "method": method, "fit": fit, "seed": 0}
