"""Help, listings and every error in what was typed come before anything heavy is imported."""

import subprocess
import sys

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lightning_fabric",
    "jaxtyping",
    "scipy",
    "sklearn",
    "onnx",
    "onnxruntime",
    "altair",
    "optuna",
    "pyarrow",
)
GUARD = f"""
import contextlib, io, sys

from tutelage.cli import main
for words, code, text in eval(sys.stdin.read()):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            main(words)
            ended = 0
        except SystemExit as stopped:
            ended = stopped.code
    assert ended == code and text in told.getvalue(), (words, ended, told.getvalue())
    imported = [name for name in {HEAVY!r} if name in sys.modules]
    assert not imported, (words, imported)
"""
HELPED = (
    "distill",
    "train",
    "tune",
    "check",
    "evaluate",
    "export",
    "predict",
    "bench",
    "compare",
    "report",
    "watch",
    "push",
    "list",
    "completion",
    "cache",
    "cache list",
    "cache fill",
    "cache verify",
    "cache prune",
    "data",
    "data check",
)
SHOWN = (
    "--help",
    "list methods",
    "list models",
    "list datasets",
    "list recipes",
    "explain kd",
    "explain sum",
    "recipe digits",
    "recipe cifar10",
    "distill digits --help all",
    "tune --help all",
    "completion bash",
)
MISTAKES = {
    "distil digits": 'unknown command "distil"',
    "distill digit": 'unknown recipe "digit"',
    "distill digits --bogus 1": "--bogus",
    "distill digits --fit.epoch 1": "--fit.epochs",
    "distill digits --fit.epochs many": "many",
    "distill digits --fit.epochs 0": "fit.epochs = 0",
    "distill digits --method.temperature 0": "method.temperature",
    "distill digits --engine.precision fp64": "fp64",
    "distill digits --methods kd dkdd": 'unknown method "dkdd"',
    "distill digits --student resnet9": 'unknown model "resnet9"',
    "distill digits --teacher timm:resnet51": 'unknown timm model "resnet51"',
    "distill digits --teacher nets/weights.pth": "there is no file or run nets/weights.pth",
    "distill digits --student.options 3": "not a JSON object",
    "distill nowhere/": "there is no nowhere",
    "train digits kdd": 'unknown method "kdd"',
    "train digits --data.name mnits": 'unknown data set "mnits"',
    "tune digits kd,dkdd": 'unknown method "dkdd"',
    "tune digits kd --search.trials 0": "search.trials = 0",
    "train nowhere.toml": "there is no recipe file nowhere.toml",
    "train wrong.toml": 'unknown field "fit.epoch"',
    "evaluate nowhere": "nowhere holds no run",
    "export nowhere": "nowhere holds no run",
    "export": "export needs a run's folder",
    "export run --format onix": 'unknown format "onix"',
    "compare nowhere": "nowhere holds no run",
    "report nowhere": "nowhere holds no study",
    "watch nowhere": "nowhere holds no run and no study",
    "push nowhere me/it": "nowhere holds no run",
    "data check nowhere/": "there is no nowhere",
    "cache fil digits": 'unknown cache command "fil"',
    "cache prune nothing": "there is no nothing",
    "list model": 'unknown list "model"',
    "explain kdd": 'unknown method "kdd"',
    "recipe digit": 'unknown recipe "digit"',
    "completion tcsh": "tcsh",
    "predict nowhere.onnx a.png": "there is no file nowhere.onnx",
    "bench nowhere.onnx": "there is no file nowhere.onnx",
}


def test_nothing_heavy_is_imported_for_help_listings_and_mistakes(tmp_path):
    (tmp_path / "wrong.toml").write_text("[fit]\nepoch = 3\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text("{}")
    lines = [([*words.split(), "--help"], 0, "usage") for words in HELPED]
    lines += [(words.split(), 0, "") for words in SHOWN]
    lines += [(words.split(), 2, text) for words, text in MISTAKES.items()]
    done = subprocess.run(
        [sys.executable, "-c", GUARD], cwd=tmp_path, input=repr(lines), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
