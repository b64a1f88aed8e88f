"""An order of which every beginning is a fair sample."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tutelage.data.stratify import in_folds, stratified_order, whole_groups


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


@settings(deadline=None, max_examples=20)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=2, max_size=40),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_groups_are_whole_and_classes_near_their_shares(sizes, share):
    labels = torch.tensor([label for label, size in sizes for _ in range(size)])
    of = torch.tensor([number for number, (_, size) in enumerate(sizes) for _ in range(size)])
    aside = whole_groups(labels, of, share, "test")
    assert not set(of[aside].tolist()) & set(of[~aside].tolist())
    assert torch.equal(aside, whole_groups(labels, of, share, "test"))
    for label in labels.unique():
        mine = labels == label
        groups, largest = len(of[mine].unique()), max(size for other, size in sizes if other == label)
        assert bool(aside[mine].any()) == (groups > 1)
        assert not aside[mine].all()
        assert abs(aside[mine].sum() - share * mine.sum()) <= largest


def test_groups_of_several_classes_keep_the_shares():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (2000,), generator=generator)
    of = torch.arange(2000) // 25  # 80 patients of 25 images
    aside = whole_groups(labels, of, 0.2, "test")
    shares = labels[aside].bincount() / labels.bincount()
    assert ((shares - 0.2).abs() < 0.02).all()


@settings(deadline=None, max_examples=30)
@given(labels=st.lists(st.integers(0, 3), min_size=10, max_size=150), folds=st.integers(2, 5))
def test_every_fold_holds_the_classes_in_proportion(labels, folds):
    labels = torch.tensor(labels)
    fold = in_folds(labels, torch.arange(len(labels)), folds, "test")
    sizes = fold.bincount(minlength=folds)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1
    for label in labels.unique():
        of_class = fold[labels == label].bincount(minlength=folds)
        assert (of_class - of_class.sum() / folds).abs().max() <= 2


def test_no_fold_cuts_a_group_in_two():
    labels, groups = torch.arange(90) % 3, torch.arange(90) // 6
    fold = in_folds(labels, groups, 3, "test")
    assert all(len(fold[groups == group].unique()) == 1 for group in groups.unique())
    assert fold.unique().tolist() == [0, 1, 2]
