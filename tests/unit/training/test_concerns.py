"""From facts to warnings: each where it is due, none where nothing is wrong."""

from dataclasses import replace

import pytest
import torch

import small
from tutelage.data.memory import MemoryImages
from tutelage.methods.cat_kd import CATKD
from tutelage.methods.combine import Warmed, composed
from tutelage.methods.kd import KD
from tutelage.methods.luminet import LumiNet
from tutelage.methods.mlkd import MLKD
from tutelage.methods.wkd_l import WKDL
from tutelage.training.concerns import OVERSURE, SATURATED, concerns, heavy, thin, unfinished

SOFT = {1: 0.6, 2: 0.9, 4: 1.3}
TEACHER = {
    "name": "resnet56",
    "flag": "--teacher",
    "weights": "t.pth",
    "made_for": "",
    "twins": (),
    "classes": (),
    "recorded": None,
    "form": "",
    "val": {"top1": 0.94, "images": 5000},
    "size": 32,
    "deepest": 8,
    "parameters": 900_000,
}
FACTS = {
    "classes": ["cat", "dog", "frog"],
    "teachers": [TEACHER],
    "student": {"name": "resnet8", "size": 32, "deepest": 8, "parameters": 80_000},
    "val": {"top1": 0.94, "images": 5000, "confidence": 0.95, "nll": 0.2},
    "val_held_out": True,
    "baseline": None,
    "temperature": 4.0,
    "softness": {
        "train": {times: {"entropy": entropy} for times, entropy in SOFT.items()},
        "val": {times: {"entropy": entropy} for times, entropy in SOFT.items()},
    },
}


def warned(changes=(), **teacher):
    """The warnings of the facts with these changes."""
    return concerns(FACTS | {"teachers": [TEACHER | teacher]} | dict(changes))


def test_where_nothing_is_wrong_nothing_is_said():
    assert warned() == []


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ({"made_for": "timm:resnet18"}, "says it was made for timm:resnet18, not resnet56"),
        ({"twins": ("timm:tf_x",)}, "fits resnet56 and timm:tf_x alike"),
        ({"classes": ("cat", "dog", "toad")}, 'class 2 is "toad" to it and "frog" in the data'),
        ({"recorded": 0.99}, "reached 99.0 % on val when it was trained, and 94.0 % here"),
        ({"deepest": 1}, "a stem for large images"),
    ],
    ids=["other network", "twin", "other class", "worse than recorded", "stem"],
)
def test_a_teacher_that_was_not_meant(teacher, words):
    (told,) = warned(**teacher)
    assert words in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"val": FACTS["val"] | {"confidence": 0.94 + OVERSURE + 0.03}}, "94 %"),
        ({"baseline": {"top1": 0.94, "runs": 2}}, "not clearly better"),
        ({"student": FACTS["student"] | {"parameters": 900_000}}, "no more parameters than the student"),
        ({"val_held_out": False, "val": FACTS["val"] | {"nll": 0.001}}, "probably trained on those images"),
        (
            {"softness": {split: {1: {"entropy": SATURATED / 2}, 4: {"entropy": 0.2}} for split in ("train", "val")}},
            "almost one-hot",
        ),
    ],
    ids=["oversure", "no better than alone", "small", "val was seen", "saturated"],
)
def test_a_teacher_that_is_not_worth_its_lessons(changes, words):
    (told,) = warned(changes)
    assert words in told


def test_the_gravest_comes_first():
    told = warned({"student": FACTS["student"] | {"parameters": 10**9}}, made_for="timm:resnet18")
    assert "was made for" in told[0]
    assert "no more parameters" in told[-1]


def test_classes_of_very_few_images_are_named():
    whole = small.digits()
    assert thin(whole) == []

    def without(images, keep):
        others = (images.labels != 3).nonzero().flatten()
        chosen = torch.cat([others, (images.labels == 3).nonzero().flatten()[:keep]])
        return MemoryImages(images.images[chosen], images.labels[chosen])

    assert thin(replace(whole, train=without(whole.train, 2), val=without(whole.val, 0))) == [
        "training images of 3 (2) are too few to learn from: add some, or remove the class",
        "no val image is of 3: no number on val speaks of it; add some, or remove the class",
    ]


@pytest.mark.parametrize(
    ("method", "classes", "batch", "instead"),
    [
        (CATKD(), 10, 128, "--method.teacher_weight 1.5"),
        (CATKD(), 10, 16, "--method.teacher_weight 1.5"),
        (CATKD(), 100, 64, ""),
        (CATKD(), 1000, 64, ""),
        (CATKD(teacher_weight=0.7), 10, 128, ""),
        (MLKD(), 10, 128, "--method.batch_weight 0.022 --method.class_weight 0.0011"),
        (MLKD(batch_weight=0.02), 10, 128, "--method.class_weight 0.0011"),
        (MLKD(), 100, 256, "--method.batch_weight 0.11 --method.class_weight 0.028"),
        (composed(KD(), WKDL()), 10, 64, "--method.second.others_weight 60"),
        (KD(), 10, 128, ""),
    ],
)
def test_a_weight_of_a_hundred_classes_is_named_where_there_are_few(method, classes, batch, instead):
    found = heavy(method, classes, batch)
    assert [text.rpartition("; to undo that: ")[2] for text in found] == [instead] * bool(instead)


def test_how_heavy_it_is_and_for_what_it_was_published_is_said():
    assert heavy(MLKD(), 10, 128) == [
        "mlkd's weights were published for 100 classes and batches of 64: with 10 classes and batches of 128, "
        "batch_weight counts 20 times and class_weight counts 400 times as much beside the labels, and the student may "
        "learn less than alone; to undo that: --method.batch_weight 0.022 --method.class_weight 0.0011"
    ]
    assert "published for 100 classes: with 10 classes, teacher_weight counts 10 times" in heavy(CATKD(), 10, 128)[0]


@pytest.mark.parametrize(
    ("method", "epochs", "flag"),
    [
        (LumiNet(), 12, "--method.warm_up 1"),
        (LumiNet(), 40, "--method.warm_up 3.3"),
        (LumiNet(), 41, ""),
        (LumiNet(warm_up=0.0), 1, ""),
        (LumiNet(warm_up=1.0), 12, ""),
        (KD(), 1, ""),
        (composed(KD(), LumiNet()), 12, "--method.second.warm_up 1"),
        (LumiNet(warm_up=1000.0), 12, "--method.warm_up 1"),
        (Warmed(KD()), 12, "--method.epochs 1"),
    ],
)
def test_a_warm_up_that_fills_half_of_the_training_is_named(method, epochs, flag):
    found = unfinished(method, epochs)
    assert [text.rpartition(" is ")[2] for text in found] == [flag] * bool(flag)
    assert all("epochs and this training has" in text for text in found)
