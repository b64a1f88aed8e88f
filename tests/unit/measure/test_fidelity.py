"""Calibration, confusions and inherited mistakes against scikit-learn and loops over the images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from tutelage.measure import fidelity
from tutelage.measure.classifier import measure


def drawn(images, classes, seed, count):
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(images, classes, generator=generator) * 2 for _ in range(count)]
    return logits, torch.randint(classes, (images,), generator=generator)


@settings(deadline=None, max_examples=25)
@given(images=st.integers(1, 80), classes=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_bins_are_those_the_calibration_error_sums_over(images, classes, seed):
    (one, other), labels = drawn(images, classes, seed, 2)
    bins = fidelity.reliability([one], labels)
    assert len(bins) == 15
    error = sum(b["images"] * abs(b["accuracy"] - b["confidence"]) for b in bins if b["images"]) / images
    assert error == pytest.approx(measure(one, labels)["ece"])
    for number, b in enumerate(bins):
        assert b["confidence"] is None or number / 15 <= b["confidence"] + 1e-9 <= (number + 1) / 15 + 2e-9
    both = fidelity.reliability([one, other], labels)
    assert [b["images"] for b in both] == [
        a["images"] + b["images"] for a, b in zip(bins, fidelity.reliability([other], labels), strict=True)
    ]


@settings(deadline=None, max_examples=25)
@given(images=st.integers(1, 80), classes=st.integers(2, 6), seed=st.integers(0, 99))
def test_changes_are_differences_of_confusion_matrices(images, classes, seed):
    logits, labels = drawn(images, classes, seed, 4)
    told = fidelity.changes(logits[:2], logits[2:], labels)
    every = list(range(classes))
    matrices = [confusion_matrix(labels, one.argmax(dim=1), labels=every) for one in logits]
    difference = (matrices[0] + matrices[1] - matrices[2] - matrices[3]) / 2
    assert torch.tensor(told["confusion"]).double().numpy() == pytest.approx(difference, abs=0.006)
    for label in every:
        n = int((labels == label).sum())
        assert told["class_gain"][label] == (pytest.approx(difference[label][label] / n) if n else None)
    sizes = [abs(cell["images"]) for cell in told["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(cell["true"] != cell["predicted"] for cell in told["largest"])
    for cell in told["largest"]:
        assert cell["images"] == pytest.approx(difference[cell["true"]][cell["predicted"]])


@settings(deadline=None, max_examples=25)
@given(images=st.integers(1, 80), seed=st.integers(0, 99))
def test_an_inherited_mistake_is_the_teachers_own_and_not_the_baselines(images, seed):
    logits, labels = drawn(images, 3, seed, 5)
    student, baseline, teacher = logits[:2], logits[2:4], logits[4]
    told = fidelity.inherited(student, baseline, teacher, labels)
    learnt = dict.fromkeys(range(images), 0)
    unlearnt = known = wrong = 0
    for i in range(images):
        answer, label = int(teacher[i].argmax()), int(labels[i])
        if answer == label:
            continue
        wrong += 1
        for s, b in zip(student, baseline, strict=True):
            known += int(b[i].argmax()) == label
            learnt[i] += int(b[i].argmax()) == label and int(s[i].argmax()) == answer
            unlearnt += int(b[i].argmax()) == answer and int(s[i].argmax()) == label
    assert told["teacher_wrong"] == wrong
    assert (told["baseline_right"], told["unlearnt"]) == (known / 2, unlearnt / 2)
    assert told["learnt"] == sum(learnt.values()) / 2
    assert {image["position"]: image["seeds"] for image in told["images"]}.items() <= learnt.items()
    assert len(told["images"]) == min(20, sum(times > 0 for times in learnt.values()))
    seeds = [image["seeds"] for image in told["images"]]
    assert seeds == sorted(seeds, reverse=True)
    for image in told["images"]:
        assert image["label"] == int(labels[image["position"]])
        assert image["teacher"] == int(teacher[image["position"]].argmax())


def test_many_classes_make_no_long_lists():
    logits, labels = drawn(400, 60, 0, 3)
    told = fidelity.changes(logits[:1], logits[1:2], labels)
    assert told["confusion"] is None
    assert len(told["largest"]) == 20
    assert len(fidelity.inherited(logits[:1], logits[1:2], logits[2], labels)["images"]) <= 20
