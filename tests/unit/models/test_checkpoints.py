"""Checkpoints as trainers save them: ten awkward ones are read or named, and nothing in any of them is run."""

import collections
import os
import pathlib
import sys
import types
from datetime import datetime

import numpy as np
import pytest
import torch
from lightning_fabric.utilities.data import AttributeDict
from safetensors.torch import save_file
from torch import nn

from tutelage.errors import UserError
from tutelage.models.checkpoints import read_weights
from tutelage.models.weights import load_weights, weights_digest


class Net(nn.Module):
    """A network with a part that is wrapped alone."""

    def __init__(self, classes=3):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.fc = nn.Linear(8, classes)

    def forward(self, pixels):
        return self.fc(self.features(pixels).flatten(1))


def network(classes=3):
    torch.manual_seed(classes)
    return Net(classes)


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def foreign(path, base):
    """A class of a package that is not installed, as a file may name it; until `saved` forgets the package."""
    module, _, name = path.rpartition(".")
    kind = type(name, (base,), {"__module__": module})
    for package in (module.partition(".")[0], module):
        sys.modules.setdefault(package, types.ModuleType(package))
    setattr(sys.modules[module], name, kind)
    return kind


def of_swin(state):
    return {"model": state, "config": foreign("yacs.config.CfgNode", dict)(lr=0.1, parts=[1, 2])}


def of_lightning(state):
    settings = AttributeDict(lr=0.1, folder=pathlib.PurePosixPath("/data"))
    more = {"criterion.weight": torch.ones(3), "train_acc.total": torch.zeros(())}
    return {"state_dict": prefixed(state, "model.") | more, "hyper_parameters": settings, "optimizer_states": []}


def averaged(state):
    floats = {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items() if "num_batches" not in k}
    return {"model_ema": {"n_averaged": torch.tensor(3), **prefixed(floats, "module._orig_mod.")}, "epoch": 2}


READ = {
    "Lightning's with settings, paths and a criterion (.ckpt)": ("last.ckpt", of_lightning),
    "another program's settings beside it": ("swin.pth", of_swin),
    "DataParallel around a part (.pth.tar)": (
        "best.pth.tar",
        lambda s: {"state_dict": {k.replace("features.", "features.module."): v for k, v in s.items()}, "arch": "vgg"},
    ),
    "a prefix of the author's own": ("w.bin", lambda s: prefixed(s, "student.backbone.")),
    "no ending, and the epoch among the tensors": ("student_best", lambda s: s | {"epoch": 7}),
    "an average in half precision without counters": ("ema.pt", averaged),
    "a date and counts by epoch": (
        "w.pth",
        lambda s: {"model_state_dict": s, "at": datetime(2020, 1, 2), "log": collections.defaultdict(int, {3: 4})},
    ),
}


def saved(tmp_path, name, content):
    torch.save(content, tmp_path / name)
    for package in ("yacs.config", "yacs"):
        sys.modules.pop(package, None)
    return tmp_path / name


@pytest.mark.parametrize(("name", "wrap"), READ.values(), ids=READ)
def test_is_read_however_it_was_saved(tmp_path, name, wrap):
    source, target = network(), network(classes=3)
    source.features[1].running_mean.uniform_()
    nn.init.zeros_(target.fc.weight)
    load_weights(target, saved(tmp_path, name, wrap(source.state_dict())))
    if name == "ema.pt":
        torch.testing.assert_close(target.fc.weight, source.fc.weight, rtol=1e-2, atol=1e-2)
    else:
        assert weights_digest(target) == weights_digest(source)


def script(path):
    torch.jit.trace(network().eval(), torch.zeros(1, 1, 4, 4)).save(str(path))


NAMED = {
    "a TorchScript archive": (script, "w.pth is a TorchScript archive, a program and not a state dict"),
    "a whole pickled network": (
        lambda path: torch.save({"model": network()}, path),
        "w.pth is no state dict but a whole pickled network",
    ),
    "two networks that both fit": (
        lambda path: torch.save(prefixed(network().state_dict(), "a.") | prefixed(network().state_dict(), "b."), path),
        "w.pth holds several networks that fit: a., b.",
    ),
    "several state dicts": (
        lambda path: torch.save({"generator": network().state_dict(), "critic": network().state_dict()}, path),
        "w.pth holds several state dicts: generator, critic",
    ),
    "one output for several classes": (
        lambda path: torch.save(network(classes=1).state_dict(), path),
        "w.pth has one output (a sigmoid's) where 3 classes want one each",
    ),
    "a folder": (lambda path: path.mkdir(), "w.pth is a folder, not a file of weights"),
}


@pytest.mark.parametrize(("save", "message"), NAMED.values(), ids=NAMED)
def test_what_it_is_instead_is_named_with_a_way_out(tmp_path, save, message, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "w.pth")
    with pytest.raises(UserError) as error:
        load_weights(network(), "w.pth", head="fc")
    assert error.value.message.startswith(message)
    assert error.value.hint


def test_a_file_of_another_library_is_named(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"\x89HDF")
    with pytest.raises(UserError, match="a file of Keras"):
        load_weights(network(), tmp_path / "w.h5")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x08\n\x12\x07pytorch\x1a\x0c2.14.1", "an ONNX file by another name"),
        (b"\x1c\x00\x00\x00TFL3\x14\x00", "a file of LiteRT by another name"),
        (b"\x89HDF\r\n\x1a\n", "a file of Keras by another name"),
        (b"\x93NUMPY\x01\x00", "a file of NumPy by another name"),
    ],
)
def test_a_file_of_another_library_is_named_whatever_it_is_called(tmp_path, start, kind):
    (tmp_path / "w.pth").write_bytes(start.ljust(64, b"\0"))
    with pytest.raises(UserError, match=f"w.pth is {kind}"):
        load_weights(network(), tmp_path / "w.pth", head="fc")


def test_a_headless_file_gets_a_head_of_zeros_where_asked(tmp_path):
    state = {name: tensor for name, tensor in network().state_dict().items() if not name.startswith("fc.")}
    torch.save(state, tmp_path / "w.pth")
    target = network(classes=5)
    load_weights(target, tmp_path / "w.pth", head="fc", replace_head=True)
    assert not target.fc.weight.any()
    assert torch.equal(target.features[0].weight, network().features[0].weight)
    with pytest.raises(UserError, match=r"2 missing: fc\.bias, fc\.weight"):
        load_weights(network(classes=5), tmp_path / "w.pth", head="fc")


class Command:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_call_beside_harmless_settings_is_still_refused(tmp_path):
    content = of_lightning(network().state_dict()) | {"callbacks": Command(tmp_path / "ran")}
    with pytest.raises(UserError, match="was refused: it is not made of weights alone but wants to call"):
        load_weights(network(), saved(tmp_path, "w.ckpt", content))
    assert not (tmp_path / "ran").exists()


def test_classes_of_settings_are_never_made(tmp_path):
    """What stands for them holds nothing: a path of the file is no path here."""
    from tutelage.models import checkpoints

    settings = {"state_dict": {"a.b": torch.ones(1)}, "where": pathlib.PurePosixPath("/"), "of": AttributeDict(lr=1)}
    torch.save(settings, tmp_path / "w.ckpt")
    read = checkpoints._read_pickle(tmp_path / "w.ckpt")
    assert type(read["where"]) is checkpoints._Inert
    assert type(read["of"]) is collections.OrderedDict


def test_old_numpy_scalars_are_no_obstacle(tmp_path):
    torch.save({"net": network().state_dict(), "acc": np.float64(0.9)}, tmp_path / "w.pth")
    new = np.float64(0).__reduce__()[0].__module__.encode()
    old = b"numpy.core.multiarray"
    torch.save(
        {"net": network().state_dict(), "acc": np.float64(0.9)},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=False,
    )
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes().replace(b"c" + new, b"c" + old))
    load_weights(network(), tmp_path / "w.pth")


def flipped(path, place):
    """A file with one bit of one byte turned."""
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["w.pth", "w.bin"])
def test_one_flipped_bit_anywhere_is_named_or_changes_nothing(tmp_path, name):
    state = network().state_dict()
    torch.save({"state_dict": state, "optimizer": {"m": torch.ones(9)}}, tmp_path / name)
    sound = (tmp_path / name).read_bytes()
    weight = sound.index(state["features.0.weight"].numpy().tobytes())
    for place in (weight, weight + 7, *range(0, len(sound), 211)):
        (tmp_path / name).write_bytes(sound)
        flipped(tmp_path / name, place)
        try:
            read, _ = read_weights(tmp_path / name)
        except UserError:
            continue
        assert place not in (weight, weight + 7)
        assert all(torch.equal(read[key], state[key]) for key in state)


def test_the_damaged_part_is_named_and_what_to_do(tmp_path):
    torch.save(network().state_dict(), tmp_path / "w.pth")
    flipped(tmp_path / "w.pth", (tmp_path / "w.pth").read_bytes().index(network().fc.weight.detach().numpy().tobytes()))
    with pytest.raises(UserError, match=r"w\.pth is damaged: its part w/data/\d is not what its checksum") as error:
        load_weights(network(), tmp_path / "w.pth")
    assert error.value.hint.startswith("fetch it again")


@pytest.mark.parametrize("said", ["{", "[1]", "3"])
def test_metadata_of_ours_that_is_no_json_is_none(tmp_path, said):
    state = network().state_dict()
    save_file(state, tmp_path / "w.safetensors", {"tutelage": said})
    assert load_weights(network(), tmp_path / "w.safetensors") == {}


def test_a_file_without_checksums_is_read(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(network().state_dict(), tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    load_weights(network(), tmp_path / "w.pth")
