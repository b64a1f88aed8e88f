"""One run in full: what is written is what is read, mistakes are named, and the hash moves with every number."""

import dataclasses
import json
import re
import shutil
import tomllib
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from small import taught
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.errors import UserError
from tutelage.methods import METHODS, method_class
from tutelage.methods.base import ranges
from tutelage.methods.baseline import Baseline
from tutelage.methods.combine import Sum, Warmed
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run import recipe as recipes
from tutelage.run.builtin import read
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec

# --- recipes that nobody would write, as dictionaries: the type checker draws random numbers, hypothesis minds

words = st.text(max_size=12)
plain_words = st.text("abcxyz019_-.:/ ", max_size=12)
shares = st.floats(0, 0.999)
positive = st.floats(1e-6, 1e3)
numbers = st.integers(0, 2**62)
scalars = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e38, 1e38) | words
options = st.dictionaries(words, scalars | st.lists(scalars, max_size=3) | st.dictionaries(words, scalars, max_size=2))
models = st.fixed_dictionaries(
    {
        "name": words,
        "weights": plain_words,
        "size": st.integers(0, 512),
        "mean": st.lists(shares, max_size=3).map(tuple),
        "std": st.lists(positive, max_size=3).map(tuple),
        "stages": st.lists(words, max_size=3).map(tuple),
        "options": options,
    }
)
fits = st.fixed_dictionaries(
    {
        "epochs": st.integers(1, 500),
        "batch_size": st.integers(1, 4096),
        "optimizer": st.sampled_from(["sgd", "adamw", "adam"]),
        "learning_rate": positive,
        "momentum": shares,
        "weight_decay": shares,
        "schedule": st.sampled_from(["cosine", "step", "constant"]),
        "warm_up": st.floats(0, 50),
        "clip_norm": shares,
        "ema": shares,
    }
)
teachers = st.fixed_dictionaries(
    {
        "model": models,
        "tune": st.sampled_from(["none", "head", "last_stage", "full"]),
        "fit": fits,
        "seed": numbers,
        "live": st.booleans(),
        "storage": st.sampled_from(["float16", "float32"]),
    }
)
augments = st.fixed_dictionaries(
    {
        "seed": numbers,
        "crop_padding": st.integers(0, 8),
        "padding": st.sampled_from(["reflect", "zero"]),
        "flip": st.sampled_from(["random", "alternate", "none"]),
        "cutout": st.integers(0, 8),
        "mix": st.sampled_from(["none", "mixup", "cutmix"]),
        "mix_alpha": positive,
    }
)


@st.composite
def methods(draw):
    """Any method with any numbers in their ranges: (name, values)."""
    name = draw(st.sampled_from(sorted(METHODS)))
    hints = get_type_hints(method_class(name))
    values = {}
    for field, allowed in ranges(method_class(name)).items():
        low, high = allowed.low, min(allowed.high, allowed.low + 100)
        if hints[field] is int:
            values[field] = draw(st.integers(int(low), int(high)))
        else:
            values[field] = draw(st.floats(low, high, exclude_min=allowed.open))
    return name, values


recipe_parts = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries({"name": words, "part": numbers, "val_share": st.floats(0.01, 0.99)}),
        "student": models,
        "teachers": st.none() | teachers | st.lists(teachers, min_size=2, max_size=3),
        "method": methods(),
        "augment": augments,
        "fit": fits,
        "tune": st.sampled_from(["head", "last_stage", "full"]),
        "views": st.integers(0, 1000),
        "seed": numbers,
    }
)


def spec(plain: dict[str, Any]) -> TeacherSpec:
    """A teacher of drawn parts."""
    return TeacherSpec(**plain | {"model": Model(**plain["model"]), "fit": Fit(**plain["fit"])})


def built(parts: dict[str, Any]) -> Recipe:
    """The recipe of drawn parts; examples that make none are dropped."""
    one_or_more = parts["teachers"]
    several = one_or_more if isinstance(one_or_more, list) else []
    name, values = parts["method"]
    try:
        return Recipe(
            **parts
            | {
                "data": Data(**parts["data"]),
                "student": Model(**parts["student"]),
                "teacher": spec(one_or_more) if isinstance(one_or_more, dict) else None,
                "teachers": tuple(map(spec, several)),
                "method": method_class(name)(**values),
                "augment": Augment(**parts["augment"]),
                "fit": Fit(**parts["fit"]),
            }
        )
    except UserError:
        reject()


@settings(deadline=None, max_examples=100)
@given(parts=recipe_parts)
def test_what_is_written_is_what_is_read(parts):
    recipe = built(parts)
    plain = recipe.to_dict()
    assert Recipe.from_dict(plain) == recipe
    assert Recipe.from_dict(json.loads(json.dumps(plain))) == recipe
    assert Recipe.from_dict(tomllib.loads(recipes.to_toml(recipe))) == recipe


def test_files_and_folders_are_read_like_the_recipe_itself(tmp_path):
    recipe = taught(tmp_path, method=KD(temperature=2.5))
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    (tmp_path / "mine.toml").write_text(recipes.to_toml(recipe), encoding="utf-8")
    for name in ("mine.toml", "recipe.json", ""):
        assert read(str(tmp_path / name)) == recipe


def test_toml_has_no_null(tmp_path):
    recipe = Recipe(student=Model("convnet", options={"norm": None}))
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(UserError, match="an option of this recipe is null"):
        recipes.to_toml(recipe)


def test_a_recipe_of_another_schema_is_refused():
    with pytest.raises(UserError, match="schema 2") as error:
        Recipe.from_dict({"schema": 2})
    assert "update this one" in error.value.hint
    with pytest.raises(UserError, match="schema 0") as error:
        Recipe.from_dict({"schema": 0})
    assert error.value.hint == "write schema = 1"


@settings(deadline=None, max_examples=30)
@given(parts=recipe_parts, data=st.data())
def test_what_is_absent_has_its_default(parts, data):
    """Any part of a recipe is a recipe."""
    plain = built(parts).to_dict()
    kept = data.draw(st.sets(st.sampled_from(["data", "student", "augment", "fit", "tune", "views", "seed", "schema"])))
    read = Recipe.from_dict({name: plain[name] for name in kept})
    for name in ("data", "student", "augment", "fit", "tune", "views", "seed"):
        expected = plain[name] if name in kept else Recipe().to_dict()[name]
        assert read.to_dict()[name] == expected


# --- mistakes


@pytest.mark.parametrize(
    ("plain", "message", "hint"),
    [
        ({"fitt": {}}, 'unknown field "fitt"', 'did you mean "fit"?'),
        ({"fit": {"learning_rte": 0.1}}, 'unknown field "fit.learning_rte"', 'did you mean "fit.learning_rate"?'),
        ({"student": {"nmae": "x"}}, 'unknown field "student.nmae"', "student.name"),
        (
            {"teacher": {"model": {"wieghts": "x"}}, "method": {"name": "kd"}},
            'unknown field "teacher.model.wieghts"',
            "teacher.model.weights",
        ),
        (
            {"method": {"name": "kd", "temprature": 2.0}, "teacher": {}},
            'unknown field "method.temprature"',
            'did you mean "method.temperature"',
        ),
        ({"method": {"name": "kdd"}}, 'unknown method "kdd"', 'did you mean "kd"'),
        ({"method": {"alpha": 0.5}}, "method has no name", "[method]"),
        ({"augment": {"mix": "mixupp"}}, 'unknown value of augment.mix: "mixupp"', '"mixup"'),
        ({"fit": {"optimizer": "SGD"}}, 'unknown value of fit.optimizer: "SGD"', '"sgd"'),
        ({"fit": {"epochs": 3.0}}, "fit.epochs = 3.0 is not a whole number", "a whole number"),
        ({"fit": {"epochs": "3"}}, "fit.epochs = '3' is not a whole number", "a whole number"),
        ({"fit": {"epochs": True}}, "fit.epochs = True is not a whole number", "a whole number"),
        ({"fit": {"learning_rate": "0.1"}}, "fit.learning_rate = '0.1' is not a number", "a number"),
        ({"fit": {"learning_rate": True}}, "fit.learning_rate = True is not a number", "a number"),
        ({"fit": 3}, "fit = 3 is not a table", "[fit]"),
        ({"fit": None}, "fit = None is not a table", "[fit]"),
        ({"method": "kd"}, "method = 'kd' is not a table", "write [method] and under it name = 'kd'"),
        ({"method": {"name": ""}}, "method.name is empty", 'write name = "kd" in [method]'),
        ({"method": {"name": "kd+at"}}, "method.name = 'kd+at' is more than one method", 'name = "sum" in [method]'),
        ({"student": {"mean": 0.5}}, "student.mean = 0.5 is not a list", "a list"),
        ({"student": {"mean": [0.5, "x"]}}, "student.mean[1] = 'x' is not a number", "a number"),
        ({"student": {"options": [1]}}, "student.options = [1] is not a table", "a table"),
        ({"seed": None}, "seed = None is not a whole number", "a whole number"),
        ({"views": -1}, "views = -1", "at least 1"),
        ({"method": {"name": "kd"}}, "method kd needs a teacher", "teacher.model.name"),
        ({"method": {"name": "kd", "temperature": 0.0}, "teacher": {}}, "method.temperature = 0.0", "temperature in"),
        ({"method": {"name": "kd", "alpha": 1.5}, "teacher": {}}, "method.alpha = 1.5", "alpha in"),
        (
            {"method": {"name": "sum", "first": {"name": "kd"}, "second": {"name": "kd", "alpha": 7}}, "teacher": {}},
            "method.second.alpha = 7.0 is outside [0, 1]",
            "choose alpha in",
        ),
        (
            {"method": {"name": "warmed", "method": {"name": "kd", "alpha": 7}}, "teacher": {}},
            "method.method.alpha = 7.0 is outside [0, 1]",
            "choose alpha in",
        ),
        ({"method": {"name": "dkd"}, "teacher": {}, "augment": {"mix": "mixup"}}, "dkd singles out", 'mix = "none"'),
        (
            {
                "method": {"name": "sum", "first": {"name": "kd"}, "second": {"name": "dkd"}},
                "teacher": {},
                "augment": {"mix": "cutmix"},
            },
            "dkd singles out",
            'mix = "none"',
        ),
        ({"method": {"name": "sskd"}, "teacher": {}, "augment": {"mix": "mixup"}}, "sskd singles out", 'mix = "none"'),
        ({"fit": {"momentum": 1.0}}, "fit.momentum = 1.0", "[0, 1)"),
        ({"fit": {"learning_rate": float("nan")}}, "fit.learning_rate = nan", "a finite one"),
        ({"data": {"val_share": 1}}, "data.val_share is 1", "0.1"),
        ({"method": {"name": "sum", "first": {"name": "kd"}}, "teacher": {}}, "method has no second", "method.second"),
    ],
)
def test_a_mistake_is_named_with_its_address(plain, message, hint):
    with pytest.raises(UserError) as told:
        Recipe.from_dict(plain)
    assert message in told.value.message
    assert hint in told.value.hint


def test_a_mistake_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    for text, expected in (("views = 'x'", "views = 'x'"), ("views = ", "is not valid TOML")):
        path.write_text(text)
        with pytest.raises(UserError, match=re.escape(expected)) as told:
            read(str(path))
        assert str(path) in told.value.message
    with pytest.raises(UserError, match="no recipe file"):
        read(str(tmp_path / "absent.toml"))


# --- the hash


def leaves(record: Any, path: tuple[str, ...] = ()):
    """(path, type, value) of every field that is not itself a record."""
    hints = get_type_hints(type(record))
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, (*path, f.name))
        elif f.name != "teachers":
            yield (*path, f.name), hints[f.name], value


def changed(record: Any, path: tuple[str, ...], value: Any) -> Any:
    """The same record with another value at a path."""
    if len(path) > 1:
        value = changed(getattr(record, path[0]), path[1:], value)
    return dataclasses.replace(record, **{path[0]: value})


def another(kind: Any, value: Any) -> Any:
    """Another value that the field may have."""
    if get_origin(kind) is Literal:
        return next(choice for choice in get_args(kind) if choice not in (value, "none"))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.5
    one = "another" if kind in (str, tuple[str, ...]) else 0.5
    return {str: one, tuple: (one,), dict: {"widths": [1]}}[type(value)]


FULL = Recipe(
    student=Model("convnet", mean=(0.1,)),
    teacher=TeacherSpec(Model("resnet20"), tune="full"),
    method=Sum(KD(), Warmed(KD(temperature=2.0), 5.0), 0.5),
    augment=Augment(mix="mixup"),
)


SPEED = ("data.keep", "data.look", "data.on_bad")
"""Fields that change no pixel."""
OF_A_FOLDER = ("data.unlabeled", "data.splits", "data.group", "data.on_leak", "data.fold")
"""Fields that need a folder of photos: tests/unit/data."""


@pytest.mark.parametrize("path", SPEED)
def test_the_hash_stays_where_no_pixel_moves(path):
    kind, value = next((kind, value) for p, kind, value in leaves(FULL) if ".".join(p) == path)
    moved = changed(FULL, tuple(path.split(".")), next(choice for choice in get_args(kind) if choice != value))
    assert moved != FULL
    assert moved.name == FULL.name


@pytest.mark.parametrize(
    "path",
    [p for p in (".".join(path) for path, *_ in leaves(FULL)) if p not in (*SPEED, *OF_A_FOLDER)],
)
def test_the_hash_moves_with_every_field(path, tmp_path):
    kind, value = next((kind, value) for p, kind, value in leaves(FULL) if ".".join(p) == path)
    other: Any = another(kind, value)
    if path.endswith("weights"):
        other = str(tmp_path / "w.safetensors")
        (tmp_path / "w.safetensors").write_bytes(b"weights")
    full = changed(FULL, ("augment", "mix"), "none") if path in ("second_view", "teacher.folds") else FULL
    other = 3 if path == "teacher.folds" else (0, 2) if path.endswith("held_back") else other
    moved = changed(full, tuple(path.split(".")), other)
    assert moved not in (full, FULL)
    assert moved.name.rsplit("-", 1)[1] != full.name.rsplit("-", 1)[1]
    assert moved.name.rsplit("-", 1)[1] != FULL.name.rsplit("-", 1)[1]


ENSEMBLE = Recipe(
    teachers=(TeacherSpec(Model("resnet20"), tune="full"), TeacherSpec(Model("resnet14"), tune="full")), method=KD()
)


OF_ONE_TEACHER = ("folds", "held_back")


@pytest.mark.parametrize(
    "path", [p for p in (".".join(path) for path, *_ in leaves(ENSEMBLE.teachers[1])) if p not in OF_ONE_TEACHER]
)
def test_the_hash_moves_with_every_field_of_every_member(path, tmp_path):
    first, second = ENSEMBLE.teachers
    kind, value = next((kind, value) for p, kind, value in leaves(second) if ".".join(p) == path)
    other: Any = another(kind, value)
    if path.endswith("weights"):
        other = str(tmp_path / "w.safetensors")
        (tmp_path / "w.safetensors").write_bytes(b"weights")
    moved = dataclasses.replace(ENSEMBLE, teachers=(first, changed(second, tuple(path.split(".")), other)))
    assert moved.name.rsplit("-", 1)[1] != ENSEMBLE.name.rsplit("-", 1)[1]


def test_what_an_untrained_member_is_not_trained_with_does_not_matter():
    members = tuple(dataclasses.replace(m, tune="none", seed=i) for i, m in enumerate(ENSEMBLE.teachers))
    others = tuple(dataclasses.replace(m, seed=m.seed + 5, fit=Fit(epochs=9)) for m in members)
    assert dataclasses.replace(ENSEMBLE, teachers=members).name == dataclasses.replace(ENSEMBLE, teachers=others).name


def test_no_run_was_renamed_by_a_later_field():
    """Names that runs got before recipes had ensembles."""
    assert Recipe().name == "digits-baseline-resnet8-s0-95d1f874"
    assert FULL.name == "digits-kd+kd-convnet-s0-b0dc1a96"
    assert read("digits").name == "digits-kd-resnet8-s0-7e3022c7"
    assert read("tutorial").name == "cifar10-kd-convnet-s0-bc1ecd87"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": TeacherSpec()}, "one teacher is written as teacher, several as teachers; this recipe has both"),
        ({"teachers": ENSEMBLE.teachers[:1]}, "this recipe has a list of one"),
        ({"teachers": ENSEMBLE.teachers[:1] * 2}, "the same teacher twice in one ensemble"),
        ({"method": method_class("rkd")()}, "rkd reads the teacher's embedding, of which an ensemble has none"),
        ({"method": method_class("simkd")()}, "simkd reads the teacher's embedding and head, of which"),
        ({"method": Sum(KD(), method_class("at")())}, r"kd\+at reads the teacher's features, of which"),
        (
            {"method": Sum(KD(), KD(temperature=2.0))},
            r"kd\+kd reads the teachers at T = 2 and 4: an ensemble is averaged",
        ),
    ],
)
def test_what_is_no_ensemble(changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(ENSEMBLE, **changes)


def test_the_hash_moves_with_the_method():
    same_fields = [Recipe(method=m) for m in (Baseline(), method_class("label_smoothing")())]
    assert len({r.name[-8:] for r in same_fields}) == 2


def test_fields_at_their_default_are_left_out():
    """So that a field added later renames no run."""
    assert Recipe(student=Model()).identity == {
        "schema": 1, "data": {}, "student": {}, "method": {"name": "baseline"}, "augment": {}, "fit": {}
    }  # fmt: skip
    assert Recipe(fit=Fit(epochs=7)).identity["fit"] == {"epochs": 7}


def test_a_path_is_not_part_of_the_hash_its_content_is(tmp_path):
    recipe = taught(tmp_path)
    assert recipe.teacher is not None
    copied = tmp_path / "elsewhere" / "copy.safetensors"
    copied.parent.mkdir()
    shutil.copy(recipe.teacher.model.weights, copied)
    moved = changed(recipe, ("teacher", "model", "weights"), str(copied))
    assert moved != recipe
    assert moved.name == recipe.name
    copied.write_bytes(b"other weights")
    assert moved.name != recipe.name
    copied.unlink()
    with pytest.raises(UserError, match="no file of weights"):
        _ = moved.name


def test_a_runs_folder_stands_for_its_final_weights(tmp_path):
    recipe = taught(tmp_path)
    assert recipe.teacher is not None
    folder = tmp_path / "run"
    folder.mkdir()
    by_folder = changed(recipe, ("teacher", "model", "weights"), str(folder))
    with pytest.raises(UserError, match="is a folder, and no run's"):
        _ = by_folder.name
    shutil.copy(recipe.teacher.model.weights, folder / "student.safetensors")
    assert by_folder.name == recipe.name


def test_a_network_of_ones_own_is_known_by_its_source(tmp_path):
    source = tmp_path / "net.py"
    names = []
    for text in ("one", "two", "one"):
        source.write_text(f"{text} = 1  # of {len(names)}")
        names.append(Recipe(student=Model(f"{source}:make")).name)
    assert names[0] == names[2] != names[1]


def test_what_an_untrained_teacher_is_not_trained_with_does_not_matter(tmp_path):
    recipe = taught(tmp_path)
    for path, value in ((("teacher", "seed"), 5), (("teacher", "fit"), Fit(epochs=9))):
        assert changed(recipe, path, value).name == recipe.name


def test_the_name_is_readable_and_a_file_name():
    recipe = Recipe(data=Data("cifar10"), student=Model("timm:resnet18.a1_in1k"), seed=3)
    assert re.fullmatch(r"cifar10-baseline-timm_resnet18\.a1_in1k-s3-[0-9a-f]{8}", recipe.name)
    assert FULL.name.startswith("digits-kd+kd-convnet-s0-")


def test_a_person_can_read_a_recipe():
    """At most 84 numbers and words."""
    recipe = Recipe(teacher=TeacherSpec(), method=KD())
    assert len(list(leaves(recipe))) <= 84


# --- recipes of other recipes


def test_the_baseline_has_everything_but_the_teacher():
    baseline = FULL.as_baseline
    assert baseline == dataclasses.replace(FULL, teacher=None, method=Baseline())
    assert baseline.fit == FULL.fit


def test_the_teachers_own_run_sees_the_same_images_unmixed():
    (own,) = FULL.of_teachers
    assert own.teacher is None
    assert own.student == Model("resnet20")
    assert (own.augment, own.data) == (Augment(mix="none"), FULL.data)
    assert not Recipe(teacher=TeacherSpec()).of_teachers
