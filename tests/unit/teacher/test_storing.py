"""Rows come back as near as their storage says."""

import numpy as np
import pytest
import torch

from tutelage.errors import UserError
from tutelage.teacher import storing

ROWS = torch.randn(50, 100, generator=torch.Generator().manual_seed(0)) * 5
ROWS[0], ROWS[1] = 3.25, ROWS[1] * 1e-30


def back(storage, field="logits", rows=ROWS):
    stored = storing.encoded(rows, field, storage)
    assert stored.nbytes == len(rows) * storing.row_bytes(storage, field, rows.shape[1])
    return storing.decoded(torch.from_numpy(stored))


def test_8_bits_are_at_most_half_a_step_off_and_take_a_byte_each():
    step = (ROWS.amax(1) - ROWS.amin(1)) / 255
    assert ((back("int8") - ROWS).abs() <= 0.5001 * step[:, None] + 1e-6).all()
    assert torch.equal(back("int8")[0], ROWS[0]), "a row of one value"
    assert storing.row_bytes("int8", "logits", 1000) == 1008


def test_the_largest_and_smallest_logits_are_kept():
    assert torch.equal(back("int8").argmax(1)[2:], ROWS.argmax(1)[2:])
    assert torch.equal(back("int8").amin(1), ROWS.amin(1))


def test_what_8_bits_are_off_is_allowed_and_twice_that_is_not():
    worst = ((back("int8", rows=ROWS[2:]) - ROWS[2:]).abs().max() / ROWS.abs().max()).item()
    assert worst <= storing.tolerance("int8") - storing.tolerance("float16") == pytest.approx(2 / 510)


def test_embeddings_and_other_storages_are_plain_numbers():
    assert torch.equal(back("int8", "embedding"), ROWS.half().float())
    assert torch.equal(back("float16"), ROWS.half().float())
    assert torch.equal(back("float32"), ROWS)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("storage", ["int8", "float16", "float32"])
def test_what_is_not_finite_is_refused(storage, value):
    rows = ROWS.clone()
    rows[3, 4] = value
    with pytest.raises(UserError, match="not finite"):
        storing.encoded(rows, "logits", storage)


def test_the_divergence_is_that_of_the_probabilities():
    stored = storing.encoded(ROWS, "logits", "int8")
    other = storing.decoded(torch.from_numpy(stored)).double().numpy()

    def log_p(z):
        z = z - z.max(1, keepdims=True)
        return z - np.log(np.exp(z).sum(1, keepdims=True))

    p, q = log_p(ROWS.double().numpy()), log_p(other)
    expected = (np.exp(p) * (p - q)).sum(1)
    assert storing.divergence(ROWS, stored).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-9)
