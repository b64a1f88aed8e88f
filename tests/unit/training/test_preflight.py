"""What is said of a teacher before it is paid: facts against numbers from elsewhere, and when a warning comes."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import small
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.methods.baseline import Baseline
from tutelage.methods.combine import composed
from tutelage.methods.kd import KD
from tutelage.methods.mlkd import MLKD
from tutelage.methods.sskd import SSKD
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.twins import made_for, twins
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.training import preflight
from tutelage.training.concerns import concerns, decay
from tutelage.training.loop import train

LITE = Path(os.environ.get("TUTELAGE_WEIGHTS", "/nonexistent")) / "imagenet_tf_efficientnet_lite0.safetensors"


def look(recipe, folder):
    return preflight.look(recipe, small.digits(), small.workspace(folder / "runs"))


def with_weights(recipe: Recipe, change, metadata=None) -> Recipe:
    """The recipe after its teacher's file was changed."""
    path = Path(recipe.teacher.model.weights)
    save_file(change(load_file(path)), path, metadata)
    return recipe


def louder(state):
    """Logits a thousand times as large."""
    return {name: 1000 * tensor if name.startswith("fc2") else tensor for name, tensor in state.items()}


def test_the_facts(tmp_path):
    recipe = small.taught(tmp_path)
    seen = look(recipe, tmp_path)
    (teacher,) = seen["teachers"]
    network = build_teacher(recipe)
    dataset = small.digits()
    with torch.no_grad():
        logits = network(dataset.val.plain(torch.arange(len(dataset.val)))).logits
    assert seen["val"]["top1"] == pytest.approx((logits.argmax(1) == dataset.val.labels).float().mean().item())
    p = (logits / 4).softmax(1)
    assert seen["softness"]["val"][1]["entropy"] == pytest.approx(-(p * p.log()).sum(1).mean().item(), rel=1e-3)
    assert seen["softness"]["val"][1]["largest_probability"] == pytest.approx(p.amax(1).mean().item(), rel=1e-3)
    assert teacher["cost"]["passes"] == 2 * 1294, "two views"
    assert teacher["cost"]["bytes"] == 2 * 1294 * 10 * 2
    assert teacher["cost"]["seconds"] == pytest.approx(2 * 1294 / teacher["images_per_second"])
    assert not seen["val_held_out"]
    train(recipe, small.workspace(tmp_path / "runs"))
    assert look(recipe, tmp_path)["teachers"][0]["cost"] == {"cached": True, "passes": 0, "bytes": 0, "seconds": 0.0}
    live = replace(recipe, teacher=replace(recipe.teacher, live=True))
    assert look(live, tmp_path)["teachers"][0]["cost"]["passes"] == 30 * 128, "every image of every step"
    rotating = replace(recipe, method=SSKD())
    assert look(rotating, tmp_path)["teachers"][0]["cost"]["passes"] == 4 * 2 * 1294, "and three rotations"
    live = replace(rotating, teacher=live.teacher)
    assert look(live, tmp_path)["teachers"][0]["cost"]["passes"] == 4 * 30 * 128


def build_teacher(recipe):
    """Its teacher, as a loop of one's own would build it."""
    network = small.network(small.TEACHER)
    network.network.load_state_dict(load_file(recipe.teacher.model.weights))
    return network


def test_saturation_is_told_with_what_would_help(tmp_path):
    assert not [text for text in concerns(look(small.taught(tmp_path), tmp_path)) if "one-hot" in text]
    sure = with_weights(small.taught(tmp_path, method=KD(temperature=1.0)), louder)
    (told,) = [text for text in concerns(look(sure, tmp_path)) if "one-hot" in text]
    assert "almost one-hot at T = 1 on training views and on val" in told
    assert "at T = 2" in told
    assert "augment.mix" in told


def test_a_teacher_that_is_surer_than_right(tmp_path):
    seen = look(small.taught(tmp_path), tmp_path)

    def told(**val):
        return [text for text in concerns(seen | {"val": seen["val"] | val}) if "sure on val" in text]

    assert not told(), "it is right by chance, which is another concern"
    (boastful,) = told(top1=0.75, confidence=0.96, images=400)
    assert boastful.startswith("the teacher is 96 % sure on val and right on 75 %:")
    assert not told(top1=0.75, confidence=0.8, images=400)
    assert not told(top1=0.75, confidence=0.96, images=20), "within the error of 20 images"


def test_a_mixture_of_sure_teachers_is_not_sure(tmp_path):
    """An ensemble is looked at as a whole."""
    recipe = with_weights(small.taught(tmp_path, method=KD(temperature=1.0)), louder)
    file = small.weights(tmp_path / "other.safetensors", seed=1)
    save_file(louder(load_file(file)), file)
    other = replace(recipe.teacher, model=replace(recipe.teacher.model, weights=str(file)))
    seen = look(recipe.with_teachers(recipe.teacher, other), tmp_path)
    assert seen["softness"]["train"][1]["entropy"] > 0.05
    assert len(seen["teachers"]) == 2


def named(names):
    return {"classes": json.dumps(names)}


def test_other_names_warn_and_another_order_is_an_error(tmp_path):
    recipe = small.taught(tmp_path)
    names = [str(digit) for digit in range(10)]
    assert not [t for t in concerns(look(with_weights(recipe, dict, named(names)), tmp_path)) if "otherwise" in t]
    others = with_weights(recipe, dict, named(["zero", *names[1:]]))
    (told,) = [text for text in concerns(look(others, tmp_path)) if "otherwise" in text]
    assert 'calls 1 of 10 classes otherwise: class 0 is "zero" to it and "0" in the data' in told
    turned = with_weights(recipe, dict, {"classes": ", ".join(["0", "1", "3", "2", *names[4:]])})
    with pytest.raises(UserError, match='in another order: class 2 is "3" to it and "2" in the data'):
        look(turned, tmp_path)
    with pytest.raises(UserError, match="in another order"):
        train(turned, small.workspace(tmp_path / "runs"))


def test_a_run_says_how_good_it_was_and_its_classes(tmp_path):
    """A teacher that was trained here, then looked at through another normalisation."""
    alone = replace(small.taught(tmp_path), student=small.TEACHER, teacher=None, method=Baseline())
    run = train(alone, small.workspace(tmp_path / "runs"))
    by_run = replace(small.taught(tmp_path), teacher=TeacherSpec(Model(weights=str(run.path))))
    seen = look(by_run, tmp_path)
    reached = run.curve("val", "top1")[-1][1]
    assert seen["teachers"][0]["recorded"] == pytest.approx(reached)
    assert seen["val"]["top1"] == pytest.approx(reached, abs=0.01)
    assert seen["val_held_out"]
    assert seen["teachers"][0]["classes"] == [str(digit) for digit in range(10)]
    assert seen["teachers"][0]["name"] == "convnet", "the run's own, whatever the recipe says"
    assert not [text for text in concerns(seen) if "when it was trained" in text]
    dark = Model("convnet", weights=str(run.weights), mean=(5.0,), std=(0.3,), options=small.TEACHER.options)
    worse = look(replace(by_run, teacher=TeacherSpec(dark)), tmp_path)
    (told,) = [text for text in concerns(worse) if "when it was trained" in text]
    assert f"convnet reached {100 * reached:.1f} % on val when it was trained" in told


def test_a_teacher_no_better_than_the_baseline(tmp_path):
    recipe = small.taught(tmp_path)
    assert look(recipe, tmp_path)["baseline"] is None
    tops = []
    for seed in (0, 3):
        run = train(replace(recipe.as_baseline, seed=seed), small.workspace(tmp_path / "runs"))
        tops.append(run.curve("val", "top1")[-1][1])
    train(replace(recipe.as_baseline, views=3), small.workspace(tmp_path / "runs"))
    seen = look(recipe, tmp_path)
    assert seen["baseline"] == {"top1": pytest.approx(sum(tops) / 2), "runs": 2}, "not the run with other views"
    (told,) = [text for text in concerns(seen) if "not clearly better" in text]
    assert "the student alone reaches" in told
    (run.path / "recipe.json").write_text("{")
    assert look(recipe, tmp_path)["baseline"]["runs"] == 1, "a damaged run of the folder stops nothing"
    better = seen | {"val": seen["val"] | {"top1": 0.99}, "baseline": {"top1": 0.5, "runs": 1}}
    assert not [text for text in concerns(better) if "not clearly better" in text]


@pytest.mark.parametrize(("size", "warned"), [(32, True), (64, True), (128, False)])
def test_a_stem_for_large_images_meets_small_ones(tmp_path, size, warned):
    data = DataSpec(10, 3, size, (0.5,) * 3, (0.2,) * 3)
    seen = look(small.taught(tmp_path), tmp_path)
    sides = {}
    for name in ("timm:resnet18", "resnet50_cifar"):
        with torch.device("meta"):
            sides[name] = build(Model(name), data).sizes().features[-1][1]
    facts = {"name": "timm:resnet18", "size": size, "deepest": sides["timm:resnet18"]}
    told = [t for t in concerns(seen | {"student": seen["student"] | facts}) if "a stem for large images" in t]
    assert bool(told) == warned
    facts = {"name": "resnet50_cifar", "size": size, "deepest": sides["resnet50_cifar"]}
    assert not [t for t in concerns(seen | {"student": seen["student"] | facts}) if "a stem for large images" in t]


def test_weights_that_fit_two_networks(tmp_path):
    state = timm.create_model("efficientnet_lite0", num_classes=10).state_dict()
    silent, told = tmp_path / "silent.safetensors", tmp_path / "told.safetensors"
    save_file(state, silent)
    save_file(state, told, {"timm_name": "tf_efficientnet_lite0"})
    model = Model("timm:efficientnet_lite0", weights=str(silent))
    assert (made_for(model), twins(model, classes=10)) == ("", ("timm:tf_efficientnet_lite0",))
    assert twins(replace(model, name="timm:tf_efficientnet_lite0"), classes=10) == ("timm:efficientnet_lite0",)
    assert twins(replace(model, name="timm:resnet18"), classes=10) == ()
    assert twins(replace(model, weights="pretrained"), classes=10) == ()
    assert made_for(replace(model, weights=str(told))) == "timm:tf_efficientnet_lite0"

    seen = look(small.taught(tmp_path), tmp_path)
    (teacher,) = seen["teachers"]

    def first(**facts):
        named = {"name": model.name, "weights": "w.safetensors", "flag": "--teacher.model.name"}
        return concerns(seen | {"teachers": [teacher | named | facts]})[0]

    assert first(made_for="timm:tf_efficientnet_lite0", twins=()).startswith(
        "w.safetensors says it was made for timm:tf_efficientnet_lite0, not timm:efficientnet_lite0"
    )
    unsaid = first(made_for="", twins=("timm:tf_efficientnet_lite0",))
    assert unsaid.startswith("w.safetensors fits timm:efficientnet_lite0 and timm:tf_efficientnet_lite0 alike")
    assert unsaid.endswith("--teacher.model.name timm:tf_efficientnet_lite0")
    assert "alike" not in first(made_for=model.name, twins=("timm:tf_efficientnet_lite0",))


@pytest.mark.skipif(not LITE.is_file(), reason=f"set TUTELAGE_WEIGHTS to a folder with {LITE.name}")
def test_the_published_lite0_says_for_which_of_its_twins_it_was_made():
    model = Model("timm:efficientnet_lite0", weights=str(LITE))
    assert made_for(model) == "timm:tf_efficientnet_lite0"
    assert twins(model, classes=10) == ("timm:tf_efficientnet_lite0",)


def test_a_teacher_in_half_precision_is_converted_and_told(tmp_path, caplog):
    recipe = small.taught(tmp_path)
    whole = look(recipe, tmp_path)
    halved = with_weights(recipe, lambda state: {name: tensor.half() for name, tensor in state.items()})
    with caplog.at_level(logging.INFO, "tutelage"):
        seen = look(halved, tmp_path)
    assert "tensors in half precision became torch.float32" in caplog.text
    assert seen["val"]["nll"] == pytest.approx(whole["val"]["nll"], rel=0.01)


@pytest.mark.parametrize(
    ("method", "second_view", "noted"),
    [(MLKD(), False, "mlkd"), (composed(KD(), MLKD()), False, "kd+mlkd"), (MLKD(), True, ""), (KD(), False, "")],
)
def test_a_method_of_two_views_says_so_where_the_recipe_has_one(tmp_path, capsys, method, second_view, noted):
    recipe = replace(small.taught(tmp_path, views=1), method=method, second_view=second_view)
    preflight.before_training(recipe, small.workspace(tmp_path))
    told = capsys.readouterr().err
    assert (f"note: {noted} sees one view: " in told) == bool(noted)
    assert ("--second-view True shows both" in told) == bool(noted)


def test_a_weight_of_a_hundred_classes_is_warned_of_before_the_teacher_is_paid(tmp_path, capsys):
    recipe = replace(small.taught(tmp_path, views=1), method=MLKD())
    preflight.before_training(recipe, small.workspace(tmp_path))
    told = capsys.readouterr().err
    assert "warning: mlkd's weights were published for 100 classes and batches of 64: with 10 classes" in told
    assert told.index("--method.class_weight 0.0011") < told.index("check: teacher")


@pytest.mark.parametrize(
    ("fit", "warned"),
    [
        (Fit(optimizer="sgd", weight_decay=0.01), True),
        (Fit(optimizer="dot", weight_decay=0.01), True),
        (Fit(optimizer="muon", weight_decay=0.01), False),
        (Fit(optimizer="sgd", weight_decay=5e-4), False),
    ],
)
def test_the_decay_of_another_optimiser_is_named(fit, warned):
    """`--fit.optimizer sgd` alone leaves what the recipe has for muon."""
    assert ("--fit.weight_decay 5e-4" in decay(fit)) == warned


def test_few_validation_images_are_named_before_anything_is_trained(tmp_path, capsys):
    photos = Data(str(small.photos(tmp_path / "photos")), size=8)
    recipe = Recipe(data=photos, student=small.STUDENT)
    assert preflight.before_training(recipe, small.workspace(tmp_path / "runs")) is None
    told = capsys.readouterr().err
    # Wilson's formula at 2 of 5
    assert "warning: 5 validation images are few: of a network that is right on 2 of them, 11.8 % to 76.9 %" in told
    assert "one image is 20.0 points" in told
    assert not (tmp_path / "runs").exists()


def test_a_few_logits_between_0_and_1_are_no_sigmoids():
    logits = torch.tensor([[0.4, 0.5], [0.45, 0.52], [0.5, 0.41]])
    assert preflight.form(logits) == ""
    assert preflight.form(logits.repeat(20, 1)) == "sigmoids"
