"""From an exported run to the hub, which is a small server here."""

import json
import re

import pytest
from huggingface_hub import ModelCard

import hubs
import small
from hubs import TOKEN
from tutelage import files
from tutelage.cli import main
from tutelage.export.modelcard import keep_test, write_model_card
from tutelage.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, exported by the command, whose recipe names a file with its folder."""
    folder = tmp_path_factory.mktemp("pushed")
    run = train(small.taught(folder), small.workspace(folder / "runs"))
    main(["export", str(run.path), "--force"])
    return run


@pytest.fixture
def hub():
    """See `hubs.serving`."""
    with hubs.serving() as serving:
        yield serving


def test_the_hub_receives_what_is_for_others_and_nothing_else(run, hub, capfd):
    main(["push", str(run.path), "ann/student"])
    out, err = capfd.readouterr()
    assert out.strip().endswith("/ann/student/commit/c0ffee")
    assert TOKEN not in out + err
    assert sorted(hub.got) == [
        *("README.md", "card.json", "evaluation.json", "export.json", "recipe.json", "student.onnx"),
        "student.safetensors",
    ]
    assert hub.got["student.onnx"] == (run.path / "student.onnx").read_bytes()
    assert json.loads(hub.got["recipe.json"])["teacher"]["model"]["weights"] == "teacher.safetensors"
    assert str(run.path.parent).encode() not in b"".join(hub.got.values())


def test_a_dry_run_reaches_no_hub(run, hub, capsys):
    main(["push", str(run.path), "ann/student", "--dry-run"])
    assert str(run.path / "student.onnx") in capsys.readouterr().out
    assert hub.got == {}


def test_a_refusal_is_told_without_the_token(run, hub, capsys):
    hub.status = 403
    with pytest.raises(SystemExit):
        main(["push", str(run.path), "ann/student"])
    err = capsys.readouterr().err
    assert "the hub refused ann/student: status 403" in err
    assert TOKEN not in err


@pytest.mark.parametrize(
    ("repo", "endpoint", "told"),
    [("a/b/c", None, "no name of a repository"), ("ann/student", "http://127.0.0.1:9", "cannot be reached")],
)
def test_other_mistakes(run, hub, repo, endpoint, told, capsys, monkeypatch):
    if endpoint:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(SystemExit):
        main(["push", str(run.path), repo])
    assert told in capsys.readouterr().err


def test_the_card_is_what_the_hub_reads(run):
    evaluated = run.result("evaluation")
    test = evaluated["val"] | {"images": 1000, "top1": 0.9}
    assert "Never measured on test" in write_model_card(run).read_text()
    keep_test(run, test)
    main(["export", str(run.path), "--force"])
    card = ModelCard.load(run.path / "README.md")
    assert card.data.pipeline_tag == "image-classification"
    assert "kd" in card.data.tags
    found = {(one.dataset_split, one.metric_type): one.metric_value for one in card.data.eval_results}
    assert found["test", "accuracy"] == 0.9
    assert found["validation", "accuracy"] == round(evaluated["val"]["top1"], 4)
    assert found["validation", "ece"] == round(evaluated["val"]["ece"], 4)
    # Wilson's interval by its formula: (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    assert "| 87.98 % to 91.71 % |" in card.text
    assert "Never measured on test" not in card.text
    for told in ("temperature 4.0", "taught by convnet", "Weakest class", "| `student.onnx` |", "multiply-adds"):
        assert told in card.text, told


def test_the_card_says_how_to_use_the_file(run, monkeypatch):
    code = re.search(r"```python\n(.*?)```", write_model_card(run).read_text(), re.DOTALL)[1]
    monkeypatch.chdir(run.path)
    known: dict = {}
    exec(code, known)
    assert known["logits"].shape == (1, 10)


def test_a_run_that_is_not_exported(tmp_path, capsys):
    files.write_json(tmp_path / "recipe.json", {})
    with pytest.raises(SystemExit):
        main(["push", str(tmp_path), "ann/student"])
    assert "no exported student" in capsys.readouterr().err
