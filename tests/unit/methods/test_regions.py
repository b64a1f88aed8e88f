"""Logits of an image's parts: coarser grids, and networks that have none."""

import pytest
import torch

from tutelage.errors import UserError
from tutelage.methods import method_class
from tutelage.methods._regions import grid, pyramid
from tutelage.outputs import Sizes


def test_a_coarser_part_is_the_mean_of_its_four():
    regions = torch.arange(16.0).view(1, 16, 1).expand(2, 16, 3)
    assert grid(regions, 2)[0, :, 0].tolist() == [2.5, 4.5, 10.5, 12.5]
    assert grid(regions, 1)[1, :, 2].tolist() == [7.5]
    torch.testing.assert_close(pyramid(regions), torch.cat([grid(regions, 1), grid(regions, 2), regions], dim=1))


@pytest.mark.parametrize("name", ["sdd", "cat_kd"])
@pytest.mark.parametrize("whose", ["student", "teacher"])
def test_a_network_whose_parts_have_no_logits_is_refused(name, whose):
    sizes = {"student": Sizes(5, regions=True), "teacher": Sizes(5, regions=True), whose: Sizes(5)}
    with pytest.raises(UserError, match=f"the {whose} does not end in a linear layer") as told:
        method_class(name)().adapters(sizes["student"], sizes["teacher"], 8)
    assert f"--{whose}.stages" in told.value.hint
