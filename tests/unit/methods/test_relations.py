"""Unit vectors with finite gradients, and batches that hold pairs."""

import pytest
import torch
import torch.nn.functional as F

from tutelage.methods._relations import pairs_of, unit


def test_vectors_get_length_one_as_torch_normalises_them():
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(unit(x), F.normalize(x))
    torch.testing.assert_close(unit(x, dim=0), F.normalize(x, dim=0))
    assert torch.autograd.gradcheck(unit, x)


def test_a_vanishing_vector_is_zero_and_passes_no_gradient():
    x = torch.tensor([[3.0, 4.0], [1e-9, 0.0], [0.0, 0.0]], requires_grad=True)
    rows = unit(x)
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 0]]
    (gradient,) = torch.autograd.grad(rows.sum(), x)
    assert gradient[1:].eq(0).all()
    assert gradient.isfinite().all()


def test_pairs_are_computed_in_float32_at_least():
    assert pairs_of(torch.zeros(2, 3, dtype=torch.float16)).dtype == torch.float32
    assert pairs_of(torch.zeros(2, 3, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(ValueError, match="needs 2 or more, not 1"):
        pairs_of(torch.zeros(1, 3))
