"""Weights from files: what is read, what is refused, and in which words."""

import argparse
import logging
import os
import pickle
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tutelage.errors import UserError
from tutelage.models.checkpoints import metadata
from tutelage.models.weights import load_weights, weights_digest


def network(classes=3):
    torch.manual_seed(classes)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, classes))


@pytest.fixture
def source():
    made = network()
    made[1].running_mean.uniform_()
    return made


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


WRAPPED = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model in net": lambda s: {"net": s, "acc": np.float64(91.7), "best": np.float32(0.5), "step": np.int64(9)},
    "with arguments": lambda s: {"model": s, "args": argparse.Namespace(lr=0.1)},
    "average": lambda s: {"model_ema": s},
    "of DataParallel": lambda s: {"state_dict": prefixed(s, "module.")},
    "of compile": lambda s: prefixed(s, "_orig_mod."),
    "of both": lambda s: prefixed(s, "module._orig_mod."),
    "of both the other way": lambda s: prefixed(s, "_orig_mod.module."),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_reads_a_pickle_of_weights_however_wrapped(tmp_path, source, wrap):
    torch.save(wrap(source.state_dict()), tmp_path / "w.pth")
    target = network(classes=3)
    nn.init.zeros_(target[0].weight)
    assert load_weights(target, tmp_path / "w.pth") == {}
    assert weights_digest(target) == weights_digest(source)


def test_reads_safetensors_and_what_they_say(tmp_path, source):
    save_file(source.state_dict(), tmp_path / "w.safetensors", {"mean": "0.5"})
    target = network()
    nn.init.zeros_(target[0].weight)
    assert load_weights(target, tmp_path / "w.safetensors") == {"mean": "0.5"}
    assert weights_digest(target) == weights_digest(source)


def test_widens_half_precision_and_says_so(tmp_path, source, caplog):
    save_file(
        {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()},
        tmp_path / "h.safetensors",
    )
    target = network()
    with caplog.at_level(logging.INFO, "tutelage"):
        load_weights(target, tmp_path / "h.safetensors")
    assert target[0].weight.dtype == torch.float32
    torch.testing.assert_close(target[0].weight, source[0].weight, rtol=1e-3, atol=1e-3)
    assert "half precision" in caplog.text


def test_keeps_all_but_the_head_if_asked(tmp_path, source, caplog):
    torch.save(source.state_dict(), tmp_path / "w.pth")
    target = network(classes=5)
    with caplog.at_level(logging.INFO, "tutelage"):
        load_weights(target, tmp_path / "w.pth", head="3", replace_head=True)
    assert not target[3].weight.any()
    assert not target[3].bias.any()
    assert torch.equal(target[0].weight, source[0].weight)
    assert "kept 7 tensors; 3.weight, 3.bias" in caplog.text


class Command:
    """A pickle that runs a command when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, source, archive):
    content = {"state_dict": source.state_dict(), "extra": Command(tmp_path / "ran")}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=archive)
    with pytest.raises(UserError, match=r"was refused: it is not made of weights alone but wants to call \S+\.mkdir\n"):
        load_weights(network(), tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def other_names(state):
    return {("conv." + k if k.startswith("0") else k): v for k, v in state.items()}


def with_nan(state):
    return state | {"0.weight": torch.full_like(state["0.weight"], torch.nan)}


REFUSED = {
    "another architecture": (
        other_names,
        "w.pth does not fit the network; 2 missing: 0.bias, 0.weight; 2 unexpected: conv.0.bias, conv.0.weight",
    ),
    "another shape": (
        lambda s: s | {"0.weight": torch.zeros(2, 1, 5, 5)},
        "w.pth does not fit the network; 1 of another shape: 0.weight [2, 1, 5, 5] instead of [2, 1, 3, 3]",
    ),
    "images of other channels": (
        lambda s: s | {"0.weight": torch.zeros(2, 3, 3, 3)},
        "w.pth was made for images of 3 channels, these have 1",
    ),
    "nothing": (
        lambda s: {},
        "w.pth holds no state dict",
    ),
    "another number of classes": (
        lambda s: s | {"3.weight": torch.zeros(7, 8), "3.bias": torch.zeros(7)},
        "w.pth knows 7 classes instead of 3",
    ),
    "NaN": (with_nan, "w.pth holds NaN or infinity in 0.weight"),
    "no state dict": (lambda s: [1, 2, 3], "w.pth holds no state dict but a list"),
    "a training state without weights": (lambda s: {"epoch": 3}, "w.pth holds no state dict"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(tmp_path, source, change, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(change(source.state_dict()), "w.pth")
    target = network()
    before = weights_digest(target)
    with pytest.raises(UserError) as error:
        load_weights(target, "w.pth", head="3")
    assert error.value.message == message
    assert error.value.hint
    assert weights_digest(target) == before


def test_long_lists_of_keys_are_cut(tmp_path, source):
    torch.save({"other_" + k: v for k, v in source.state_dict().items()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"9 missing: 0\.bias, 0\.weight, 1\.bias, \.\.\. \(6 more\); 9 unexpected"):
        load_weights(network(), tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02."])
def test_a_broken_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        load_weights(network(), tmp_path / name)


def test_a_cut_off_file_is_refused(tmp_path, source):
    for name, save in {"w.pth": torch.save, "w.safetensors": save_file}.items():
        save(source.state_dict(), tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(UserError, match=name):
            load_weights(network(), tmp_path / name)


def test_no_file_and_no_weights_file(tmp_path):
    with pytest.raises(UserError, match="there is no weights file"):
        load_weights(network(), tmp_path / "w.pth")
    (tmp_path / "w.onnx").write_bytes(b"x")
    with pytest.raises(UserError, match=r'ends in "\.onnx"'):
        load_weights(network(), tmp_path / "w.onnx")


def test_the_digest_sees_every_change_and_nothing_else(source):
    digest = weights_digest(source)
    assert weights_digest(source.eval().to(memory_format=torch.channels_last)) == digest
    for change in (
        lambda: source[0].weight.data[0, 0, 0, 0].mul_(1 + 2**-23),
        lambda: source[1].running_var.mul_(2),
        lambda: source[1].num_batches_tracked.add_(1),
        lambda: source.double(),
        lambda: setattr(source[3], "weight", nn.Parameter(source[3].weight.data.view(2, 12))),
        lambda: source.add_module("5", source.pop(3)),
    ):
        before = weights_digest(source)
        change()
        assert weights_digest(source) != before


def test_the_digest_is_the_same_for_ever():
    linear = nn.Linear(2, 1)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -2.0]]))
        linear.bias.fill_(0.5)
    # sha256 of "bias torch.float32 (1,)\n" 0.5f "weight torch.float32 (1, 2)\n" 1.0f -2.0f, by sha256sum
    assert weights_digest(linear) == "dd3c93a368da12d5ec1492a835d2da4befeb19f3b2beeb1d560fa44f64b3261f"


def test_a_pickle_of_something_else_is_refused_and_never_run(tmp_path, recwarn):
    class Spy:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was run",))

    (tmp_path / "spy.pth").write_bytes(pickle.dumps(Spy()))
    with pytest.raises(UserError, match="which is never run"):
        load_weights(network(), tmp_path / "spy.pth")
    assert not (tmp_path / "was run").exists()
    assert not recwarn.list


KINDS = {
    "torch.int8": lambda w: (w * 100).to(torch.int8),
    "torch.complex64": lambda w: w.to(torch.complex64),
    "sparse": lambda w: w.to_sparse(),
    "meta device": lambda w: w.to("meta"),
    "quantised numbers": lambda w: torch.quantize_per_tensor(w, 0.01, 0, torch.qint8),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_refuses_numbers_that_would_become_others(tmp_path, source, kind):
    torch.save(source.state_dict() | {"3.weight": KINDS[kind](source[3].weight.detach())}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=kind) as caught:
        load_weights(network(), tmp_path / "w.pth")
    assert "3.weight" in caught.value.message


def test_a_pickle_is_read_whatever_its_ending(tmp_path, source):
    torch.save(source.state_dict(), tmp_path / "w.safetensors")
    target = network()
    assert load_weights(target, tmp_path / "w.safetensors") == {}
    assert weights_digest(target) == weights_digest(source)
    assert metadata(tmp_path / "w.safetensors") == {}


def test_weights_in_several_parts_are_joined_as_the_hint_says(tmp_path, source):
    state = source.state_dict()
    for number in range(2):
        part = {name: state[name] for name in list(state)[number::2]}
        save_file(part, tmp_path / f"model-{number + 1:05d}-of-00002.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(UserError, match="stored in several parts") as caught:
            load_weights(network(), path)
    typed = shlex.split(caught.value.hint.partition(" joins")[0])
    subprocess.run([sys.executable, *typed[1:]], cwd=tmp_path, check=True)
    target = network()
    load_weights(target, tmp_path / "weights.safetensors")
    assert weights_digest(target) == weights_digest(source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n", "Git LFS"),
        (b"<!DOCTYPE html><html>404</html>", "a page of a website"),
        (b"\x1f\x8b\x08\x00\x00\x00", "gzip"),
        (b"", "is empty"),
    ],
)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_what_came_in_place_of_the_file_is_named(tmp_path, content, said, ending):
    (tmp_path / f"w{ending}").write_bytes(content)
    with pytest.raises(UserError, match=said):
        load_weights(network(), tmp_path / f"w{ending}")
