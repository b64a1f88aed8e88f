"""A sealed file comes back as it was, or is named: after any change of a byte, under another name, without its seal."""

import json
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage import files, sealed
from tutelage.errors import Damaged

VALUE = {"name": "a", "numbers": [1, 2.5, None], "of": {"10": 1, "9": True}}


def test_what_was_written_is_read(tmp_path):
    sealed.write_json(tmp_path / "a.json", VALUE | {"of": {10: 1, 9: True}}, "run/a.json")
    assert sealed.read_json(tmp_path / "a.json", "run/a.json", required=True) == VALUE
    assert sealed.read_json(tmp_path / "a.json") == VALUE
    assert sealed.owner(tmp_path / "a.json") == "run"
    tensors = {"x": torch.randn(3, 2), "n": torch.tensor(3), "none": torch.zeros(0)}
    sealed.write_tensors(tmp_path / "a.safetensors", tensors, "run/a")
    read = sealed.read_tensors(tmp_path / "a.safetensors", "run/a", required=True)
    assert {name: t.tolist() for name, t in read.items()} == {name: t.tolist() for name, t in tensors.items()}


@pytest.mark.parametrize("framework", ["pt", "numpy"])
@pytest.mark.parametrize("rows", [None, 1, 2, 3, 7])
def test_pieces_of_rows_are_the_whole_and_its_seal(tmp_path, framework, rows):
    path, tensors = tmp_path / "a.safetensors", {"b": torch.arange(3), "a": torch.randn(3, 2), "none": torch.zeros(0)}
    sealed.write_tensors(path, tensors, "run/a")
    pieces = list(sealed.tensor_pieces(path, "run/a", rows, required=True, framework=framework))
    assert list(dict.fromkeys(name for piece in pieces for name in piece)) == ["a", "b", "none"]
    for name, tensor in tensors.items():
        of_name = [torch.as_tensor(piece[name]) for piece in pieces if name in piece]
        assert torch.equal(torch.cat(of_name), tensor)
        assert rows is None or max(len(piece) for piece in of_name) <= rows
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(Damaged, match="not what its seal says"):
        list(sealed.tensor_pieces(path, "run/a", rows, framework=framework))


def test_a_file_without_a_seal_is_old_unless_there_has_to_be_one(tmp_path):
    files.write_json(tmp_path / "a.json", VALUE)
    assert sealed.read_json(tmp_path / "a.json", "anything") == VALUE
    assert (sealed.owner(tmp_path / "a.json"), sealed.is_sealed(tmp_path / "a.json")) == ("", False)
    with pytest.raises(Damaged, match="lost its seal"):
        sealed.read_json(tmp_path / "a.json", "anything", required=True)


def test_a_file_under_another_name_says_what_it_is(tmp_path):
    sealed.write_json(tmp_path / "a.json", VALUE, "run-1/a.json")
    with pytest.raises(Damaged, match=r'it says that it is "run-1/a\.json", not "run-2/a\.json"'):
        sealed.read_json(tmp_path / "a.json", "run-2/a.json")
    sealed.write_tensors(tmp_path / "a.safetensors", {"x": torch.ones(2)}, "step 1")
    with pytest.raises(Damaged, match='"step 1", not "step 2"'):
        sealed.read_tensors(tmp_path / "a.safetensors", "step 2")
    sealed.write_bytes(tmp_path / "a.npy", b"content", "view 1")
    with pytest.raises(Damaged, match="checksum"):
        sealed.check(tmp_path / "a.npy", "view 2")


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_change_of_a_bit_gives_another_value(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bits")
    tensors = {"x": torch.arange(6.0).view(2, 3)}
    sealed.write_json(folder / "a.json", VALUE, "a")
    sealed.write_tensors(folder / "a.safetensors", tensors, "a")
    sealed.append_lines(folder / "a.jsonl", [{"a": 1}, {"b": 2}], "a")
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    readers = {
        ".json": lambda: sealed.read_json(folder / "a.json", "a", required=True) == VALUE,
        ".safetensors": lambda: torch.equal(
            sealed.read_tensors(folder / "a.safetensors", "a", required=True)["x"], tensors["x"]
        ),
        ".jsonl": lambda: sealed.read_lines(folder / "a.jsonl", "a") == [{"a": 1}, {"b": 2}],
    }
    for read in readers.values():
        with suppress(Damaged):
            assert read()


@pytest.mark.parametrize("size", range(0, 18, 3))
def test_a_growing_file_that_was_cut_is_named_and_lines_after_the_sealed_ones_are_read(tmp_path, size):
    path = tmp_path / "a.jsonl"
    sealed.append_lines(path, [{"a": 1}], "a")
    sealed.append_lines(path, [{"b": 2}], "a")
    files.append_line(path, {"c": 3})  # by a process that died before it sealed
    assert sealed.read_lines(path, "a") == [{"a": 1}, {"b": 2}, {"c": 3}]
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged):
        sealed.read_lines(path, "a")
    with pytest.raises(Damaged):
        sealed.append_lines(path, [{"d": 4}], "a")
    path.unlink()
    with pytest.raises(Damaged, match="it is gone"):
        sealed.read_lines(path, "a")


@pytest.mark.parametrize("content", ["", "[1]", "{", "\0\0", '{"seal": 3}', '{"seal": {"of": "a"}}'])
def test_what_is_no_sealed_object_is_named(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(Damaged):
        sealed.read_json(tmp_path / "a.json", "a", required=True)


def test_a_recipe_that_was_copied_and_changed_says_how_to_go_on(tmp_path):
    from tutelage.run import recipe

    sealed.write_json(tmp_path / "mine.json", recipe.Recipe().to_dict(), "run-1/recipe.json")
    assert recipe.from_file(tmp_path / "mine.json") == recipe.Recipe()
    plain = json.loads((tmp_path / "mine.json").read_text()) | {"seed": 3}
    (tmp_path / "mine.json").write_text(json.dumps(plain))
    with pytest.raises(Damaged) as told:
        recipe.from_file(tmp_path / "mine.json")
    assert '"seal"' in told.value.hint
    del plain["seal"]
    (tmp_path / "mine.json").write_text(json.dumps(plain))
    assert recipe.from_file(tmp_path / "mine.json").seed == 3
