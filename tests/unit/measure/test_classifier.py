"""The measures against scikit-learn and numbers computed by hand; predictions whatever the batch."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from small import NORMED, digits, network
from tutelage.data.memory import MemoryImages
from tutelage.measure import classifier
from tutelage.measure.classifier import latencies, measure, predict


def drawn(images, classes, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, generator=generator) * scale
    return logits, torch.randint(classes, (images,), generator=generator)


@settings(deadline=None, max_examples=40)
@given(images=st.integers(1, 60), classes=st.integers(2, 12), seed=st.integers(0, 1000), scale=st.floats(0.1, 30))
def test_measures_equal_those_of_scikit_learn(images, classes, seed, scale):
    logits, labels = drawn(images, classes, seed, scale)
    told = measure(logits, labels)
    exact = logits.double().numpy()
    p = np.exp(exact - exact.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    every = np.arange(classes)
    assert told["images"] == images
    assert told["top1"] == pytest.approx(accuracy_score(labels, exact.argmax(1)))
    assert told["confidence"] == pytest.approx(p.max(1).mean())
    if p.min() > 1e-15:  # scikit-learn clips
        assert told["nll"] == pytest.approx(log_loss(labels, p, labels=every))
    if classes > 5:
        assert told["top5"] == pytest.approx(top_k_accuracy_score(labels, exact, k=5, labels=every))
    else:
        assert "top5" not in told
    for label in range(classes):
        of_class = (labels == label).numpy()
        expected = (exact.argmax(1)[of_class] == label).mean() if of_class.any() else None
        assert told["per_class"][label] == (expected if expected is None else pytest.approx(expected))


def logits_of(probabilities):
    return torch.tensor(probabilities).log()


def test_calibration_error_by_hand():
    """15 bins; (9/15, 10/15] holds two images, (12/15, 13/15] two, (14/15, 1] one."""
    confidences = [0.62, 0.66, 0.85, 0.81, 0.99]
    right = [True, False, True, True, False]
    logits = logits_of([[c, 1 - c] for c in confidences])
    labels = torch.tensor([0 if r else 1 for r in right])
    gaps = [abs(1 - 0.62 - 0.66), abs(2 - 0.85 - 0.81), abs(0 - 0.99)]
    assert measure(logits, labels)["ece"] == pytest.approx(sum(gaps) / 5, abs=1e-6)


def test_a_confidence_on_the_edge_belongs_to_the_bin_below():
    """0.8 = 12/15 lies in (11/15, 12/15] with 0.75, and their errors cancel."""
    logits = torch.tensor([[0.8, 0.2], [0.75, 0.25]], dtype=torch.double).log()
    ece = measure(logits, torch.tensor([0, 1]))["ece"]
    assert ece == pytest.approx(abs(1 - 0.8 - 0.75) / 2, abs=1e-9)


def test_a_perfectly_calibrated_coin_has_no_calibration_error():
    assert measure(torch.zeros(10, 2), torch.tensor([0, 1] * 5))["ece"] == pytest.approx(0)


def test_of_equal_logits_the_first_class_is_predicted():
    told = measure(torch.zeros(4, 8), torch.tensor([0, 1, 4, 7]))
    assert told["top1"] == 0.25
    assert told["nll"] == pytest.approx(math.log(8))


def test_logits_that_softmax_cannot_tell_apart_are_no_tie():
    """A difference too small for float64 probabilities, of float32 logits: as argmax sees it, here and in ONNX."""
    logits = torch.tensor([[0.0, 1e-20], [1e-30, 0.0]])
    assert measure(logits, torch.tensor([1, 0]), logits)["top1"] == 1.0
    assert measure(logits, torch.tensor([0, 1]), logits)["agreement"] == 1.0


def test_agreement_and_divergence_from_the_teacher():
    logits = logits_of([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    teacher = logits_of([[0.25, 0.5, 0.25], [0.2, 0.6, 0.2]])
    told = measure(logits, torch.tensor([0, 1]), teacher)
    first = 0.25 * math.log(0.25 / 0.5) + 0.5 * math.log(0.5 / 0.25)
    second = 2 * 0.2 * math.log(2) + 0.6 * math.log(0.6 / 0.8)
    assert told["agreement"] == 0.5
    assert told["kl_to_teacher"] == pytest.approx((first + second) / 2, rel=1e-6)
    itself = measure(teacher, torch.tensor([0, 1]), teacher)
    assert (itself["agreement"], itself["kl_to_teacher"]) == (1.0, pytest.approx(0))


def test_huge_logits_stay_finite():
    told = measure(torch.tensor([[1e30, 0.0], [0.0, 1e4]]), torch.tensor([0, 1]))
    assert told["nll"] == 0
    assert told["top1"] == 1


@pytest.mark.parametrize("batch", [1, 7, 144, 1000])
def test_predictions_do_not_depend_on_the_batch(monkeypatch, batch):
    net = network(NORMED)
    expected = predict(net, digits().val)
    monkeypatch.setattr(classifier, "BATCH", batch)
    torch.testing.assert_close(predict(net, digits().val), expected, rtol=0, atol=1e-5)


def test_predicting_changes_nothing_in_the_network():
    net = network(NORMED).train()
    net.network.bn1.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    first = predict(net, digits().val)
    assert torch.equal(predict(net, digits().val), first)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


class Rank:
    """Fabric as one process of several sees it."""

    def __init__(self, rank, world, others=None):
        self.global_rank, self.world_size, self.others = rank, world, others

    def all_reduce(self, tensor, reduce_op):
        assert reduce_op == "sum"
        return tensor + sum(self.others, torch.zeros_like(tensor)) if self.others else tensor


@pytest.mark.parametrize(("batch", "world", "images"), [(10, 3, 144), (250, 2, 144), (50, 2, 3), (7, 4, 29)])
def test_the_parts_of_all_ranks_add_up_to_the_whole(monkeypatch, batch, world, images):
    """Splits that no batch and no world size divides; ranks without any image; classes without any label."""
    monkeypatch.setattr(classifier, "BATCH", batch)
    net = network()
    val = MemoryImages(digits().val.images[:images], torch.zeros(images, dtype=torch.long))
    parts = [predict(net, val, fabric=Rank(rank, world)) for rank in range(world)]
    assert {part.shape for part in parts} == {(images, 10)}
    together = predict(net, val, fabric=Rank(0, world, parts[1:]))
    torch.testing.assert_close(together, predict(net, val), rtol=0, atol=1e-6)
    owned = torch.stack([part.any(dim=1) for part in parts]).sum(0)
    assert torch.equal(owned, torch.ones(images, dtype=torch.long))


def test_latencies_take_turns_on_one_thread_and_leave_all_as_it_was(monkeypatch):
    asked = []

    class Slow(torch.nn.Module):
        def __init__(self, name, milliseconds):
            super().__init__()
            self.name, self.milliseconds = name, milliseconds

        def forward(self, x):
            asked.append((self.name, tuple(x.shape), torch.get_num_threads(), self.training))
            clock[0] += self.milliseconds / 1e3
            return x

    clock = [0.0]
    monkeypatch.setattr(classifier.time, "perf_counter", lambda: clock[0])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one, two = latencies([Slow("one", 3.0), Slow("two", 500.0)], (1, 8, 8))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert one["p50"] == one["p90"] == pytest.approx(3.0)
    assert two["p50"] == pytest.approx(500.0)
    assert asked[:3] == [(name, (1, 1, 8, 8), 1, False) for name in ("one", "two", "one")]
    assert len(asked) == 2 * 8, "no round begins after four seconds"
