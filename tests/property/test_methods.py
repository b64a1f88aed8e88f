"""The contract of a method, over every entry of METHODS, their options and compositions.

A new row is tested by existing; a method of your own by `pytest tests/property/test_methods.py --method FILE.py:CLASS`.
What holds for some methods only they declare themselves, in `claims`, with its reason.
"""

import copy
import inspect
import math
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.utils._pytree import tree_leaves

import tutelage.methods as methods
from tutelage.errors import UserError
from tutelage.methods import METHODS, method_class
from tutelage.methods.base import VALUE_AND_GRADIENT, Method, ranges
from tutelage.methods.combine import Sum, Warmed
from tutelage.outputs import GRID, Context, Head, Outputs, Rotations, Sizes

SAMPLES = 40
SMALL = Sizes(5, 6, ((4, 8, 8), (6, 4, 4), (8, 2, 2)), ("one", "two", "three"), regions=True)
EPOCH = 7.0  # in the middle of every published warm-up


def cases(own: str) -> dict[str, Method]:
    """Every method with its defaults, with each switch flipped, and composed."""
    if own:
        from tutelage.methods.finding import find_method

        return {own: find_method(own)()}
    found = {}
    for name in METHODS:
        found[name] = method_class(name)()
        switches = [field.name for field in fields(found[name]) if isinstance(field.default, bool)]
        found |= {f"{name}-{s}": replace(found[name], **{s: not getattr(found[name], s)}) for s in switches}
    found |= {f"sdd-{kind}": replace(found["sdd"], kind=kind) for kind in ("dkd", "nkd")}
    kd, dist, ctkd = (method_class(name)() for name in ("kd", "dist", "ctkd"))
    return found | {
        "warmed": Warmed(kd, 20.0),
        "sum": Sum(kd, Warmed(dist, 20.0), 0.5),
        "sum-adapters": Sum(ctkd, dist),
    }


def pytest_generate_tests(metafunc):
    if "method" in metafunc.fixturenames:
        found = cases(metafunc.config.getoption("--method"))
        metafunc.parametrize("method", list(found.values()), ids=list(found))


class Problem(NamedTuple):
    """One batch and everything a method is given for it."""

    student: Outputs
    teacher: Outputs
    context: Context
    student_sizes: Sizes
    teacher_sizes: Sizes

    def adapters(self, method: Method) -> torch.nn.Module:
        torch.manual_seed(0)
        return method.adapters(self.student_sizes, self.teacher_sizes, SAMPLES).to(self.student.logits.dtype)


def problem(method: Method, classes=5, batch=6, dtype=torch.float64, scale=1.0, same=False, seed=0) -> Problem:
    """A random batch. `scale` multiplies the logits; `same`: the student says what the teacher says."""
    rng = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    def say(sizes):
        features = tuple(randn(batch, *size) for size in sizes.features)
        logits, regions = scale * randn(batch, classes), scale * randn(batch, GRID**2, classes)
        embedding = randn(batch, sizes.embedding)
        rotations = Rotations(scale * randn(batch, 3, classes), randn(batch, 3, sizes.embedding))
        return Outputs(logits, embedding, features, regions, rotations).mapped(lambda values: values.to(dtype))

    head = Head(randn(classes, 10).float(), randn(classes).float())
    theirs = Sizes(classes, 10, ((5, 8, 8), (8, 4, 4), (12, 2, 2)), SMALL.stages, head, regions=True)
    ours = theirs._replace(head=None) if method.claims.same_shapes else SMALL._replace(classes=classes)
    ours = theirs if same else ours
    teacher = say(theirs)
    student = teacher.mapped(torch.clone) if same else say(ours)
    labels = torch.randint(classes, (batch,), generator=rng)
    context = Context(labels, torch.randperm(SAMPLES, generator=rng)[:batch], EPOCH)
    return Problem(student, teacher, context, ours, theirs)


def leaves(outputs: Outputs) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(outputs) if leaf is not None]


def terms(method: Method, p: Problem, adapters=None) -> dict[str, torch.Tensor]:
    """The method's terms; the adapters given are left as they were, whatever state they have."""
    adapters = copy.deepcopy(p.adapters(method) if adapters is None else adapters)
    torch.manual_seed(0)
    return method.losses(p.student, p.teacher, p.context, adapters)


def total(found: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([term.double() for term in found.values()]).sum()


def gradients(method: Method, p: Problem, adapters=None, only_teacher=False) -> list[torch.Tensor]:
    """Of the total (or of the terms that are not the labels') to every tensor of the student."""
    for leaf in leaves(p.student):
        leaf.requires_grad_()
    found = terms(method, p, adapters)
    if only_teacher:
        found.pop("label", None)
    return [g for g in torch.autograd.grad(total(found), leaves(p.student), allow_unused=True) if g is not None]


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], rtol=1e-9) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=rtol, atol=1e-10, msg=lambda text, n=name: f"{n}: {text}")


def test_terms_are_finite_scalars_and_have_gradients(method):
    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(classes=st.integers(3, 12), batch=st.integers(2, 9), seed=st.integers(0, 99))
    def check(classes, batch, seed):
        p = problem(method, classes, batch, torch.float32, seed=seed)
        for leaf in leaves(p.student):
            leaf.requires_grad_()
        found = terms(method, p)
        for name, term in found.items():
            assert term.shape == ()
            assert term.isfinite(), name
        assert total(found).requires_grad

    check()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=["f32", "f16", "bf16"])
def test_value_and_gradient_are_finite_at_any_scale_of_logits(method, scale, dtype):
    p = problem(method, dtype=dtype, scale=scale)
    adapters = p.adapters(method).float()
    if dtype != torch.float32 and sum(w.numel() for w in adapters.parameters()) > 1:
        pytest.skip("trained layers are float32 and so is what they are given")
    assert total(terms(method, p, adapters)).isfinite()
    for gradient in gradients(method, p, adapters):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("sure", ["student", "teacher", "both", "opposed"])
def test_a_logit_gap_of_150_is_finite(method, sure):
    p = problem(method, dtype=torch.float32)
    right = torch.nn.functional.one_hot(p.context.labels, 5) * 150.0
    wrong = torch.nn.functional.one_hot((p.context.labels + 1) % 5, 5) * 150.0
    s = {"student": right, "teacher": p.student.logits, "both": right, "opposed": wrong}[sure]
    t = {"student": p.teacher.logits, "teacher": right, "both": right, "opposed": right}[sure]
    p = p._replace(student=p.student._replace(logits=s.clone()), teacher=p.teacher._replace(logits=t.clone()))
    assert total(terms(method, p)).isfinite()
    for gradient in gradients(method, p):
        assert gradient.isfinite().all()


def test_constant_logits_are_finite(method):
    p = problem(method, dtype=torch.float32)
    for side in ("student", "teacher"):
        flat = getattr(p, side)._replace(logits=torch.full((6, 5), 0.3))
        q = p._replace(**{side: flat})
        assert total(terms(method, q)).isfinite()
        for gradient in gradients(method, q):
            assert gradient.isfinite().all()


def test_order_of_the_batch_does_not_matter(method):
    p = problem(method)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    context = p.context._replace(labels=p.context.labels[order], sample=p.context.sample[order])
    q = p._replace(
        student=p.student.mapped(lambda t: t[order]), teacher=p.teacher.mapped(lambda t: t[order]), context=context
    )
    assert_same(terms(method, p), terms(method, q))


def test_names_of_the_classes_do_not_matter(method):
    p = problem(method)
    order = torch.tensor([3, 0, 4, 1, 2])
    head = p.teacher_sizes.head

    def renamed(said):
        rotations = said.rotations._replace(logits=said.rotations.logits[:, :, order])
        return said._replace(logits=said.logits[:, order], regions=said.regions[:, :, order], rotations=rotations)

    q = Problem(
        renamed(p.student),
        renamed(p.teacher),
        p.context._replace(labels=order.argsort()[p.context.labels]),
        p.student_sizes,
        p.teacher_sizes._replace(head=Head(head.weight[order], head.bias[order])),
    )
    assert_same(terms(method, p), terms(method, q))


def test_a_batch_twice_over_has_the_same_loss_where_claimed(method):
    if not method.claims.duplicates:
        pytest.skip("not claimed: it relates the samples of a batch")
    p = problem(method)
    q = p._replace(
        student=p.student.mapped(lambda t: torch.cat([t, t])),
        teacher=p.teacher.mapped(lambda t: torch.cat([t, t])),
        context=p.context._replace(labels=p.context.labels.repeat(2), sample=p.context.sample.repeat(2)),
    )
    assert_same(terms(method, p), terms(method, q))


@pytest.mark.parametrize("epoch", [EPOCH, 99.0])
def test_the_loss_of_a_batch_is_the_mean_of_its_halves_unless_it_couples_the_batch(method, epoch):
    # What several processes compute, each with its share: the mean of their losses, and so of their gradients. Batch
    # norm in the adapters sees the samples of all: here it has statistics from before.
    p = problem(method, batch=8)
    p = p._replace(context=p.context._replace(epoch=epoch))
    adapters = p.adapters(method)
    normed = [part for part in adapters.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    assert bool(normed) == bool(method.claims.batch_norm)
    for part in normed:
        part.eval()
    halves = []
    for part in (slice(0, None, 2), slice(1, None, 2)):
        context = p.context._replace(labels=p.context.labels[part], sample=p.context.sample[part])
        share = p._replace(
            student=p.student.mapped(lambda t, part=part: t[part]),
            teacher=p.teacher.mapped(lambda t, part=part: t[part]),
            context=context,
        )
        halves.append(terms(method, share, adapters))
    mean = {name: (halves[0][name] + halves[1][name]) / 2 for name in halves[0]}
    if method.claims.couples_batch:
        apart = abs(total(terms(method, p, adapters)) - total(mean))
        assert apart > 1e-6, "it claims to couple the batch, and does not"
    else:
        assert_same(terms(method, p, adapters), mean)


def test_student_equal_to_teacher_costs_nothing_where_claimed(method):
    claimed = method.claims.zero
    if not claimed:
        pytest.skip(f"not claimed: {method.claims.why}")
    p = problem(method, same=True)
    found = {name: term for name, term in terms(method, p).items() if name != "label"}
    assert found
    if claimed == VALUE_AND_GRADIENT:
        assert abs(total(found)) < 1e-6
    else:
        assert total(found) > 1e-3
    for gradient in gradients(method, p, only_teacher=True):
        assert gradient.abs().max() < 1e-6
    far = gradients(method, problem(method), only_teacher=True)
    assert max(gradient.abs().max() for gradient in far) > 1e-4, "zero everywhere is no claim"


def test_the_teacher_gets_no_gradient(method):
    p = problem(method)
    for leaf in leaves(p.teacher) + leaves(p.student):
        leaf.requires_grad_()
    total(terms(method, p)).backward()
    for leaf in leaves(p.teacher):
        assert leaf.grad is None or not leaf.grad.any()


def test_undeclared_fields_may_be_absent(method):
    p = problem(method)
    absent = {"logits": torch.empty(6, 0, dtype=torch.float64), "embedding": None, "features": (), "regions": None}
    absent["rotations"] = None
    teacher = p.teacher._replace(**{name: value for name, value in absent.items() if name not in method.needs})
    unread = absent.keys() - {"logits"} - method.student_needs
    student = p.student._replace(**{name: absent[name] for name in unread})
    assert_same(terms(method, p), terms(method, p._replace(student=student, teacher=teacher)))


def test_gradients_agree_with_finite_differences(method):
    if method.claims.stopped:
        pytest.skip(f"held constant in the formula: {method.claims.stopped}")
    p = problem(method, classes=4, batch=3)
    adapters = p.adapters(method)
    inputs = [leaf.requires_grad_() for leaf in leaves(p.student)]

    def function(*tensors):
        each = iter(tensors)
        return total(terms(method, p._replace(student=p.student.mapped(lambda _: next(each))), adapters))

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True, atol=1e-5)


def test_terms_are_continuous_where_a_field_is_zero(method):
    p = problem(method)
    for name, allowed in ranges(type(method)).items():
        if 0.0 not in allowed or isinstance(getattr(method, name), int):
            continue
        at, near = replace(method, **{name: 0.0}), replace(method, **{name: 1e-9})
        assert abs(total(terms(at, p)) - total(terms(near, p))) < 1e-5, name
        for gradient in gradients(at, p):
            assert gradient.isfinite().all(), name


def test_adapters_all_receive_gradient(method):
    p = problem(method)
    adapters = p.adapters(method)
    if not list(adapters.parameters()):
        pytest.skip("nothing to train outside the student")
    torch.manual_seed(0)
    total(method.losses(p.student, p.teacher, p.context, adapters)).backward()
    for name, parameter in adapters.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_two_classes_work_or_are_refused_clearly(method):
    p = problem(method, classes=2)
    decoupled = getattr(method, "kind", "kd") != "kd"
    if method.claims.three_classes or getattr(method, "standardize", False) or decoupled:
        with pytest.raises(UserError, match="2 classes"):
            terms(method, p)
    else:
        assert total(terms(method, p)).isfinite()


def test_fields_out_of_range_are_refused(method):
    for name, allowed in ranges(type(method)).items():
        kind = type(getattr(method, name))
        outside = [allowed.low if allowed.open else allowed.low - 1, allowed.high + 1]
        outside = [kind(value) for value in outside if math.isfinite(value) or kind is float]
        for value in [*outside, math.nan, math.inf] if kind is float else outside:
            with pytest.raises(UserError, match=rf"method\.{name} = "):
                replace(method, **{name: value})


def test_mixed_labels_with_no_share_are_the_labels(method):
    if not method.mixable:
        pytest.skip("singles out one true class; the recipe refuses mixed views")
    p = problem(method)
    partner = (p.context.labels + 1) % 5
    mixed = p.context._replace(partner_labels=partner, partner_share=torch.zeros(6))
    assert_same(terms(method, p), terms(method, p._replace(context=mixed)))
    swapped = p.context._replace(labels=partner, partner_labels=p.context.labels, partner_share=torch.ones(6))
    assert_same(terms(method, p), terms(method, p._replace(context=swapped)))


def test_it_is_a_frozen_dataclass_of_documented_numbers(method):
    assert is_dataclass(method)
    assert type(method).__dataclass_params__.frozen
    assert (type(method).__doc__ or "").strip(), "the class docstring is the formula"
    assert hash(method) == hash(replace(method))
    for name, value in ranges(type(method)).items():
        assert getattr(method, name) in value


@pytest.mark.compiles
@torch._dynamo.config.patch(error_on_recompile=True)
def test_compiles_in_one_graph_and_once_for_all_epochs(method):
    p = problem(method, dtype=torch.float32)
    for leaf in leaves(p.student):
        leaf.requires_grad_()
    eager, compiled = p.adapters(method), p.adapters(method)

    def losses(student, teacher, context):
        return method.losses(student, teacher, context, compiled)

    torch._dynamo.reset()
    run = torch.compile(losses, fullgraph=True, backend="aot_eager", dynamic=False)
    for epoch in (EPOCH, EPOCH + 5):
        context = p.context._replace(epoch=torch.tensor(epoch))
        torch.manual_seed(0)
        found = run(p.student, p.teacher, context)
        torch.manual_seed(0)
        expected = method.losses(p.student, p.teacher, p.context._replace(epoch=epoch), eager)
        assert_same(expected, found, rtol=1e-4)
        got = torch.autograd.grad(total(found), leaves(p.student), allow_unused=True)
        want = torch.autograd.grad(total(expected), leaves(p.student), allow_unused=True)
        for g, w in zip(got, want, strict=True):
            torch.testing.assert_close(g, w, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_the_table_agrees_with_the_class(name):
    row, cls = METHODS[name], method_class(name)
    assert cls.__name__ == row.cls
    assert set(row.needs) == cls.needs
    assert cls.needs <= {"logits", "embedding", "features", "regions", "rotations", "head"}
    assert cls.student_needs <= {"logits", "embedding", "features", "regions", "rotations"}
    assert row.paper
    assert 1980 < row.year < 2100
    for function in row.functions:
        assert inspect.getdoc(getattr(methods, function)), function
    assert "claims" in vars(cls), "declare what the method claims beyond the contract"
    assert not cls.claims.zero or cls.claims.why


def test_every_file_is_a_row():
    folder = Path(methods.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files - {"adapters", "base", "combine", "declared", "explain", "finding", "own"} == set(METHODS)
