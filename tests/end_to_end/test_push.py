"""From an exported run to the hub, which is a small server here."""

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from huggingface_hub import ModelCard

import small
from tutelage import files
from tutelage.cli import main
from tutelage.export.modelcard import keep_test, write_model_card
from tutelage.training.loop import train

TOKEN = "hf_this-is-secret"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, exported by the command, whose recipe names a file with its folder."""
    folder = tmp_path_factory.mktemp("pushed")
    run = train(small.taught(folder), small.workspace(folder / "runs"))
    main(["export", str(run.path), "--force"])
    return run


@pytest.fixture
def hub(monkeypatch):
    """Answers as the hub does; `got` keeps what it received. `status` is what a commit is answered with."""

    class Hub(BaseHTTPRequestHandler):
        got: dict = {}
        status = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            url, status = f"http://{self.headers['Host']}/ann/student", 200
            if "/preupload/" in self.path:
                paths = [file["path"] for file in json.loads(body)["files"]]
                told = {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
            elif "/commit/" in self.path:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        self.got[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                told, status = (
                    {"success": True, "commitOid": "c0ffee", "commitUrl": f"{url}/commit/c0ffee"},
                    self.status,
                )
            else:
                told = {"url": url, "name": "ann/student", "id": "ann/student"}
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield Hub
    server.shutdown()
    server.server_close()


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
