"""A method warmed up, and several methods as one."""

import dataclasses

import pytest
import torch

from tutelage import methods
from tutelage.errors import UserError
from tutelage.methods import method_class, method_name
from tutelage.methods.combine import Sum, Warmed, composed
from tutelage.outputs import Context, Head, Outputs, Sizes

KD, DIST, CTKD, DKD, BASELINE = (method_class(name)() for name in ("kd", "dist", "ctkd", "dkd", "baseline"))
STUDENT, TEACHER = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))


def terms(method, epoch=5.0):
    adapters = method.adapters(Sizes(5), Sizes(5), 4)
    return method.losses(Outputs(STUDENT), Outputs(TEACHER), Context(torch.arange(4), torch.arange(4), epoch), adapters)


@pytest.mark.parametrize(("epoch", "share"), [(0.0, 0.0), (5.0, 0.25), (20.0, 1.0), (99.0, 1.0)])
def test_warmed_scales_all_terms_but_the_labels(epoch, share):
    plain, warmed = terms(KD, epoch), terms(Warmed(KD, 20.0), epoch)
    assert warmed.keys() == plain.keys()
    torch.testing.assert_close(warmed["label"], plain["label"])
    torch.testing.assert_close(warmed["teacher"], share * plain["teacher"])


def test_warm_up_of_a_method_that_has_one_is_the_square_of_it():
    warmed = terms(Warmed(DKD, 20.0), epoch=10.0)
    full = terms(dataclasses.replace(DKD, warm_up=0.0))
    torch.testing.assert_close(warmed["teacher"], full["teacher"] / 4)


def test_sum_counts_the_labels_once_and_weighs_the_second():
    kd, dist, both = terms(KD), terms(DIST), terms(Sum(KD, DIST, 0.5))
    assert list(both) == ["label", "teacher", "dist_teacher"]
    torch.testing.assert_close(both["label"], kd["label"])
    torch.testing.assert_close(both["teacher"], kd["teacher"])
    torch.testing.assert_close(both["dist_teacher"], 0.5 * dist["teacher"])


def test_the_same_method_twice_adds_up():
    hot = method_class("kd")(temperature=20.0)
    both = terms(composed(BASELINE, KD, hot))
    assert list(both) == ["label", "kd_teacher"]
    torch.testing.assert_close(both["kd_teacher"], terms(KD)["teacher"] + terms(hot)["teacher"])


def test_composed_adds_from_left_to_right():
    assert composed(KD) == KD
    assert composed(KD, DIST) == Sum(KD, DIST)
    assert composed(KD, DIST, CTKD) == Sum(Sum(KD, DIST), CTKD)


def test_a_composition_declares_what_its_parts_do():
    at = method_class("at")()
    both = Sum(Warmed(KD), at)
    assert both.needs == KD.needs | at.needs == {"logits", "features"}
    assert both.student_needs == {"logits", "features"}
    assert both.mixable
    assert Sum(BASELINE, BASELINE).needs == frozenset()
    assert not Sum(KD, DKD).mixable
    assert not Warmed(DKD).mixable
    assert KD.needs == {"logits"}
    pairs = "pairs of samples are compared"
    assert Sum(Warmed(KD), Warmed(method_class("cc")())).claims.couples_batch == pairs
    assert Sum(method_class("pkt")(), method_class("cc")()).claims.couples_batch == pairs
    assert not both.claims.couples_batch


def test_adapters_of_both_are_there_and_are_trained():
    both = Sum(Warmed(CTKD, 20.0), CTKD)
    adapters = both.adapters(Sizes(5), Sizes(5), 4)
    assert [name for name, _ in adapters.named_parameters()] == ["first.raw", "second.raw"]
    context = Context(torch.arange(4), torch.arange(4), 5.0)
    sum(both.losses(Outputs(STUDENT), Outputs(TEACHER), context, adapters).values()).backward()
    assert all(parameter.grad.abs() > 0 for parameter in adapters.parameters())


@pytest.mark.parametrize("order", [0, 1])
def test_the_network_of_the_part_that_keeps_some_is_deployed(order):
    simkd, student = method_class("simkd")(), torch.nn.Linear(6, 5)
    student.mean, student.std = (0.5,), (0.5,)
    head = Head(torch.randn(5, 10), torch.randn(5))
    sizes = Sizes(5, 10, ((4, 8, 8), (6, 4, 4)), ("one", "two"), head)

    def deployed(method):
        return method.deployed(student, method.adapters(sizes, sizes, 4))

    assert deployed(Warmed(KD)) is student
    assert deployed(Sum(KD, DIST)) is student
    alone = deployed(simkd)
    assert alone is not student
    assert type(deployed(Warmed(simkd))) is type(alone)
    assert type(deployed(Sum(*[KD, simkd][:: 1 - 2 * order]))) is type(alone)


def test_names_and_public_attributes():
    assert method_class("sum") is Sum is methods.Sum
    assert method_class("warmed") is Warmed is methods.Warmed
    assert method_name(Sum(KD, DIST)) == "sum"
    assert method_name(Warmed(KD)) == "warmed"


def test_equal_compositions_are_equal_and_hash_alike():
    assert Sum(KD, DIST) == Sum(KD, method_class("dist")())
    assert hash(Sum(KD, DIST)) == hash(Sum(KD, method_class("dist")()))
    assert Sum(KD, DIST) != Sum(KD, DIST, 2.0)


def test_fields_out_of_range_are_refused():
    with pytest.raises(UserError, match=r"method\.weight"):
        Sum(KD, DIST, -1.0)
    with pytest.raises(UserError, match=r"method\.epochs"):
        Warmed(KD, -1.0)


def test_what_a_method_of_ones_own_is_made_of_is_public():
    from tutelage.methods import (
        Epochs,
        Method,
        Range,
        Share,
        Temperature,
        Weight,
        label_cross_entropy,
        ramp,
        softened_kl,
        standardized,
        widened,
    )

    assert issubclass(methods.KD, Method)
    assert all((Epochs, Range, Share, Temperature, Weight))
    assert all(callable(f) for f in (label_cross_entropy, ramp, softened_kl, standardized, widened, composed))
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        methods.nothing_of_that_name  # noqa: B018


@pytest.mark.parametrize("whole", [lambda part: Sum(part, KD), lambda part: Sum(KD, part), Warmed])
def test_a_part_that_returns_no_terms_is_named(whole):
    @dataclasses.dataclass(frozen=True)
    class Forgetful(methods.Method):
        def losses(self, student, teacher, context, adapters):
            student.logits.mean()

    Forgetful.label = "own.py:Forgetful"
    with pytest.raises(UserError, match=r"losses of own\.py:Forgetful returned NoneType"):
        terms(whole(Forgetful()))
