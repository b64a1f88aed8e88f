"""Logits on disk: what was evaluated is what is read, and nothing is computed twice."""

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage.errors import UserError
from tutelage.measure.classifier import measure, predict
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.training import predictions
from tutelage.training.loop import train
from tutelage.training.student import load_student


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("run")
    return train(small.taught(folder, fit=Fit(epochs=1, batch_size=128)), small.workspace(folder / "runs"))


def test_an_evaluation_keeps_the_logits_it_was_made_from(trained):
    told = predictions.evaluate_run(trained, small.digits())
    kept = load_file(trained.path / "val_logits.safetensors")
    asked = predict(load_student(trained, small.digits()), small.digits().val)
    assert torch.equal(kept["logits"], asked)
    assert kept["logits"].dtype == torch.float32
    assert torch.equal(kept["labels"], small.digits().val.labels)
    assert measure(kept["logits"], kept["labels"])["nll"] == told["val"]["nll"]


def test_a_run_without_kept_logits_is_asked_again_and_only_once(trained, monkeypatch):
    (trained.path / "val_logits.safetensors").unlink(missing_ok=True)
    first = predictions.on_val(trained, small.digits())
    monkeypatch.setattr(predictions, "predict", None)
    again = predictions.on_val(trained, small.digits())
    assert torch.equal(first.logits, again.logits)


def test_an_unfinished_run_has_none(tmp_path):
    run = Run.of(small.taught(tmp_path), tmp_path / "runs")
    with pytest.raises(UserError, match="is not finished"):
        predictions.on_val(run, small.digits())
    assert not (run.path / "val_logits.safetensors").exists()


def test_a_study_keeps_every_networks_answers_to_the_test_images(tmp_path):
    labels = torch.tensor([0, 1, 1])
    logits = {"run-a": torch.randn(3, 2), "teacher": torch.randn(2, 3).T}
    assert predictions.on_test(tmp_path) == {}
    predictions.keep_test(tmp_path, labels, logits)
    read = predictions.on_test(tmp_path)
    assert read.keys() == logits.keys()
    for name, one in read.items():
        assert torch.equal(one.logits, logits[name])
        assert torch.equal(one.labels, labels)


def test_the_validation_after_the_last_epoch_is_not_made_again(tmp_path, monkeypatch):
    """Its logits are those of the weights that are kept, averaged ones here."""
    recipe = small.taught(tmp_path, fit=Fit(epochs=1, batch_size=128, ema=0.9))
    run = train(recipe, small.workspace(tmp_path / "runs"))
    expected = predict(load_student(run, small.digits()), small.digits().val)
    monkeypatch.setattr(predictions, "predict", None)
    told = predictions.evaluate_run(run, small.digits())
    torch.testing.assert_close(predictions.on_val(run, small.digits()).logits, expected)
    assert told["val"]["top1"] == run.curve("val", "top1")[-1][1]
