"""From the words of a command line to a recipe."""

from dataclasses import replace

import pytest

import small
from tutelage.cli.flags import TrainFlags, parsed, with_needed_teachers
from tutelage.errors import UserError
from tutelage.methods.baseline import Baseline
from tutelage.models import Model
from tutelage.training.loop import train


def recipe(*words):
    return parsed(TrainFlags, "train", ["digits", *words]).recipe


def test_one_teacher_by_its_name():
    spec = recipe("--teacher", "resnet14").teacher
    assert (spec.model, spec.tune, spec.seed) == (Model("resnet14"), "full", 0)
    assert recipe("--teacher=resnet14") == recipe("--teacher", "resnet14")


def test_a_method_that_needs_no_teacher_is_the_same_run_whatever_the_flag_says():
    assert with_needed_teachers(recipe("baseline", "--teacher", "resnet14")).name == recipe("baseline").name
    assert with_needed_teachers(recipe("kd", "--teacher", "resnet14")).teacher is not None


def test_a_network_with_weights_for_other_classes_gets_a_new_head():
    spec = recipe("--teacher", "timm:resnet18").teacher
    assert (spec.model, spec.tune) == (Model("timm:resnet18", weights="pretrained"), "head")
    assert recipe("--teacher", "timm:resnet18", "--teacher.tune", "full").teacher.tune == "full"


def test_several_make_an_ensemble():
    chosen = recipe("--teacher", "resnet14", "--teacher", "resnet20", "--teacher", "resnet14")
    assert chosen.teacher is None
    assert [(s.model.name, s.seed) for s in chosen.teachers] == [("resnet14", 0), ("resnet20", 0), ("resnet14", 1)]


def test_flags_of_every_member_and_of_one():
    names = ("--teacher", "convnet", "--teacher", "convnet")
    chosen = recipe(*names, "--teacher.fit.epochs", "3", "--teacher.model.mean", "0.1", "--teachers.1.fit.epochs", "4")
    assert [spec.fit.epochs for spec in chosen.teachers] == [3, 4]
    assert [spec.model.mean for spec in chosen.teachers] == [(0.1,), (0.1,)]
    chosen = recipe(*names, "--teacher.options", '{"hidden": 8}', "--teachers.0.options", '{"hidden": 9}')
    assert [spec.model.options for spec in chosen.teachers] == [{"hidden": 9}, {"hidden": 8}]


def test_stages_by_commas_or_by_spaces():
    paths = ("layer1", "layer2")
    assert recipe("--student.stages", "layer1,layer2").student.stages == paths
    assert recipe("--student.stages", "layer1", "layer2").student.stages == paths
    assert recipe("--teacher.model.stages=layer1,layer2").teacher.model.stages == paths


def test_a_run_brings_its_own_network(tmp_path):
    alone = replace(small.taught(tmp_path), teacher=None, method=Baseline(), fit=small.Fit(epochs=1, batch_size=128))
    run = train(alone, small.workspace(tmp_path / "runs"))
    spec = recipe("--teacher", str(run.path)).teacher
    assert spec.model == replace(small.STUDENT, weights=str(run.path))
    assert spec.tune == "none"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--teacher"], "--teacher needs a value"),
        (["--teacher", "resnet8", "resnet14"], "--teacher takes one value"),
        (["--student.options", "width"], "'width' is not a JSON object"),
        (["--teacher", "runs/gone"], "there is no file or run runs/gone"),
        (["--fit.epoch", "3"], 'unknown flag --fit.epoch\n\nhint: did you mean "--fit.epochs"'),
        (["--batch_size=3"], 'did you mean "--fit.batch-size"'),
        (["--lr", "3"], 'did you mean "--fit.learning-rate"'),
        (["-x"], "unknown flag -x"),
        (["--seed", "1", "2"], "2 belongs to no flag"),
        (["baseline", "--teacher.fit.epochs", "3"], "--teacher.fit.epochs is for a teacher"),
        (["--data.name", ""], "data.name is empty"),
        (["kd", "dkd"], "several methods have commas between them: tutelage distill digits kd,dkd"),
        (["--student.options"], """--student.options needs a value\n\nhint: write --student.options '{"widths": """),
        (["--teacher", ""], "--teacher needs a value"),
        (["kd", "--method", "dkd"], "--method is no flag: the method is the word behind the recipe"),
        (["kd", "--method.name=dkd"], "--method.name is no flag: the method is the word behind the recipe"),
        (["kd+at", "--method.first.name", "dkd"], "\n\nhint: tutelage train RECIPE dkd, or RECIPE kd+at"),
        (["kd", "--fit", "3"], "--fit has fields, each with a flag\n\nhint: --fit.epochs, --fit.batch-size, --fit.opt"),
        (["kd", "\u2013fit.epochs", "3"], "begins with a dash, not with two hyphens\n\nhint: write --fit.epochs"),
        (["kd", "--seed", "3", "\u2014-views"], "begins with a dash, not with two hyphens\n\nhint: write --views"),
        (["kd", "--", "--fit.epochs", "3"], "-- stands alone: no flag has that name"),
        (["kd+at", "--method.first.alpha", "3"], "method.first.alpha = 3.0 is outside [0, 1]"),
    ],
)
def test_mistakes(words, message):
    with pytest.raises(UserError) as caught:
        recipe(*words)
    assert message in str(caught.value)


def test_a_method_in_the_place_of_the_recipe():
    for words in (["kd"], ["kd", "digits"]):
        with pytest.raises(UserError, match="kd is a method: the recipe comes before it") as caught:
            parsed(TrainFlags, "train", words)
        assert "tutelage train digits kd" in caught.value.hint


def test_a_folder_s_numbers_follow_from_its_photos_and_flags_are_kept(tmp_path, capsys):
    folder = str(small.photos(tmp_path / "colours"))
    by_rule = parsed(TrainFlags, "train", [folder]).recipe
    assert by_rule.student.weights == "pretrained"
    assert by_rule.norms == "frozen"
    told = capsys.readouterr().err
    assert "--student.weights pretrained: " in told
    words = ("--student.weights", "random", "--fit.epochs", "3")
    chosen = parsed(TrainFlags, "train", [folder, *words]).recipe
    assert (chosen.student.weights, chosen.norms, chosen.fit.epochs) == ("", "trained", 3)
    chosen = parsed(TrainFlags, "train", [folder, "--fit.learning-rate=0.5", "--norms", "trained"]).recipe
    assert (chosen.fit.learning_rate, chosen.norms) == (0.5, "trained")
    assert chosen.fit.epochs == by_rule.fit.epochs


def test_other_recipes_are_not_touched(tmp_path):
    folder = small.photos(tmp_path / "colours")
    own = recipe("--student", "timm:resnet18")
    assert (own.student.weights, own.norms) == ("", "trained")
    (tmp_path / "mine.toml").write_text(f'[data]\nname = "{folder}"\n[student]\nname = "timm:resnet18"\n')
    chosen = parsed(TrainFlags, "train", [str(tmp_path / "mine.toml")]).recipe
    assert (chosen.student.weights, chosen.norms) == ("", "trained")
