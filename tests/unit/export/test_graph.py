"""The graph of a flat buffer: which layer an operator comes from, and what is refused."""

import pytest

from tutelage.errors import UserError
from tutelage.export.graph import Operator, layer, refuse_unknown

TENSOR = "litert_torch.Wrapper/torch.export.unflatten.UnflattenedModule_wrapped"
MODULE = "torch.export.unflatten.InterpreterModule_"


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (f"{TENSOR};1", ""),
        (f"{TENSOR}/{MODULE}conv1;3", "conv1"),
        (f"{TENSOR}/{MODULE}layer1/{MODULE}0/{MODULE}bn1;;{TENSOR}/{MODULE}bn1;", "layer1.0.bn1"),
        ("serving_default_output_0_output", ""),
    ],
)
def test_a_tensor_names_its_layer(tensor, expected):
    assert layer(tensor) == expected


def test_an_operator_that_is_lacking_is_named_with_the_first_layer_it_comes_from():
    found = [Operator("CONV_2D", "conv1", ()), *(Operator("ERF", f"act{i}", ()) for i in (1, 2)), Operator("X", "", ())]
    refuse_unknown(found[:1], ["CONV_2D"])
    with pytest.raises(UserError) as raised:
        refuse_unknown(found, ["CONV_2D"])
    assert "ERF (of act1)" in raised.value.message
    assert "X (of the network itself)" in raised.value.message
    assert "CONV_2D" not in raised.value.message
