"""The records that all parts exchange."""

import pytest
import torch

from tutelage.outputs import Context, Head, Outputs, Rotations, Sizes


def test_what_is_not_asked_for_is_absent():
    said = Outputs(torch.zeros(2, 3))
    assert said.embedding is None
    assert said.features == ()
    context = Context(torch.zeros(2, dtype=torch.long), torch.arange(2), 0.0)
    assert context.partner_labels is None
    assert context.partner_share is None


def test_sizes_begin_without_stages_and_head():
    assert Sizes(10) == Sizes(10, None, (), (), None)


@pytest.mark.parametrize("record", [Outputs, Rotations, Context, Head, Sizes])
def test_no_field_hides_what_tuples_have(record):
    assert not {"index", "count"} & set(record._fields)


def test_records_cross_a_compiled_forward_unchanged():
    said = Outputs(torch.ones(2, 3), torch.zeros(2, 4))
    leaves, shape = torch.utils._pytree.tree_flatten(said)
    assert torch.utils._pytree.tree_unflatten(leaves, shape) == said
    assert len([leaf for leaf in leaves if leaf is not None]) == 2


def test_a_function_is_of_every_tensor_that_is_there():
    def said(value):
        rotations = Rotations(torch.full((2, 3, 4), value), torch.full((2, 3, 5), value))
        return Outputs(torch.full((2, 4), value), None, (torch.full((2, 1), value),), rotations=rotations)

    sums = said(1.0).mapped(torch.add, said(2.0))
    assert [len(part) for part in (sums.features, sums.rotations)] == [1, 2]
    assert (sums.embedding, sums.regions) == (None, None)
    assert isinstance(sums.rotations, Rotations)
    for tensor, shape in (
        (sums.logits, (2, 4)),
        (sums.features[0], (2, 1)),
        (sums.rotations.logits, (2, 3, 4)),
        (sums.rotations.embedding, (2, 3, 5)),
    ):
        assert tensor.shape == shape
        assert (tensor == 3).all()
