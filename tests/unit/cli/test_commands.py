"""The commands that train and measure, without training: what they refuse."""

import json

import pytest

from typing_commands import refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cache"], "usage: tutelage cache list|fill|verify|prune"),
        (["cache", "lst"], 'unknown cache command "lst"'),
        (["cache", "fill", "digits", "baseline"], "this recipe has no teacher"),
        (["cache", "fill", "digits"], "is not trained yet"),
        (["tune", "digits", "kd", "--log", "tensorboard"], "--log tensorboard: the runs of a search are not known"),
        (["report", "nowhere"], "nowhere"),
        (["evaluate", "nowhere"], "nowhere"),
        (["compare", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_refused(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *words)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_study_without_results_says_how_to_go_on(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text(json.dumps({"recipes": [], "seeds": []}))
    assert "tutelage" in refused(capsys, "report", tmp_path / "study")
