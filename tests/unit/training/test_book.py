"""What is written down while a run goes on, and when the host reads it."""

import math

import pytest
import torch

from tutelage.errors import Diverged
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.process import ALONE, Process
from tutelage.run.recipe import Recipe
from tutelage.training import book as books
from tutelage.training.book import Book

PLAN = Plan(40, 1, 0, Fit(epochs=2, batch_size=4))
BEGUN = {"step": 0, "seconds": 0.0, "paid": 0}
VAL = {"top1": 0.5, "nll": 1.0, "ece": 0.1, "brier": 0.5}


@pytest.fixture
def run(tmp_path):
    return Run.of(Recipe(), tmp_path)


def opened(run, state=BEGUN, process=ALONE):
    return Book(run, PLAN, state, process)


def term(label, teacher=0.0):
    return {"label": torch.tensor(label), "teacher": torch.tensor(teacher)}


def test_losses_are_written_as_means_over_the_steps_since_the_last_writing(run):
    book = opened(run)
    for step, loss in enumerate((1.0, 2.0, 6.0)):
        book.note(step, term(loss, 0.5))
    assert run.metrics() == [], "the host waits for nothing"
    book.write(3)
    assert run.curve("train", "label") == [(3, 3.0)]
    assert run.curve("train", "loss") == [(3, 3.5)]
    book.write(3)
    assert len(run.curve("train", "loss")) == 1, "nothing new, nothing written"


def test_they_are_read_now_and_then(run, monkeypatch):
    monkeypatch.setattr(books, "LOG_EVERY", 2)
    book = opened(run)
    for step in range(5):
        book.note(step, term(float(step)))
    assert run.curve("train", "label") == [(2, 0.5), (4, 2.5)]


def test_steps_before_an_interruption_count(run):
    book = opened(run)
    book.note(0, term(1.0))
    book.read()
    again = opened(run, book.state | {"step": 1})
    assert again.next_step == 1
    again.note(1, term(3.0))
    again.write(2)
    assert run.curve("train", "label") == [(2, 2.0)]


def test_a_loss_that_is_not_finite_names_its_term_and_step(run):
    book = opened(run)
    book.note(6, term(1.0))
    book.note(7, term(1.0, math.inf))
    with pytest.raises(Diverged, match="term teacher at step 7") as error:
        book.read()
    assert "lower fit.learning_rate" in error.value.hint


def test_of_a_loss_that_is_not_finite_at_the_first_step_no_rate_is_blamed(run):
    book = opened(run)
    book.note(0, term(math.nan))
    with pytest.raises(Diverged, match="at step 0") as error:
        book.read()
    assert "rate" not in error.value.hint
    assert "nearer to their defaults" in error.value.hint


def test_weights_that_broke_after_a_finite_loss_are_found_on_val(run):
    with pytest.raises(Diverged, match="not finite after step 9"):
        opened(run).validated(10, VAL | {"nll": math.nan})


def test_the_last_epoch_counts_and_the_best_is_remembered(run):
    book = opened(run)
    for step, top1 in ((10, 0.5), (20, 0.75), (30, 0.7)):
        book.validated(step, VAL | {"top1": top1})
    assert book.val_top1 == (0.7, 0.75)
    assert run.curve("val", "top1") == [(10, 0.5), (20, 0.75), (30, 0.7)]
    assert book.cost(saved=7)["best_val"] == {"top1": 0.75, "epoch": 2}


def test_one_process_writes(run):
    book = opened(run, process=Process(rank=1))
    book.note(0, term(1.0))
    book.write(1)
    book.validated(10, VAL)
    assert run.metrics() == []
    assert book.val_top1 == (0.5, 0.5)


def test_the_cost_is_that_of_all_processes_in_time(run):
    cost = opened(run, {"step": 10, "seconds": 2.0, "paid": 30}).cost(saved=50)
    assert cost["seconds"] == 2.0
    assert cost["images"] == 20 * 4
    assert cost["images_per_second"] == 40.0
    assert (cost["teacher_passes_paid"], cost["teacher_passes_saved"]) == (30, 50)
