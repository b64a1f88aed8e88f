"""An order of which every beginning is a fair sample."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tutelage.data.stratify import stratified_order


@settings(deadline=None, max_examples=100)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=200), share=st.floats(0, 1))
@example(labels=[0] * 50 + [1], share=0.04)  # a rare class comes in the middle, not first
def test_every_beginning_holds_the_classes_in_proportion(labels, share):
    labels = torch.tensor(labels)
    order = stratified_order(labels, "test")
    assert torch.equal(order.sort().values, torch.arange(len(labels)))
    size = round(share * len(labels))
    counts, whole = labels[order[:size]].bincount(minlength=5), labels.bincount(minlength=5)
    classes = len(labels.unique())
    allowed = 0.5 + 0.5 * classes * whole / len(labels) + 1e-6
    assert ((counts - size * whole / len(labels)).abs() <= allowed).all()


def test_the_order_within_a_class_is_shuffled_by_purpose():
    labels = torch.zeros(200, dtype=torch.long)
    first, second = stratified_order(labels, "val"), stratified_order(labels, "other")
    assert not torch.equal(first, second)
    for order in (first, second):
        correlation = torch.corrcoef(torch.stack([order.double(), torch.arange(200).double()]))[0, 1]
        assert abs(correlation) < 0.25
