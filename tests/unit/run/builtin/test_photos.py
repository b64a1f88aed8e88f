"""The numbers that follow from how many photos there are and from what is trained."""

from dataclasses import replace

import pytest

import small
from tutelage.data import Data
from tutelage.methods.base import Method
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.builtin import photos
from tutelage.run.builtin.photos import Counted


@pytest.fixture
def folder(tmp_path):
    return small.photos(tmp_path / "colours")


def pretrained(path="a/folder"):
    recipe = photos.photos(str(path))
    return replace(recipe, student=Model(recipe.student.name, weights="pretrained"))


def test_photos_learn_from_a_pretrained_network_under_a_new_head():
    chosen = photos.photos("a/folder")
    assert chosen.data.name == "a/folder"
    assert chosen.teacher.model.weights == "pretrained"
    assert chosen.teacher.tune == "head"
    assert chosen.augment.crop_scale > 0
    assert chosen.fit.clip_norm == 1.0


def test_the_training_images_are_counted_without_decoding_one(folder):
    # 20 of each class: a fifth is test, a tenth of what is left val
    assert photos.count(Data(str(folder))) == Counted(images=43, classes=3, fewest=14)
    assert photos.count(Data(str(folder), part=9)) == Counted(images=9, classes=3, fewest=3)


def test_a_student_starts_from_the_weights_that_its_network_has(folder):
    recipe = photos.photos(str(folder))
    assert photos.fitted(recipe)[0].student.weights == "pretrained"
    assert photos.fitted(recipe, {"student.weights"})[0].student.weights == ""
    for without in ("resnet8", "timm:test_nothing_of_that_name", "nets.py:own"):
        assert photos.weights_rule(replace(recipe, student=Model(without)), Counted(43, 3, 14)).values == {}
    own = replace(recipe, student=Model("timm:resnet18", weights="own.safetensors"))
    assert photos.fitted(own)[0].student.weights == "own.safetensors"


@pytest.mark.parametrize(
    ("images", "epochs", "batch_size"), [(10, 15, 10), (200, 15, 32), (600, 11, 32), (2000, 6, 32), (50_000, 6, 32)]
)
def test_steps_of_a_pretrained_student(images, epochs, batch_size):
    values = photos.fit_rule(pretrained(), Counted(images, 10, images // 10)).values
    assert (values["fit.epochs"], values["fit.batch_size"]) == (epochs, batch_size)
    assert values["norms"] == "frozen"


def test_a_random_student_keeps_its_numbers_but_for_a_batch_that_fits():
    random = photos.photos("a/folder")
    assert photos.fit_rule(random, Counted(20, 2, 10)).values == {"fit.batch_size": 20}
    assert photos.method_rule(random, Counted(20, 2, 10)).values == {}


def test_kd_is_set_for_a_pretrained_student_and_nothing_else_is():
    assert photos.suited(KD(), pretrained()) != KD()
    assert photos.suited(KD(), photos.photos("a/folder")) == KD()
    other: Method = DKD()
    assert photos.suited(other, pretrained()) == other


def test_what_is_written_is_kept_and_the_rest_is_said_with_its_reason(folder):
    recipe = replace(pretrained(folder), method=KD(temperature=7.0))
    chosen, lines = photos.fitted(recipe, {"method.temperature", "fit.epochs"})
    assert chosen.method == replace(photos.suited(KD(), recipe), temperature=7.0)
    assert chosen.fit.epochs == 60
    assert lines[0].startswith("43 training images of 3 classes, 14 of the smallest")
    told = "\n".join(lines)
    assert "--norms frozen" in told
    assert "--method.temperature" not in told
    assert "--fit.epochs" not in told
    assert all(": " in line for line in lines[1:])


def test_a_teacher_s_batch_is_no_larger_than_what_there_is():
    assert photos.teacher_rule(pretrained(), Counted(40, 2, 20)).values == {"teacher.fit.batch_size": 40}
    assert photos.teacher_rule(pretrained(), Counted(64, 2, 20)).values == {}
    assert photos.teacher_rule(pretrained().as_baseline, Counted(40, 2, 20)).values == {}


@pytest.mark.parametrize(
    ("tune", "changes", "expected"),
    [
        ("full", {}, ("adamw", 0.00025, 0.01)),
        ("head", {}, ("sgd", 0.01, 1e-4)),
        ("full", {"learning_rate": 0.02}, ("sgd", 0.02, 1e-4)),  # with AdamW it would destroy the network
        ("full", {"optimizer": "sgd"}, ("sgd", 0.01, 1e-4)),
        ("full", {"optimizer": "adamw"}, ("adamw", 0.00025, 0.01)),
        ("full", {"optimizer": "adamw", "learning_rate": 0.001}, ("adamw", 0.001, 0.01)),
        ("full", {"weight_decay": 0.1}, ("adamw", 0.00025, 0.1)),
    ],
)
def test_all_of_a_pretrained_student_is_trained_by_adamw_unless_something_else_is_written(
    folder, tune, changes, expected
):
    recipe = replace(pretrained(folder), tune=tune)
    recipe = replace(recipe, fit=replace(recipe.fit, **changes))
    fit = photos.fitted(recipe, {f"fit.{name}" for name in changes})[0].fit
    assert (fit.optimizer, fit.learning_rate, fit.weight_decay) == expected
