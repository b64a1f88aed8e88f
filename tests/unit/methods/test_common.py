"""What several methods compute alike: cross-entropy that skips images without a label, KL, temperatures, warm-ups."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.methods._common import label_cross_entropy
from tutelage.outputs import Context


@settings(deadline=None, max_examples=50)
@given(labels=st.lists(st.integers(-1, 3), min_size=1, max_size=12), smoothing=st.sampled_from([0.0, 0.1]))
def test_label_terms_are_those_of_the_labelled_images(labels, smoothing):
    labels = torch.tensor(labels)
    logits = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = label_cross_entropy(logits, Context(labels, torch.arange(len(labels)), 0.0), smoothing)
    (gradient,) = torch.autograd.grad(loss, logits)
    some = labels >= 0
    assert gradient.isfinite().all()
    assert (gradient[~some] == 0).all()
    if some.any():
        expected = F.cross_entropy(logits[some], labels[some], label_smoothing=smoothing)
        assert torch.allclose(loss, expected)
        assert torch.allclose(gradient, torch.autograd.grad(expected, logits)[0])
    else:
        assert loss == 0


def test_a_mixed_view_counts_the_labelled_part():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels, partners = torch.tensor([0, -1, 2, -1]), torch.tensor([1, 1, -1, -1])
    share = torch.tensor([0.25, 0.5, 0.75, 0.1])
    loss = label_cross_entropy(logits, Context(labels, torch.arange(4), 0.0, partners, share))
    log_p = logits.log_softmax(1)
    expected = -(0.75 * log_p[0, 0] + 0.25 * log_p[0, 1] + 0.5 * log_p[1, 1] + 0.25 * log_p[2, 2]) / 4
    assert torch.allclose(loss, expected)
