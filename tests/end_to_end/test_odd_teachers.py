"""Odd teachers are warned of, right ones are not: a linear teacher of the digits, and what is done to its answers."""

import os
from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression

import small
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.run.recipe import TeacherSpec
from tutelage.training import preflight
from tutelage.training.concerns import concerns

NETWORKS = """
import torch
from torch import nn


class Linear(nn.Module):
    def __init__(self, classes, change=lambda z: z):
        super().__init__()
        self.fc, self.change = nn.Linear(64, classes), change

    def forward(self, pixels):
        return self.change(self.fc(pixels.flatten(1)))


def holes(z):
    return torch.where(z.argmax(1, keepdim=True) == 3, torch.nan, z)


def plain(classes): return Linear(classes)
def softmax(classes): return Linear(classes, lambda z: z.softmax(1))
def log_softmax(classes): return Linear(classes, lambda z: z.log_softmax(1))
def sigmoid(classes): return Linear(classes, torch.sigmoid)
def tiny(classes): return Linear(classes, lambda z: z / 1000)
def cosine(classes): return Linear(classes, lambda z: z / z.norm(dim=1, keepdim=True))
def nan(classes): return Linear(classes, holes)
def pair(classes): return Linear(classes, lambda z: (z, z))
def one_number(classes): return Linear(classes, lambda z: z[:, 0])
def by_name(classes): return Linear(classes, lambda z: {"logits": z})
def lost(classes): return Linear(classes, lambda z: {}["logits"])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """net.py, and the weights of a linear classifier that scikit-learn has fitted."""
    made = tmp_path_factory.mktemp("odd")
    (made / "net.py").write_text(NETWORKS)
    dataset = small.digits()
    pixels = dataset.train.plain(torch.arange(len(dataset.train)))
    normal = (pixels - torch.tensor(dataset.mean)) / torch.tensor(dataset.std)
    fitted = LogisticRegression(C=0.02, max_iter=200).fit(normal.flatten(1).numpy(), dataset.train.labels.numpy())
    weight, bias = torch.from_numpy(fitted.coef_).float(), torch.from_numpy(fitted.intercept_).float()
    torch.save({"fc.weight": weight, "fc.bias": bias}, made / "w.pth")
    return made


def recipe(folder, name):
    teacher = TeacherSpec(Model(f"{folder / 'net.py'}:{name}", weights=str(folder / "w.pth")))
    return replace(small.taught(folder), teacher=teacher)


def told(folder, name):
    return concerns(preflight.look(recipe(folder, name), small.digits(), small.workspace(folder / "runs")))


def test_a_right_teacher_is_not_warned_of(folder):
    assert [text for text in told(folder, "plain") if "no more parameters than the student" not in text] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("softmax", "answers with probabilities: it ends in a softmax"),
        ("log_softmax", "answers with log-probabilities: it ends in a log-softmax"),
        ("sigmoid", "it ends in a sigmoid"),
        ("tiny", "its logits are all small"),
        ("cosine", "its logits are all small"),
    ],
)
def test_an_odd_teacher_is_named(folder, name, words):
    found = told(folder, name)
    assert words in found[0]
    assert sum("all small" in text or "ends in" in text for text in found) <= 1, "one cause is told once"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pair", "answers one image with tuple and not with logits"),
        ("one_number", r"answers one image with a tensor of shape \[1\]"),
        ("by_name", "answers one image with dict"),
        ("lost", "lost fails on images of 1 x 8 x 8: 'logits'"),
        ("nan", r"the teacher's logits are not finite.*\n\nhint: look at its weights and normalisation$"),
    ],
)
def test_what_answers_with_no_logits_is_refused(folder, name, words):
    with pytest.raises(UserError, match=words):
        told(folder, name)


def test_one_sigmoid_for_two_classes_is_named(tmp_path):
    (tmp_path / "one.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Sigmoid())\n"
    )
    two = replace(small.digits(), classes=("no", "yes"))
    with pytest.raises(UserError, match="answers with one number where digits has 2 classes: that is a sigmoid's") as e:
        preflight.build_for(Model(f"{tmp_path}{os.sep}one.py:net"), two, 0)
    assert "torch.cat([-z, z], 1) / 2" in e.value.hint


SEEN = {"teachers": [], "student": {"deepest": None, "size": 8, "parameters": 0}, "val_held_out": True} | {
    "softness": {split: {1: {"entropy": 1.0}} for split in ("train", "val")} | {},
    "temperature": 1.0,
    "baseline": None,
}


def by_accuracy(classes, right, images, confidence=None):
    top1 = right / images
    val = {"top1": top1, "images": images, "confidence": top1 if confidence is None else confidence, "nll": 1.0}
    teacher = {"name": "t", "form": "", "parameters": 9, "classes": (), "recorded": None, "made_for": "", "twins": ()}
    teacher |= {"size": 8, "deepest": None, "val": val, "weights": ""}
    return concerns(SEEN | {"classes": [str(i) for i in range(classes)], "val": val, "teachers": [teacher]})


@pytest.mark.parametrize(
    ("classes", "right", "images"),
    [(2, 974, 1000), (2, 90, 100), (2, 66, 100), (2, 3, 6), (2, 12, 20), (3, 18, 30), (3, 55, 100), (10, 1, 4)],
)
def test_no_alarm_about_chance_on_few_classes_or_images(classes, right, images):
    assert by_accuracy(classes, right, images) == []


@pytest.mark.parametrize(
    ("classes", "right", "images"), [(2, 50, 100), (2, 100, 200), (2, 10, 20), (3, 35, 100), (10, 10, 100), (10, 0, 20)]
)
def test_chance_is_still_told(classes, right, images):
    (text,) = by_accuracy(classes, right, images)
    assert f"chance is {100 / classes:.1f} %" in text


@pytest.mark.parametrize(("top1", "confidence", "warned"), [(0.9, 0.12, True), (0.8, 0.45, False), (0.3, 0.28, False)])
def test_small_logits_are_those_that_say_less_than_they_know(top1, confidence, warned):
    found = by_accuracy(10, round(1000 * top1), 1000, confidence)
    assert [("all small" in text) for text in found] == [True] * warned


def test_a_low_loss_on_few_images_proves_nothing(folder):
    seen = preflight.look(recipe(folder, "plain"), small.digits(), small.workspace(folder / "runs"))
    few = seen | {"val": seen["val"] | {"nll": 0.001, "images": 20, "top1": 1.0, "confidence": 1.0}}
    assert not [text for text in concerns(few) if "probably trained on those images" in text]
    many = few | {"val": few["val"] | {"images": 500}}
    assert [text for text in concerns(many) if "probably trained on those images" in text]
