"""The article: as a recipe from the command line, and as the loop of benchmarks/article_mistakes.py."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

import article_mistakes
import small
from tutelage.cli import main
from tutelage.data.memory import MemoryImages
from tutelage.methods.kd import KD
from tutelage.run.builtin import built_in
from tutelage.run.optim import Fit
from tutelage.run.process import ALONE
from tutelage.run.recipe import Recipe
from tutelage.teacher import lessons
from tutelage.training.loop import train


def test_the_recipe_is_the_tutorials():
    recipe, fast = built_in("article"), built_in("article_fast")
    (teacher,) = recipe.of_teachers
    assert (teacher.student.name, teacher.student.weights, teacher.student.size) == (
        "torchvision:resnet50",
        "pretrained",
        224,
    )
    adam = {"batch_size": 64, "optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0, "schedule": "constant"}
    assert teacher.fit == Fit(epochs=10, warm_up=0.0, **adam)
    assert recipe.fit == Fit(epochs=20, warm_up=0.0, **adam)
    assert recipe.method == KD(temperature=1.0, alpha=0.5)
    assert (recipe.student.name, recipe.student.size, fast.student.size) == ("convnet", 224, 0)
    assert lessons.embeddings_will_do(teacher), "the head is trained on cached embeddings"
    assert (recipe.augment.crop_padding, recipe.augment.flip, recipe.views) == (0, "none", 1), "nothing is augmented"


def test_without_a_network_the_file_and_its_flag_are_named(tmp_path, monkeypatch, capsys):
    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["check", "article", "--data.name", "digits"])
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "https://download.pytorch.org/models/resnet50-11ad3fa6.pth" in told
    assert "--teacher.model.weights FILE" in told
    assert not list(tmp_path.iterdir()), "nothing is half-written"


def test_the_article_from_a_file_pays_the_backbone_once(tmp_path, monkeypatch, capsys):
    """A small network of torchvision in ResNet-50's place, its thousand classes replaced."""
    torch.manual_seed(0)
    save_file(torchvision.models.shufflenet_v2_x0_5().state_dict(), tmp_path / "imagenet.safetensors")
    monkeypatch.chdir(tmp_path)
    flags = ["--data.name", "digits", "--data.part", "100", "--fit.epochs", "2", "--engine.threads", "1"]
    network = ["--teacher.model.name", "torchvision:shufflenet_v2_x0_5", "--teacher.model.size", "32"]
    # The digits have one channel: so has the file's first convolution, as the pretrained one would be made to.
    state = load_file("imagenet.safetensors")
    state["conv1.0.weight"] = state["conv1.0.weight"].sum(1, keepdim=True)
    save_file(state, "imagenet.safetensors")
    main(["train", "article_fast", *flags, *network, "--teacher.model.weights", "imagenet.safetensors"])
    assert "val top-1" in capsys.readouterr().out
    costs = {path.parent.name: json.loads(path.read_text()) for path in Path("runs").glob("*/cost.json")}
    images, val = 100, len(small.digits().val)
    teacher = next(cost for name, cost in costs.items() if "shufflenet" in name)
    student = next(cost for name, cost in costs.items() if "convnet" in name)
    assert teacher["teacher_passes_paid"] == images + val, "ten epochs, one pass"
    assert student["teacher_passes_paid"] == 0, "the head answers from the embeddings it learnt from"
    assert student["teacher_passes_saved"] == 2 * 64


def lesson(folder: Path) -> tuple[Recipe, lessons.Lesson]:
    """A taught recipe on the digits, its teacher's answers filled."""
    fit = Fit(epochs=3, batch_size=128, optimizer="adam", learning_rate=0.01, schedule="constant", warm_up=0.0)
    recipe = small.taught(folder, student=small.NORMED, fit=fit, method=KD(temperature=2.0, alpha=0.5))
    return recipe, lessons.prepare(recipe, small.digits(), small.workspace(folder / "runs"), ALONE)


def learnt(recipe: Recipe, cache, *mistakes: str):
    """The benchmark's loop in float32; epochs are chosen on the first 50 validation images."""
    val = small.digits().val
    some = MemoryImages(val.images[:50], val.labels[:50])
    return article_mistakes.learn(recipe, small.digits(), some, cache, mistakes, half=False)


def test_without_a_mistake_the_loop_is_ours(tmp_path):
    """Weight for weight: a switch is then the only difference to `tutelage train`."""
    recipe, ready = lesson(tmp_path)
    ours = load_file(train(recipe, small.workspace(tmp_path / "runs")).weights)
    assert small.same_tensors(ours, learnt(recipe, ready.caches[0]).last.network.state_dict())
    alone = load_file(train(recipe.as_baseline, small.workspace(tmp_path / "runs")).weights)
    assert small.same_tensors(alone, learnt(recipe, None).last.network.state_dict())


def test_each_switch_is_the_mistake_it_says(tmp_path):
    recipe, ready = lesson(tmp_path)
    right = learnt(recipe, ready.caches[0])
    found = {
        name: learnt(recipe, ready.caches[0], name) for name in article_mistakes.MISTAKES if name != "no_augmentation"
    }
    for name in ("by_batch_number", "kl_by_classes", "new_adam"):
        assert not small.same_tensors(found[name].last.state_dict(), right.last.state_dict()), name
    best = found["reload_best"]
    assert small.same_tensors(best.last.state_dict(), best.best.state_dict()), "it ends with its best epoch's weights"


def test_answers_kept_by_batch_number_belong_to_other_images(tmp_path):
    """A teacher that is always right: kept by batch number its answers are right as often as chance."""
    recipe, ready = lesson(tmp_path)
    labels = small.digits().train.labels

    class Oracle:
        def answers(self, sample, view):
            return (
                ready.caches[0]
                .answers(sample, view)
                ._replace(logits=torch.nn.functional.one_hot(labels[sample], 10).float())
            )

    assert learnt(recipe, Oracle()).answers_right == 1
    assert learnt(recipe, Oracle(), "by_batch_number").answers_right == pytest.approx(0.1, abs=0.03)


def test_kl_divided_by_ten_classes_is_ten_times_less_of_the_teacher(tmp_path):
    """alpha = 1/2 becomes 1/11: 0.5 CE + 0.05 KL = 0.55 (10/11 CE + 1/11 KL), and to SGD 0.55 is learning rate."""
    recipe, ready = lesson(tmp_path)
    fit = Fit(epochs=1, batch_size=128, learning_rate=0.02, weight_decay=0.0, schedule="constant", warm_up=0.0)
    wrong = learnt(replace(recipe, fit=fit), ready.caches[0], "kl_by_classes").last.state_dict()
    meant = KD(temperature=2.0, alpha=1 / 11)
    same = learnt(replace(recipe, fit=replace(fit, learning_rate=0.55 * 0.02), method=meant), ready.caches[0])
    for name, tensor in same.last.state_dict().items():
        torch.testing.assert_close(wrong[name], tensor, rtol=1e-3, atol=1e-5)
