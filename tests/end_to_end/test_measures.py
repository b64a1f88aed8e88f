"""A measure is one row: an invented one appears wherever measures are shown; old files without one are read."""

import json
import shutil

import pytest

import small
from tutelage import files, sealed
from tutelage.cli import main
from tutelage.measure.measures import MEASURES, Measure
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.study.study import Study
from tutelage.training.predictions import evaluate_run

INVENTED = Measure(
    "oddity", "share of odd labels, which says nothing", lambda answers: 0.4321, "neither", "", hub="odd"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a study of kd with one seed, made with an invented measure in the table."""
    folder = tmp_path_factory.mktemp("measures")
    recipe = small.taught(folder, fit=Fit(epochs=1, batch_size=256, learning_rate=0.05))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(MEASURES, "oddity", INVENTED)
        return Study((recipe,), (0,)).run(small.workspace(folder / "runs"), force=True).folder


@pytest.fixture
def invented(monkeypatch):
    monkeypatch.setitem(MEASURES, "oddity", INVENTED)


def test_files_hold_it(made):
    results = files.read_json(made / "results.json")
    assert all(
        seed[split]["oddity"] == 0.4321 for row in results["rows"] for seed in row["seeds"] for split in ("val", "test")
    )
    assert results["teacher"]["test"]["oddity"] == 0.4321
    assert files.read_json(made.parent / results["export"]["run"] / "evaluation.json")["val"]["oddity"] == 0.4321


def test_the_page_and_the_model_card_show_it(made):
    page = (made / "report.html").read_text()
    assert page.count("<td>0.432</td>") == 3, "teacher, baseline and kd"
    assert "Share of odd labels, which says nothing." in page
    run = made.parent / files.read_json(made / "results.json")["export"]["run"]
    card = (run / "README.md").read_text()
    assert "| oddity |" in card
    assert "| 0.432 |" in card
    assert "type: odd" in card, "what the hub reads"


def test_the_commands_print_it(made, invented, capsys):
    main(["report", str(made)])
    assert shown(capsys.readouterr().out, "on test", "oddity") == ["0.432"] * 3
    main(["compare", str(made)])
    assert shown(capsys.readouterr().out, "on val", "oddity") == ["0.432"] * 2
    main(["compare", str(made), "--json"])
    assert [group["measures"]["oddity"] for group in json.loads(capsys.readouterr().out)["groups"]] == [[0.4321]] * 2
    main(["evaluate", str(next(made.parent.glob("digits-kd-*")))])
    out = capsys.readouterr().out
    assert out.count("oddity 0.432") == 2, "on val, and the teacher's"


def shown(out: str, first: str, title: str) -> list[str]:
    """The cells of a table's last column, that has this title."""
    lines = iter(out.splitlines())
    assert next(line for line in lines if line.startswith(f"{first} ") and line.endswith(title))
    cells = []
    for line in lines:
        if not line.startswith(("teacher", "baseline", "kd")):
            return cells
        cells.append(line.split()[-1])
    return cells


def older(made, tmp_path, without=("brier",)):
    """The runs of the study as a version left them that did not know some measures."""
    runs = tmp_path / "runs"
    shutil.copytree(made.parent, runs)
    for path in (*runs.glob("*/evaluation.json"), *runs.glob("study-*/test.json")):
        plain = sealed.read_json(path)
        for measured in (plain.get("val"), plain["teacher"], *plain.get("runs", {}).values()):
            for name in without if measured else ():
                measured.pop(name, None)
        sealed.write_json(path, plain, files.read_json(path)["seal"]["of"])
    return runs


def test_an_old_evaluation_is_completed_from_its_logits(made, tmp_path, capsys):
    runs = older(made, tmp_path, ("brier", "kl_to_teacher"))
    run = next(runs.glob("digits-kd-*"))
    main(["evaluate", str(run), "--json"])
    printed = json.loads(capsys.readouterr().out)
    before = files.read_json(made.parent / run.name / "evaluation.json")
    for split in ("val", "teacher"):
        assert {name: printed[split][name] for name in before[split]} == before[split]
    assert files.read_json(run / "evaluation.json") == before, "kept, so that it is not computed again"


def test_an_old_evaluation_without_logits_is_read_as_it_is(made, tmp_path):
    run = Run(next(older(made, tmp_path).glob("digits-kd-*")))
    (run.path / "val_logits.safetensors").unlink()
    old = (run.path / "evaluation.json").read_text()
    assert "brier" not in evaluate_run(run, small.digits())["val"]
    assert (run.path / "evaluation.json").read_text() == old


def test_an_old_evaluation_whose_teacher_is_gone_has_what_can_be_had(made, tmp_path, caplog):
    runs = older(made, tmp_path, ("brier", "agreement"))
    run = Run(next(runs.glob("digits-kd-*")))
    plain = sealed.read_json(run.path / "recipe.json")
    plain["teacher"]["model"]["weights"] = str(tmp_path / "gone.safetensors")
    sealed.write_json(run.path / "recipe.json", plain, run.what("recipe.json"))
    evaluation = evaluate_run(run, small.digits())
    assert "brier" in evaluation["val"]
    assert "agreement" not in evaluation["val"]
    assert "gone.safetensors" in caplog.text


def test_an_old_study_gets_the_new_measures_of_test_without_opening_it(made, tmp_path):
    runs = older(made, tmp_path)
    folder = runs / made.name
    old = (folder / "test.json").read_text()
    (folder / "results.json").unlink()
    Study.open(folder).run(small.workspace(runs), force=True)
    results, before = (files.read_json(path / "results.json") for path in (folder, made))
    for row, row_before in zip(results["rows"], before["rows"], strict=True):
        for seed, seed_before in zip(row["seeds"], row_before["seeds"], strict=True):
            assert seed["test"]["brier"] == seed_before["test"]["brier"]
            assert seed["val"]["brier"] == seed_before["val"]["brier"]
    assert results["teacher"]["test"]["brier"] == before["teacher"]["test"]["brier"]
    assert "Brier score" in (runs / results["export"]["run"] / "README.md").read_text()
    assert (folder / "test.json").read_text() == old
    assert len(files.read_lines(runs / "test_openings.jsonl")) == 1
