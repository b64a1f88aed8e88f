"""What methods claim of their weights, of other numbers of classes and other batches, against their own gradients."""

from dataclasses import replace

import pytest
import torch

from tutelage.methods import METHODS, method_class
from tutelage.outputs import Context, Head, Outputs, Sizes

CLAIMED = [(name, weight) for name in METHODS for weight in method_class(name).claims.published]
CLASSES, BATCH = 40, 80


def sure(classes, batch, lead):
    """Logits of a network that hesitates between two classes an image, every class equally often."""
    rows, labels = torch.arange(batch), torch.arange(batch) % classes
    logits = torch.full((batch, classes), -300.0, dtype=torch.float64)
    logits[rows, labels], logits[rows, (labels + 1) % classes] = lead, 0.0
    return labels, logits


def drawn(classes, batch, lead):
    """Logits of a network that hesitates between all classes, normally distributed as those of trained networks are."""
    generator = torch.Generator().manual_seed(round(10 * lead))
    return torch.zeros(batch, dtype=torch.int64), 4 * torch.randn(batch, classes, generator=generator).double()


def largest(gradient):
    return gradient.abs().max().item()


def typical(gradient):
    return gradient.square().mean().sqrt().item()


def pull(name, field, classes, batch):
    """The gradient at a student's logit that one weight adds, where cross-entropy's is p - y whatever C and B are."""
    answers, size = (drawn, typical) if name == "wkd_l" else (sure, largest)
    (labels, ours), (_, theirs) = answers(classes, batch, 0.5), answers(classes, batch, 3.0)
    rows = torch.randn(classes, 64, generator=torch.Generator().manual_seed(0)).double()
    sizes = Sizes(classes, regions=True, head=Head(rows, torch.zeros(classes)))
    teacher = Outputs(theirs, regions=theirs[:, None].expand(-1, 16, -1))
    gradients = []
    for method in (method_class(name)(), replace(method_class(name)(), **{field: 0.0})):
        student = ours.clone().requires_grad_()
        said = Outputs(student, regions=student[:, None].expand(-1, 16, -1))
        adapters = method.adapters(sizes, sizes, batch)
        terms = method.losses(said, teacher, Context(labels, labels, 0.0), adapters)
        gradients += torch.autograd.grad(sum(terms.values()), student)
    return size(gradients[0] - gradients[1]) * batch


@pytest.mark.parametrize(("name", "weight"), CLAIMED, ids=[f"{name}.{weight.field}" for name, weight in CLAIMED])
@pytest.mark.parametrize(("classes", "batch"), [(10, 80), (40, 160), (10, 160)])
def test_a_weight_grows_as_its_method_claims(name, weight, classes, batch):
    """Exactly; wkd_l's is that of normally distributed logits, about."""
    grown = pull(name, weight.field, classes, batch) / pull(name, weight.field, CLASSES, BATCH)
    claimed = weight._replace(classes=CLASSES, batch=BATCH).times(classes, batch)
    assert grown == pytest.approx(claimed, rel=0.2 if name == "wkd_l" else 1e-6)


def test_these_methods_claim_something():
    assert {name for name, _ in CLAIMED} == {"mlkd", "cat_kd", "wkd_l"}
