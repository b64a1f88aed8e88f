"""What a user reads after a mistake: one message and a hint, exit code 2, no traceback, nothing half-written.

The texts are in messages.txt; `python tests/house/test_messages.py` writes it anew: read what changed
before you commit.
"""

import json
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import small
from tutelage import sealed
from tutelage.cli import main
from tutelage.models import Model
from tutelage.run.builtin import built_in
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.teacher import shards
from tutelage.teacher.cache import TeacherCache
from tutelage.training.predictions import keep_val

SNAPSHOT = Path(__file__).parent / "messages.txt"


class Spy:
    """A pickle that would run a command."""

    def __reduce__(self):
        return (os.system, ("echo broken into",))


NETWORKS = """
from torch import nn

def too_large(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))

def broken(classes):
    return nn.Sequential(nn.Linear(64, clases))

def peeking(classes):
    from pathlib import Path
    from tutelage.data import Data, load
    from tutelage.data.test_split import open_test
    open_test(load(Data("digits")), Path("ledger.jsonl"), run="mine", reason="to choose by it")

class Answers(nn.Module):
    def __init__(self, classes, change):
        super().__init__()
        self.fc, self.change = nn.Linear(64, classes), change

    def forward(self, pixels):
        return self.change(self.fc(pixels.flatten(1)))

def pair(classes):
    return Answers(classes, lambda z: (z, z))

def number(classes):
    return Answers(1, lambda z: z[:, 0])
"""
CONVNET = ["--teacher.model.name", "convnet", "--teacher.options", '{"widths": [16, 32], "hidden": 16}']


RESULTS = {"old_results": '{"rows": []}', "new_results": '{"schema": 2}', "cut_results": '{"schema": 1, "ro'}
"""By the folder of a study: what its results.json holds."""


def prepare(folder: Path) -> None:
    """The files the mistakes are made with."""
    (folder / "misspelt.toml").write_text('[data]\nname = "digits"\n[fit]\nepoch = 3\n')
    (folder / "typed.toml").write_text('[fit]\nepochs = "three"\n')
    (folder / "broken.toml").write_text("[fit\n")
    (folder / "a_file").write_text("not a folder")
    (folder / "a_file.onnx").write_text("not a network")
    (folder / "a_file.tflite").write_text("not a network")
    small.weights(folder / "other.safetensors", small.NORMED)
    small.weights(folder / "teacher.safetensors", small.TEACHER)
    (folder / "cut.safetensors").write_bytes((folder / "other.safetensors").read_bytes()[:200])
    torch.save({"state_dict": Spy()}, folder / "spy.pth")
    batches = folder / "data" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    names = [f"data_batch_{number}" for number in range(1, 6)]
    for name in [*names, "test_batch", "batches.meta"]:
        (batches / name).write_bytes(b"damaged")
    (folder / "ten_classes.py").write_text("from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), "
                                           "nn.Linear(64, 7))\n")  # fmt: skip
    (folder / "net.py").write_text(NETWORKS)
    state = {name: tensor.clone() for name, tensor in small.network(small.TEACHER).network.state_dict().items()}
    turned = {"classes": json.dumps(["0", "2", "1", *map(str, range(3, 10))])}
    save_file(state, folder / "turned.safetensors", turned)
    torch.save([1, 2, 3], folder / "numbers.pth")
    prepare_checkpoints(folder)
    next(iter(state.values()))[0] = torch.nan
    save_file(state, folder / "nan.safetensors")
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "recipe.json").write_text(json.dumps(Recipe().to_dict()))
    guessing = Run.of(Recipe(), folder / "guessing")
    keep_val(guessing, torch.zeros(144, 10), small.digits().val.labels)
    (guessing.path / "DONE").touch()
    guessing.path.rename(folder / "guesses")
    shutil.copytree(folder / "unfinished", folder / "telling")
    for name in ("export.json", "README.md"):
        (folder / "telling" / name).write_text("{}")
    (folder / "telling" / "student.pt2").write_text(f"traced in {folder}/net.py")
    (folder / "no_results").mkdir()
    (folder / "no_results" / "study.json").write_text(json.dumps({"name": "", "seeds": [0], "recipes": [{}]}))
    (folder / "no_baseline").mkdir()
    taught = json.dumps({"name": "", "seeds": [0], "recipes": [built_in("digits").to_dict()]})
    (folder / "no_baseline" / "study.json").write_text(taught)
    (folder / "no_runs").mkdir()
    taught_alone = json.dumps({"name": "", "seeds": [0], "recipes": [{}]})
    (folder / "no_runs" / "study.json").write_text(taught_alone)
    rows = [{"seeds": [{"run": "digits-kd-resnet8-s0-0123abcd"}]}]
    (folder / "no_runs" / "results.json").write_text(json.dumps({"schema": 1, "rows": rows}))
    for name, text in RESULTS.items():
        (folder / name).mkdir()
        (folder / name / "study.json").write_text(taught_alone)
        (folder / name / "results.json").write_text(text)
    made_by = {"command": "tutelage distill digits --seeds 0 1 2"}
    (folder / "old_results" / "environment.json").write_text(json.dumps(made_by))
    manifest = {"images": {"samples": 3}, "storage": "float16", "teacher": {"name": "resnet20"}, "data": "digits"}
    cache = TeacherCache(folder / "spoilt" / "teacher-cache", manifest)
    shard = shards.Shard("logits", 0, 0)
    shards.write(cache.folder, shard, np.zeros((3, 10), np.float16))
    spoilt = bytearray((cache.folder / shard.path).read_bytes())
    spoilt[-1] ^= 1
    (cache.folder / shard.path).write_bytes(spoilt)
    seal_some(folder)
    good = small.photos(folder / "photos")
    small.photos(folder / "few", images=2)
    shutil.copytree(good, folder / "damaged")
    (folder / "damaged" / "red" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "damaged" / "red" / "empty.png").touch()
    shutil.copytree(good / "red", folder / "flat")
    shutil.copytree(good / "red", folder / "one_class" / "red")
    shutil.copytree(good, folder / "mixed" / "train")
    shutil.copytree(good, folder / "mixed" / "more")
    (folder / "columns.csv").write_text("file name,kind\na.png,red\n")
    (folder / "bursts.csv").write_text("path,label\nphotos/red/00.png,red\nphotos/blue/00.png,blue\n")
    (folder / "rows.csv").write_text("path,label,split\na.png,red,first half\n")
    (folder / "gone.csv").write_text("path,label\ncat\\1.png,cat\n")
    (folder / "unlabelled.csv").write_text("path,label\nphotos/red/00.png,red\nphotos/red/01.png,nan\n")
    (folder / "picture.csv").write_bytes((good / "red" / "00.png").read_bytes())
    shutil.copytree(good / "red", folder / "flat_splits" / "train")
    shutil.copytree(good / "red", folder / "flat_splits" / "test")
    shutil.copytree(good, folder / "untrained" / "valid")
    shutil.copytree(good, folder / "around" / "photos")
    (folder / "wide.toml").write_bytes('[data]\nname = "digits"\n'.encode("utf-16"))
    (folder / "list.json").write_text("[1, 2]")
    (folder / "twice.json").write_text('{"seed": 1, "seed": 2}')
    (folder / "huge.toml").write_text("seed = 1" + "0" * 30)
    (folder / "shards.tar").write_bytes(b"not a tar file" * 100)
    (folder / "saved").mkdir()
    (folder / "saved" / "state.json").write_text("{}")


def seal_some(folder: Path) -> None:
    """Files that are not as they were written."""
    sealed.write_json(folder / "changed" / "recipe.json", Recipe().to_dict(), "run-0123abcd/recipe.json")
    changed = json.loads((folder / "changed" / "recipe.json").read_text()) | {"seed": 5}
    (folder / "changed" / "recipe.json").write_text(json.dumps(changed))
    study = {"name": "", "seeds": [0], "recipes": [Recipe().to_dict()]}
    sealed.write_json(folder / "damaged_results" / "study.json", study, "study-0123abcd/study.json")
    (folder / "damaged_results" / "results.json").write_text('{"rows": [')
    (folder / "damaged_export").mkdir()
    (folder / "damaged_export" / "student.onnx").write_bytes(b"other bytes")
    told = {"onnx": {"file": "student.onnx", "sha256": {"student.onnx": "0" * 64}}}
    sealed.write_json(folder / "damaged_export" / "export.json", told, "run-0123abcd/export.json")


def prepare_checkpoints(folder: Path) -> None:
    """Files of weights as others save them, none of which fits."""
    import timm
    import torchvision

    torch.save({"state_dict": torchvision.models.shufflenet_v2_x0_5().state_dict()}, folder / "shufflenet.pth")
    torch.save(timm.create_model("test_resnet", num_classes=10).state_dict(), folder / "coloured.pth")
    torch.save({"stem.weight": torch.ones(4, 1, 3, 3), "out.weight": torch.ones(10, 4)}, folder / "own.pth")
    state = small.network(Model("resnet20")).network.state_dict()
    torch.save({"net": state | {"layer2.0.shortcut.0.weight": torch.ones(32, 16, 1, 1)}}, folder / "shortcuts.pth")
    torch.save({"1.weight": torch.ones(3, 64), "1.bias": torch.ones(3)}, folder / "other_classes.pth")
    torch.save({"generator": state, "critic": state}, folder / "several.pth")
    layer = torch.nn.Linear(2, 2)
    torch.jit.trace(layer, torch.ones(1, 2)).save(str(folder / "script.pt"))
    torch.save(layer, folder / "whole.pth")
    (folder / "keras.h5").write_bytes(b"\x89HDF")
    (folder / "teacher.toml").write_text('[method]\nname = "kd"\n[teacher.fit]\nepochs = 0\n')
    (folder / "exported").mkdir()
    small_onnx(folder / "exported" / "linear.onnx")


def small_onnx(path: Path) -> None:
    """A classifier of two classes as ONNX, with its card."""
    from onnx import TensorProto, helper, save_model

    sides = {"input": [1, 3, 2, 2], "output": [1, 12]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sides.items()]
    graph = helper.make_graph([helper.make_node("Flatten", ["input"], ["output"])], "flat", ends[:1], ends[1:])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    card = {"classes": [str(i) for i in range(12)], "input": {"shape": [3, 2, 2], "interpolation": "bilinear"}}
    path.with_name("card.json").write_text(json.dumps(card))


ALONE = ("--student", "convnet", "--teacher", "convnet")
"""Networks without pretrained weights."""
MISTAKES = {
    "unknown command": ["distil", "digits"],
    "unknown recipe": ["train", "digit"],
    "no recipe": ["train"],
    "missing recipe file": ["train", "gone.toml"],
    "misspelt field": ["train", "misspelt.toml"],
    "value of another type": ["train", "typed.toml"],
    "not TOML": ["train", "broken.toml"],
    "unknown method": ["train", "digits", "dk"],
    "unknown model": ["train", "digits", "baseline", "--student", "resnet57", "--runs", "runs"],
    "unknown data set": ["train", "digits", "baseline", "--data.name", "cifar", "--runs", "runs"],
    "unknown list": ["list", "model"],
    "no list": ["list"],
    "unknown cache command": ["cache", "verfy"],
    "no method to explain": ["explain"],
    "T = 0": ["train", "digits", "kd", "--method.temperature", "0"],
    "alpha = 1.5": ["train", "digits", "kd", "--method.alpha", "1.5"],
    "mixed images in two views": ["train", "digits", "--augment.mix", "mixup", "--second-view", "True"],
    "dot with clipped gradients": ["train", "digits", "--fit.optimizer", "dot", "--fit.clip-norm", "1"],
    "two averages": ["train", "digits", "--fit.ema", "0.9", "--fit.average", "0.2"],
    "whitened weights": ["train", "digits", "--student.init", "whiten", "--student.weights", "random.safetensors"],
    "nothing to whiten": [
        "train",
        "digits",
        "baseline",
        "--student.init",
        "whiten",
        "--student.name",
        "ten_classes.py:net",
        "--runs",
        "runs",
    ],
    "graphs without a gpu": [
        "train",
        "digits",
        "baseline",
        "--engine.graphs",
        "True",
        "--engine.device",
        "cpu",
        "--runs",
        "runs",
    ],
    "epochs = 0": ["train", "digits", "--fit.epochs", "0"],
    "batch too large": ["train", "digits", "baseline", "--fit.batch-size", "5000", "--runs", "runs"],
    "padding too large": ["train", "digits", "baseline", "--augment.crop-padding", "9", "--runs", "runs"],
    "parts of a batch for a method that compares its images": [
        *("train", "digits", "rkd", "--fit.accumulate", "2", "--fit.batch-size", "64"),
    ],
    "parts of a batch with dot": ["train", "digits", "--fit.accumulate", "2", "--fit.optimizer", "dot"],
    "parts of a batch that are unequal": [
        *("train", "digits", "baseline", "--fit.accumulate", "3", "--fit.batch-size", "64", "--runs", "runs"),
    ],
    "several nodes without a launcher": ["train", "digits", "baseline", "--engine.nodes", "2", "--runs", "runs"],
    "no devices": ["train", "digits", "--engine.devices", "0"],
    "mixup with dkd": ["train", "digits", "dkd", "--augment.mix", "mixup"],
    "missing data folder": ["train", "cifar10", "baseline", "--data-root", "gone", "--runs", "runs"],
    "corrupt data": ["train", "cifar10", "baseline", "--data-root", "data", "--runs", "runs"],
    "weights of another network": ["check", "digits", "--teacher", "other.safetensors", "--runs", "runs"],
    "weights of a network of timm": ["check", "cifar10", "--teacher", "shufflenet.pth", "--runs", "runs"],
    "weights of a network that nobody knows": ["check", "digits", "--teacher", "own.pth", "--runs", "runs"],
    "weights of a network with other shortcuts": ["check", "digits", "--teacher", "shortcuts.pth", "--runs", "runs"],
    "weights for images of other channels": [
        *("check", "digits", "--teacher", "timm:test_resnet", "--teacher.model.weights", "coloured.pth"),
        *("--runs", "runs"),
    ],
    "weights for other classes": [
        *("check", "digits", "--teacher", "ten_classes.py:net", "--teacher.model.weights", "other_classes.pth"),
        *("--teacher.tune", "none", "--runs", "runs"),
    ],
    "a TorchScript archive": ["check", "digits", "--teacher", "script.pt", "--runs", "runs"],
    "a whole pickled network": ["check", "digits", "--teacher", "whole.pth", "--runs", "runs"],
    "several state dicts": ["check", "digits", "--teacher", "several.pth", "--runs", "runs"],
    "weights of another library": ["check", "digits", "--teacher.model.weights", "keras.h5", "--runs", "runs"],
    "a folder for a file of weights": ["check", "digits", "--teacher.model.weights", "photos", "--runs", "runs"],
    "a wrong value of the teacher's training": ["train", "digits", "--teacher.fit.epochs", "0"],
    "a wrong value of a teacher's training in a file": ["train", "teacher.toml"],
    "batch too large for one of an ensemble": [
        *("train", "digits", "--teacher", "resnet20", "--teacher", "resnet8"),
        *("--teachers.1.fit.batch-size", "5000", "--runs", "runs"),
    ],
    "a teacher that answers with a pair": ["train", "digits", "--teacher", "net.py:pair", "--runs", "runs"],
    "a teacher that answers with a number": ["train", "digits", "--teacher", "net.py:number", "--runs", "runs"],
    "a folder without pictures": ["predict", "exported/linear.onnx", "photos"],
    "an option that is not there": [
        *("train", "digits", "--student", "convnet", "--student.options", '{"width": 3}', "--runs", "runs")
    ],
    "options that are no JSON": ["train", "digits", "--student.options", "widths=3"],
    "a mistake that only the student shows": ["distill", "digits", "--student", "resnet57", "--runs", "runs"],
    "batch too large for the teacher": ["train", "digits", "--teacher.fit.batch-size", "5000", "--runs", "runs"],
    "no file of that name": ["check", "digits", "--teacher", "gone.safetensors", "--runs", "runs"],
    "missing weights": ["check", "digits", "--teacher.tune", "none", "--teacher.model.weights", "gone.pth"],
    "cut weights": ["check", "digits", "--teacher", "cut.safetensors", "--runs", "runs"],
    "a pickle that runs code": ["check", "digits", "--teacher", "spy.pth", "--runs", "runs"],
    "weights that are not finite": ["check", "digits", "--teacher", "nan.safetensors", *CONVNET, "--runs", "runs"],
    "no state dict": ["check", "digits", "--teacher", "numbers.pth", "--runs", "runs"],
    "classes in another order": ["check", "digits", "--teacher", "turned.safetensors", *CONVNET, "--runs", "runs"],
    "a network of another library": ["check", "digits", "--teacher", "torchvision:resnet20", "--runs", "runs"],
    "a network of timm without its source": ["train", "digits", "--student", "efficientnet_lite0", "--runs", "runs"],
    "an ensemble without feature maps": ["train", "digits", "at", "--teacher", "resnet20", "--teacher", "resnet8"],
    "an ensemble without one head": ["train", "digits", "simkd", "--teacher", "resnet20", "--teacher", "resnet8"],
    "one of the stages is not there": [
        *("train", "digits", "baseline", "--student.stages", "layer1,layer9", "--runs", "runs")
    ],
    "no network of that name in the file": ["train", "digits", "--student", "net.py:to_large", "--runs", "runs"],
    "no such file of networks": ["train", "digits", "--student", "my_net.py:make_net", "--runs", "runs"],
    "a network that cannot be made": ["train", "digits", "--student", "net.py:broken", "--runs", "runs"],
    "a network for larger images": ["train", "digits", "--student", "net.py:too_large", "--runs", "runs"],
    "a network that looks at the test split": [
        *("train", "digits", "baseline", "--student", "net.py:peeking", "--runs", "runs")
    ],
    "two words for one network": ["train", "digits", "--teacher", "resnet20", "resnet8", "--runs", "runs"],
    "no weights": ["check", "digits", "--teacher.tune", "none", "--runs", "runs"],
    "another number of classes": [
        *("check", "digits", "--teacher", "ten_classes.py:net", "--teacher.fit.epochs", "1", "--runs", "runs")
    ],
    "no folder of photos": ["data", "check", "gone/photos"],
    "photos in no folder for each class": ["data", "check", "./flat"],
    "photos of one class": ["train", "./one_class", "baseline", "--runs", "runs"],
    "photos beside folders of splits": ["train", "./mixed", "baseline", "--runs", "runs"],
    "too few photos": ["train", "./few", "baseline", "--runs", "runs"],
    "damaged photos": ["train", "./damaged", "baseline", "--runs", "runs"],
    "columns of other names": ["data", "check", "columns.csv"],
    "a split of another name": ["data", "check", "rows.csv"],
    "folders of splits without classes": ["data", "check", "./flat_splits"],
    "folders of splits without train": ["data", "check", "./untrained"],
    "a folder around the classes": ["data", "check", "./around"],
    "splits said in another way": ["train", "./photos", "baseline", "--data.splits", "learn", "--runs", "runs"],
    "splits that are not there": ["data", "check", "./photos", "--data.splits", "train=learn"],
    "a group without parentheses": ["data", "check", "./photos", "--data.group", "red"],
    "a group of two parentheses": ["data", "check", "./photos", "--data.group", "(r)(e)d"],
    "a group that is no pattern": ["data", "check", "./photos", "--data.group", "(red"],
    "a group that matches nothing": ["data", "check", "./photos", "--data.group", "(violet)"],
    "a group for each class": ["data", "check", "./photos", "--data.group", "(red|blue|green)"],
    "a column that is not there": ["data", "check", "bursts.csv", "--data.group", "burst"],
    "groups of a built-in set": ["train", "digits", "--data.group", "(.)", "--runs", "runs"],
    "leaks of a built-in set": ["train", "digits", "--data.on-leak", "drop", "--runs", "runs"],
    "splits of a built-in set": ["train", "digits", "--data.splits", "none", "--runs", "runs"],
    "a table whose files are not there": ["data", "check", "gone.csv"],
    "a table with a label missing": ["data", "check", "unlabelled.csv"],
    "a table that is no text": ["data", "check", "picture.csv"],
    "a recipe in UTF-16": ["train", "wide.toml"],
    "a recipe that is a list": ["train", "list.json"],
    "a recipe with a field twice": ["train", "twice.json"],
    "a recipe with a number too large": ["train", "huge.toml"],
    "a damaged tar file": ["data", "check", "shards.tar"],
    "a saved data set that is not whole": ["data", "check", "./saved"],
    "a file of another kind for photos": ["data", "check", "./a_file"],
    "folds of a built-in set": ["distill", "digits", "--folds", "5"],
    "one fold": ["distill", "./photos", *ALONE, "--folds", "1"],
    "more folds than a class has images": ["distill", "./photos", *ALONE, "--folds", "30"],
    "stages of a teacher in another order": ["distill", "digits", "--stages", "last_stage", "head"],
    "frozen norms of random weights": ["train", "digits", "baseline", "--norms", "frozen"],
    "photos and what is for small images": [
        "train",
        "./photos",
        "baseline",
        "--student.weights",
        "random",
        "--augment.cutout",
        "4",
        "--data.keep",
        "none",
    ],
    "a start of less than nothing": ["train", "digits", "kd", "--start_epochs", "-3"],
    "a start without a teacher": ["train", "digits", "baseline", "--start_epochs", "3"],
    "unlabelled photos with a built-in set": ["train", "digits", "--data.unlabeled", "photos", "--runs", "runs"],
    "unlabelled photos for a method of labels": [
        "train",
        "./photos",
        "dkd",
        "--data.unlabeled",
        "flat",
        "--runs",
        "runs",
    ],
    "output in a file": ["train", "digits", "baseline", "--runs", "a_file"],
    "no run": ["evaluate", "gone"],
    "an unfinished run": ["evaluate", "unfinished"],
    "an unfinished run exported": ["export", "unfinished"],
    "a student that guesses exported": ["export", "guesses"],
    "flash in bits": ["export", "unfinished", "--format", "mcu", "--flash", "256kb"],
    "RAM that is none": ["export", "unfinished", "--format", "mcu", "--ram", "0k"],
    "an NPU that there is none of": ["export", "unfinished", "--format", "mcu", "--npu", "ethos-u55"],
    "flash of a file for no controller": ["export", "unfinished", "--format", "onnx", "--flash", "256k"],
    "an export of nothing": ["export", "--format", "mcu"],
    "a budget of one size": ["list", "models", "--fit-in", "256k"],
    "a budget without units": ["list", "models", "--fit-in", "256/96"],
    "a budget in bits": ["distill", "digits", "--fit-in", "256kb/96k", "--runs", "runs"],
    "a budget that nothing fits": ["list", "models", "--fit-in", "64k/8k", "--size", "96"],
    "a budget and a student": ["distill", "digits", "--fit-in", "1M/1M", "--student", "resnet20", "--runs", "runs"],
    "a budget of methods": ["list", "methods", "--fit-in", "256k/96k"],
    "images beyond the ladder": ["list", "models", "--fit-in", "1M/1M", "--size", "320"],
    "a file that is no flat buffer": ["predict", "a_file.tflite", "picture.jpg"],
    "an unknown format": ["export", "unfinished", "--format", "onnx_int8"],
    "a file that is no network": ["predict", "a_file.onnx", "picture.jpg"],
    "a file of another kind": ["bench", "misspelt.toml"],
    "no study": ["report", "gone"],
    "a study without results": ["report", "no_results"],
    "results of an older version": ["report", "old_results"],
    "results of a newer version": ["report", "new_results"],
    "results that were cut": ["report", "cut_results"],
    "nothing to watch": ["watch", "gone"],
    "nothing to push": ["push", "gone", "ann/student"],
    "nothing exported to push": ["push", "unfinished", "ann/student"],
    "a folder of this machine in what is pushed": ["push", "telling", "ann/student"],
    "a run's recipe that was changed": ["evaluate", "changed"],
    "a recipe file that was changed": ["train", "changed/recipe.json"],
    "damaged results": ["report", "damaged_results"],
    "a damaged exported file": ["predict", "damaged_export/student.onnx", "a.png"],
    "a damaged answer": ["cache", "verify", "--runs", "spoilt"],
    "a recipe without a teacher": ["cache", "verify", "digits", "baseline", "--runs", "runs"],
    "a teacher that is not trained": ["cache", "fill", "digits", "--runs", "runs"],
    "a cache that is not there": ["cache", "prune", "v1-0", "--runs", "runs"],
    "stages that are not there": ["train", "digits", "baseline", "--student.stages", "layer9", "--runs", "runs"],
    "device that is not there": ["train", "digits", "baseline", "--engine.device", "mps", "--runs", "runs"],
    "half precision on a CPU": [
        "train",
        "digits",
        "baseline",
        "--engine.precision",
        "fp16",
        "--engine.device",
        "cpu",
        "--runs",
        "runs",
    ],
    "seeds twice": ["distill", "digits", "--seeds", "1", "1"],
    "a method beside itself": ["distill", "digits", "--methods", "kd", "kd", "--runs", "runs"],
    "a study that lost its baseline": ["report", "no_baseline"],
    "a search without a trial": ["tune", "digits", "--search.trials", "0"],
    "a search at a seed of its study": ["tune", "digits", "--search.seed", "3", "--seeds", "1", "2", "3"],
    "a search of nothing": ["tune", "digits", "baseline"],
    "a search of an unknown method": ["tune", "digits", "kd,dk"],
    "a search that is logged": ["tune", "digits", "--log", "tensorboard"],
    "a run compared with nothing": ["compare", "gone"],
    "an unfinished run compared": ["compare", "unfinished"],
    "an unfinished study compared": ["compare", "no_results"],
    "runs gone from under a study": ["compare", "no_runs"],
    "results of an older version compared": ["compare", "old_results"],
}


def message(words: list[str], folder: Path, capture) -> str:
    """What a mistake prints on stderr; everything else that must hold of it is asserted."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with pytest.raises(SystemExit) as stopped:
            main(words)
    finally:
        os.chdir(before)
    out, err = capture()
    assert stopped.value.code == 2, (words, err)
    assert "Traceback" not in err
    assert out == ""
    err = re.sub(r"v1-[0-9a-f]{16}", "v1-DIGEST", err.replace(str(folder), "FOLDER"))
    return re.sub(r"-[0-9a-f]{8}\b", "-HASH", err).strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("mistakes")
    prepare(made)
    return made


def recorded() -> dict[str, str]:
    """The snapshot by mistake."""
    parts = SNAPSHOT.read_text().split("== ")[1:]
    return {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_as_recorded(mistake, folder, capfd, monkeypatch):
    monkeypatch.setenv("TUTELAGE_DATA", str(folder / "data"))
    text = message(MISTAKES[mistake], folder, lambda: tuple(capfd.readouterr()))
    assert text == recorded()[mistake]
    assert "hint: " in text
    assert not list((folder / "runs").rglob("*")), "nothing is written before everything was tried"


def test_a_misspelt_flag_is_told_its_neighbour(capfd):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "digits", "--method.temprature", "2"])
    out, err = capfd.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert err.startswith('error: unknown flag --method.temprature\n\nhint: did you mean "--method.temperature"')


def test_every_recorded_mistake_is_still_made():
    assert list(recorded()) == list(MISTAKES)


if __name__ == "__main__":
    logging.basicConfig(handlers=[logging.NullHandler()])  # as in the tests: what is logged is no message
    import contextlib
    import io

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        os.environ |= {"TUTELAGE_DATA": f"{name}/data", "TUTELAGE_CACHE": f"{name}/photo-cache"}
        texts = []
        for mistake, words in MISTAKES.items():
            from tutelage import progress

            out, err = io.StringIO(), io.StringIO()
            progress.console.file = err
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                text = message(words, Path(name), lambda out=out, err=err: (out.getvalue(), err.getvalue()))
            texts.append(f"== {mistake}\n{text}\n")
    SNAPSHOT.write_text("\n".join(texts))
