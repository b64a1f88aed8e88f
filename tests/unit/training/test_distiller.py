"""Student, method and adapters in one module with one forward."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import small
from tutelage.errors import UserError
from tutelage.methods import KD, Method
from tutelage.outputs import Context, Outputs
from tutelage.training.distiller import Distiller

CONTEXT = Context(torch.tensor([1, 2]), torch.tensor([0, 1]), 0.0)


@dataclass(frozen=True)
class Watching(Method):
    """Notes in its adapters what it was given."""

    student_needs = frozenset({"logits", "embedding"})

    def losses(self, student, teacher, context, adapters):
        adapters.seen = student, teacher
        return {"label": student.logits.sum() * adapters.weight.sum()}


def distiller():
    return Distiller(small.network(), Watching(), nn.Linear(1, 1, bias=False))


def test_a_method_gets_what_it_needs_and_nothing_else():
    both = distiller()
    both(torch.rand(2, 1, 8, 8), Outputs(torch.zeros(2, 10)), CONTEXT)
    student, _ = both.adapters.seen
    assert student.embedding is not None
    assert student.features == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_are_float32_whatever_the_forward_pass_is(dtype):
    both = distiller()
    answer = Outputs(
        torch.zeros(2, 10, dtype=dtype), torch.zeros(2, 4, dtype=dtype), (torch.zeros(2, 1, 1, 1, dtype=dtype),)
    )
    with torch.autocast("cpu", torch.bfloat16):
        terms = both(torch.rand(2, 1, 8, 8), answer, CONTEXT)
    student, teacher = both.adapters.seen
    assert {student.logits.dtype, student.embedding.dtype, terms["label"].dtype} == {torch.float32}
    assert {teacher.logits.dtype, teacher.embedding.dtype, teacher.features[0].dtype} == {torch.float32}


def test_one_module_holds_all_that_is_trained():
    both = distiller()
    names = {name.split(".")[0] for name, _ in both.named_parameters()}
    assert names == {"student", "adapters"}
    both(torch.rand(2, 1, 8, 8), Outputs(torch.zeros(2, 10)), CONTEXT)["label"].backward()
    assert all(p.grad is not None for p in both.parameters())


def test_its_terms_are_the_methods():
    network, pixels = small.network(), torch.rand(2, 1, 8, 8)
    teacher = Outputs(torch.randn(2, 10))
    terms = Distiller(network, KD(), nn.Identity())(pixels, teacher, CONTEXT)
    expected = KD().losses(network(pixels), teacher, CONTEXT, nn.Identity())
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {n: t.item() for n, t in expected.items()}
    )


@pytest.mark.parametrize(
    ("terms", "returned"),
    [
        (None, "returned NoneType, expected a dict of scalar tensors"),
        (torch.tensor(1.0), "returned Tensor, expected"),
        ({}, "returned an empty dict, expected"),
        ({"label": torch.tensor(1.0), "teacher": 0.5}, "returned a float as the term teacher, expected"),
        ({"label": torch.ones(2)}, r"returned float32 of shape \[2\] as the term label, expected"),
        ({"label": torch.tensor(3)}, r"returned int64 of shape \[\] as the term label, expected"),
    ],
)
def test_what_is_no_dict_of_scalars_is_told_as_such(terms, returned):
    @dataclass(frozen=True)
    class Wrong(Method):
        def losses(self, student, teacher, context, adapters):
            return terms

    module = Distiller(small.network(), Wrong(), nn.Identity())
    with pytest.raises(UserError, match=returned) as error:
        module(torch.rand(2, 1, 8, 8), Outputs(torch.zeros(2, 10)), CONTEXT)
    assert "label_cross_entropy" in error.value.hint
