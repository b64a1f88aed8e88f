"""What leaves the machine says nothing of its folders, and is otherwise what lies on the disk."""

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors import safe_open
from safetensors.torch import load, save_file

from tutelage import files, sealed
from tutelage.cli.scrubbing import local_folders, scrubbed
from tutelage.edge.card import check_exported
from tutelage.errors import Damaged, UserError
from tutelage.models.delivered import check_student


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose every file names the home folder, the current one, the data root, and one of its command line."""
    places = {name: tmp_path / name for name in ("home", "here", "data", "elsewhere")}
    for place in places.values():
        place.mkdir()
    monkeypatch.setenv("HOME", str(places["home"]))
    monkeypatch.setenv("TUTELAGE_DATA", str(places["data"]))
    monkeypatch.chdir(places["here"])
    folder = places["home"] / "runs" / "a"
    every = " and ".join(f"{place}/deep er/x.py:net" for place in places.values())
    said = {"data": str(places["data"] / "photos"), "classes": json.dumps(["/m/01g317", "cat"]), "remark": every}
    files.write_json(folder / "environment.json", {"command": f"tutelage train x --data-root={places['elsewhere']}"})
    save_file({"w": torch.arange(3.0)}, folder / "student.safetensors", {"tutelage": json.dumps(said)})
    card = {"classes": ["/m/01g317", "cat"], "weights_sha256": files.file_digest(folder / "student.safetensors")}
    card |= {"data": "../private/photos", "model": {"name": "hf-hub:timm/x", "weights": str(places["here"] / "w.pth")}}
    for name in ("card", "recipe", "evaluation", "export"):
        files.write_json(folder / f"{name}.json", card | {"remark": every, "name": f"{places['home']}/net.py:large"})
    (folder / "README.md").write_text(f"# A run\n\nTrained in {places['home']}, see `{places['data']}/a/b.txt`.\n")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"], doc_string=f"File {places['here']}/net.py, line 3")
    graph = helper.make_graph([node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"tutelage": json.dumps(card | {"remark": every})})
    onnx.save(model, folder / "student.onnx")
    return folder


def cleaned(run):
    return scrubbed([path for path in run.iterdir() if path.name != "environment.json"], local_folders(run))


def test_no_byte_names_a_folder_of_this_machine(run, tmp_path):
    contents = cleaned(run)
    assert len(contents) == 7
    for name, content in contents.items():
        assert (run / name).read_bytes().count(str(tmp_path).encode()), f"{name} names none: the test is void"
        for place in ("home", "here", "data", "elsewhere"):
            assert str(tmp_path / place).encode() not in content, (name, place)


def test_what_is_no_path_stays(run):
    contents = cleaned(run)
    card = json.loads(contents["card.json"])
    assert card["classes"] == ["/m/01g317", "cat"], "labels may look like paths"
    assert card["model"] == {"name": "hf-hub:timm/x", "weights": "w.pth"}
    assert (card["data"], card["name"]) == ("photos", "net.py:large")
    assert torch.equal(load(contents["student.safetensors"])["w"], torch.arange(3.0))
    assert contents["README.md"].decode() == "# A run\n\nTrained in , see `b.txt`.\n"


def test_the_hash_of_weights_whose_metadata_changed_is_right_everywhere(run, tmp_path):
    contents = cleaned(run)
    (tmp_path / "w.safetensors").write_bytes(contents["student.safetensors"])
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert json.loads(file.metadata()["tutelage"])["data"] == "photos"
    digest = sha256(contents["student.safetensors"]).hexdigest()
    model = onnx.load_model_from_string(contents["student.onnx"])
    in_onnx = json.loads(next(one.value for one in model.metadata_props if one.key == "tutelage"))
    assert json.loads(contents["card.json"])["weights_sha256"] == in_onnx["weights_sha256"] == digest
    assert in_onnx["classes"] == ["/m/01g317", "cat"]
    assert digest != files.file_digest(run / "student.safetensors")


def test_what_is_uploaded_carries_no_seal_and_fits_what_export_json_says_of_it(run, tmp_path):
    digests = {name: files.file_digest(run / name) for name in ("student.onnx", "student.safetensors")}
    sealed.write_json(run / "export.json", {"onnx": {"file": "student.onnx", "sha256": digests}}, "run-a/export.json")
    copy = tmp_path / "downloaded"
    copy.mkdir()
    for name, content in cleaned(run).items():
        (copy / name).write_bytes(content)
    assert not [path.name for path in copy.glob("*.json") if sealed.is_sealed(path)]
    assert files.file_digest(copy / "student.onnx") != digests["student.onnx"]
    check_exported(copy / "student.onnx")
    check_student(copy / "student.safetensors")


def test_a_damaged_file_is_named_and_nothing_is_uploaded(run):
    sealed.write_json(run / "evaluation.json", {"val": {"top1": 0.5}}, "run-a/evaluation.json")
    (run / "evaluation.json").write_text((run / "evaluation.json").read_text().replace("0.5", "0.9"))
    with pytest.raises(Damaged, match=r"evaluation\.json is damaged"):
        cleaned(run)


def test_files_without_folders_are_uploaded_bit_by_bit(run):
    save_file({"w": torch.arange(3.0)}, run / "student.safetensors", {"tutelage": "{}"})
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [])), run / "student.onnx")
    contents = cleaned(run)
    for name in ("student.safetensors", "student.onnx"):
        assert contents[name] == (run / name).read_bytes()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "in an archive"])
def test_what_cannot_be_cleaned_is_named_and_nothing_is_uploaded(run, packed):
    text = f"\x00\x12{Path.home()}/net.py\x00".encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.json", text * 50)
    (run / "student.pt2").write_bytes(archive.getvalue() if packed else text)
    with pytest.raises(UserError, match=r"student\.pt2 holds the name of a folder of this machine, .*home"):
        cleaned(run)
