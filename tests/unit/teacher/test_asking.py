"""A teacher answers in the numbers that its cache says it does: float32, or others within a stated tolerance."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from small import AUGMENT, digits, network, taught, workspace
from tutelage.data.augment import Augment
from tutelage.errors import UserError
from tutelage.methods.at import AT
from tutelage.outputs import Outputs
from tutelage.run.optim import Fit
from tutelage.teacher import asking, shards
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cachefiles import caches
from tutelage.teacher.identity import identity
from tutelage.training.loop import train

FIELDS = ("logits", "embedding")


class Watched(torch.nn.Linear):
    """Notes how cuDNN would compute."""

    def forward(self, pixels, want):
        self.seen = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
        return Outputs(super().forward(pixels.flatten(1)))


def test_it_is_asked_without_tf32_and_without_a_search_for_kernels(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    network, images, plain = Watched(64, 10), digits().train, Augment(crop_padding=0, flip="none")
    asking.ask(network, images, plain, torch.arange(3), 0)
    assert network.seen == (False, False)
    network.seen = ()
    asking.answers(network, asking.shown(network, images, plain, 0, range(3)), ("logits",), lambda count: None)
    assert network.seen == (False, False)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (True, True)


def manifest(precision):
    return identity(network(), "convnet", digits().train, AUGMENT, precision, "float32")


def filled(root, precision):
    cache = TeacherCache(root, manifest(precision))
    assert cache.fill(network(), digits().train, AUGMENT, (0,), FIELDS) == 1294
    return cache


def rows(cache, field):
    return cache.rows(field, torch.arange(1294), torch.zeros(1294, dtype=torch.int64))


def test_float32s_address_does_not_know_of_others():
    """So that answers of earlier versions are found."""
    assert "tolerance" not in manifest("fp32")
    assert manifest("bf16") == manifest("fp32") | {"precision": "bf16", "tolerance": 0.02}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_answers_are_within_the_tolerance_that_their_address_states(tmp_path, precision):
    full, half = filled(tmp_path, "fp32"), filled(tmp_path, precision)
    assert full.folder != half.folder
    for field in FIELDS:
        right, found = rows(full, field), rows(half, field)
        assert 0 < (right - found).abs().max() <= half.manifest["tolerance"] * right.abs().max()
    worst = half.verify(network(), digits().train, AUGMENT)
    assert full.verify(network(), digits().train, AUGMENT) < 1e-5 < worst, "both are compared with float32"


def test_rows_beyond_it_are_refused(tmp_path):
    cache = filled(tmp_path, "bf16")
    path = next(cache.folder.glob("view_0000/logits_*.npy"))
    stored = np.load(path)
    stored += 0.05 * np.abs(stored).max()
    path.unlink()
    shards.write(cache.folder, shards.Shard("logits", 0, 0), stored)
    with pytest.raises(UserError, match=r"differ from the teacher's by \d.*2\.2 % is allowed"):
        TeacherCache.open(cache.folder).verify(network(), digits().train, AUGMENT)


def test_a_teacher_that_a_precision_does_not_suit_is_refused_before_anything_is_stored(tmp_path, monkeypatch):
    monkeypatch.setitem(asking.TOLERANCE, "bf16", 1e-6)
    cache = TeacherCache(tmp_path, manifest("bf16"))
    with pytest.raises(UserError, match=r"teacher\.precision = bf16: this teacher's logits are off by 0\.\d+ %"):
        cache.fill(network(), digits().train, AUGMENT, (0,), FIELDS)
    assert not list(cache.folder.rglob("*.npy"))


def test_a_run_learns_from_them_and_its_teacher_is_measured_in_float32(tmp_path):
    recipe = taught(tmp_path, fit=Fit(epochs=1, batch_size=256, learning_rate=0.05), views=1)
    half = replace(recipe, teacher=replace(recipe.teacher, precision="bf16"))
    assert half.hash != recipe.hash
    train(half, workspace(tmp_path / "runs"))
    assert [cache.manifest["precision"] for cache in caches(tmp_path / "runs" / "teacher-cache")] == ["bf16"]


def test_answers_that_are_not_stored_have_no_precision_of_their_own(tmp_path):
    fit = Fit(epochs=1, batch_size=256, learning_rate=0.05)
    for recipe, why in (
        (taught(tmp_path, live=True, fit=fit), "teacher.live stores none"),
        (taught(tmp_path, method=AT(), fit=fit), "at reads some that are not"),
    ):
        with pytest.raises(UserError, match=why):
            train(replace(recipe, teacher=replace(recipe.teacher, precision="bf16")), workspace(tmp_path / "runs"))
