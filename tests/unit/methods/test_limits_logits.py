"""Where one method must become another, or nothing: values and gradients."""

import math

import pytest
import torch
import torch.nn.functional as F

from tutelage import methods
from tutelage.errors import UserError
from tutelage.methods import METHODS, method_class
from tutelage.methods._common import ramp, standardized
from tutelage.outputs import Context, Outputs, Sizes

B, C = 8, 5
LABELS = torch.tensor([0, 3, 3, 1, 4, 2, 0, 1])


@pytest.fixture
def logits():
    """Of a student with gradient, and of a teacher."""
    rng = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(2, B, C, generator=rng, dtype=torch.float64) * 2
    return student.requires_grad_(), teacher


@pytest.fixture
def right(logits):
    """The logits of a teacher that is right everywhere."""
    return logits[1] + 20 * F.one_hot(LABELS, C)


def assert_equal(one, other, student, tolerance=1e-10):
    """The same value and the same gradient to the student's logits."""
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    (a,) = torch.autograd.grad(one, student, retain_graph=True)
    (b,) = torch.autograd.grad(other, student, retain_graph=True)
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    assert a.abs().max() > 1e-3


def total(name, student, teacher, epoch=100.0, **options):
    method = method_class(name)(**options)
    adapters = method.adapters(Sizes(C), Sizes(C), B).double()
    context = Context(LABELS, torch.arange(B), epoch)
    return sum(method.losses(Outputs(student), Outputs(teacher), context, adapters).values())


def test_a_hot_kd_is_half_the_squared_difference_of_centred_logits(logits):
    student, teacher = logits
    hot = methods.kd_loss(student, teacher, 1e4)
    difference = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    assert_equal(hot, difference.square().sum() / (2 * C * B), student, 1e-3)
    assert_equal(hot, methods.logit_mse_loss(student, teacher, centred=True) / 2, student, 1e-3)


def test_kd_gradient_keeps_its_size_as_the_temperature_grows(logits):
    student, teacher = logits
    sizes = []
    for temperature in (20.0, 40.0, 80.0):
        (gradient,) = torch.autograd.grad(methods.kd_loss(student, teacher, temperature), student)
        sizes.append(gradient.norm())
    assert max(sizes) / min(sizes) < 1.2  # without T^2 it would fall sixteenfold


def test_kd_ignores_a_constant_added_to_all_logits(logits):
    student, teacher = logits
    assert_equal(methods.kd_loss(student, teacher), methods.kd_loss(student + 7, teacher - 3), student)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dkd_with_the_teachers_doubt_as_weight_is_kd(logits, temperature):
    student, teacher = logits
    doubt = 1 - F.softmax(teacher / temperature, dim=1).gather(1, LABELS[:, None])
    parts = [
        methods.dkd_loss(student[b : b + 1], teacher[b : b + 1], LABELS[b : b + 1], 1.0, doubt[b].item(), temperature)
        for b in range(B)
    ]
    assert_equal(torch.stack(parts).mean(), methods.kd_loss(student, teacher, temperature), student)


def test_dkd_of_the_other_classes_never_moves_the_true_one(logits):
    student, teacher = logits
    loss = methods.dkd_loss(student, teacher, LABELS, target_weight=0.0)
    (gradient,) = torch.autograd.grad(loss, student)
    assert not gradient.gather(1, LABELS[:, None]).any()


def test_rld_of_a_teacher_that_is_right_is_dkd(logits, right):
    student, _ = logits
    rld = methods.rld_loss(student, right, LABELS, 0.7, 3.0, confidence_temperature=4.0, temperature=4.0)
    assert_equal(rld, methods.dkd_loss(student, right, LABELS, 0.7, 3.0, 4.0), student)


def test_rld_asks_nothing_of_the_classes_a_wrong_teacher_prefers(logits):
    student, teacher = logits
    loss = methods.rld_loss(student, teacher, LABELS, confidence_weight=0.0)
    (gradient,) = torch.autograd.grad(loss, student)
    masked = teacher >= teacher.gather(1, LABELS[:, None])
    assert masked.sum() > B
    assert not gradient[masked].any()
    assert gradient[~masked].any()


def test_rld_with_the_label_ranked_last_is_the_confidence_alone(logits):
    student, teacher = logits
    last = teacher - 50 * F.one_hot(LABELS, C)
    assert_equal(
        methods.rld_loss(student, last, LABELS),
        methods.rld_loss(student, last, LABELS, masked_weight=0.0),
        student,
    )


def test_nkd_of_a_certain_teacher_without_the_others_is_cross_entropy(logits):
    student, teacher = logits
    certain = teacher + 500 * F.one_hot(LABELS, C)
    assert_equal(methods.nkd_loss(student, certain, LABELS, gamma=0.0), F.cross_entropy(student, LABELS), student)


def test_ttm_with_power_one_is_kd_at_temperature_one(logits):
    student, teacher = logits
    assert_equal(methods.ttm_loss(student, teacher, 1.0), methods.kd_loss(student, teacher, 1.0), student)
    assert_equal(methods.wttm_loss(student, teacher, 1.0), methods.kd_loss(student, teacher, 1.0), student)


def test_ttm_softens_the_teacher_as_kd_does(logits):
    student, teacher = logits
    soft = F.softmax(teacher / 4, dim=1)
    expected = (soft * (soft.log() - F.log_softmax(student, dim=1))).sum(1).mean()
    assert_equal(methods.ttm_loss(student, teacher, 0.25), expected, student)


def test_wttm_weighs_an_unsure_teacher_by_the_number_of_classes(logits):
    student, _ = logits
    unsure = torch.zeros(B, C, dtype=torch.float64)
    expected = C ** (1 - 0.2) * methods.ttm_loss(student, unsure, 0.2)
    assert_equal(methods.wttm_loss(student, unsure, 0.2), expected, student)


def test_wsld_trusts_the_teacher_fully_where_the_student_knows_nothing(logits, right):
    student, _ = logits
    soft = F.softmax(right / 2, dim=1)
    expected = -4 * (soft * F.log_softmax(student / 2, dim=1)).sum(1).mean()
    assert_equal(methods.wsld_loss(student, right, LABELS, 2.0), expected, student, 1e-6)


def test_wsld_ignores_the_teacher_where_the_student_knows_better(logits):
    student, teacher = logits
    knows = (student.detach() + 60 * F.one_hot(LABELS, C)).requires_grad_()
    loss = methods.wsld_loss(knows, teacher - 60 * F.one_hot(LABELS, C), LABELS)
    loss.backward()
    assert loss.abs() < 1e-9
    assert knows.grad.abs().max() < 1e-9


def test_dist_with_the_authors_epsilon_ignores_a_class_that_nobody_expects(logits):
    """Without it, probabilities of e^-14 have a correlation as weighty as any."""
    student, teacher = logits
    absent = torch.tensor([0.0, 0.0, 0.0, 0.0, -14.0])
    gradients = {}
    for epsilon in (0.0, 1e-8):
        loss = methods.dist_loss(student + absent, teacher + absent, 0.0, 1.0, 1.0, epsilon)
        gradients[epsilon] = torch.autograd.grad(loss, student)[0][:, 4].abs().max()
    assert gradients[0.0] > 100 * gradients[1e-8] > 0


def test_dist_of_the_opposite_opinion_is_its_largest_value():
    student = torch.tensor([[0.3, -0.3], [-1.0, 1.0], [0.7, -0.7]], dtype=torch.float64)
    loss = methods.dist_loss(student, -student, temperature=3.0)
    assert loss.item() == pytest.approx(2 * 9 * 2)


def test_dist_ignores_probabilities_scaled_about_the_uniform_ones(logits):
    """Half as sure of everything is the same opinion: the correlations are 1, where kd's loss is not 0."""
    _, teacher = logits
    half = ((F.softmax(teacher, dim=1) + 1 / C) / 2).log()
    assert methods.dist_loss(half, teacher, temperature=1.0).abs() < 1e-9
    assert methods.kd_loss(half, teacher, 1.0) > 0.01


def test_luminet_ignores_scale_and_offset_of_each_class(logits):
    student, teacher = logits
    scale, offset = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5]), torch.arange(5.0)
    stretched = methods.luminet_loss(student * scale + offset, teacher)
    assert_equal(methods.luminet_loss(student, teacher), stretched, student, 1e-4)


def test_label_smoothing_of_nothing_is_the_baseline(logits):
    student, teacher = logits
    baseline = total("baseline", student, teacher)
    assert_equal(total("label_smoothing", student, teacher, smoothing=0.0), baseline, student)


def test_tf_kd_of_a_teacher_that_knows_nothing_is_label_smoothing(logits):
    student, teacher = logits
    virtual = total("tf_kd", student, teacher, correct=1 / C, temperature=1.0, alpha=0.1)
    smoothed = total("label_smoothing", student, teacher, smoothing=0.1)
    assert_equal(virtual, smoothed - 0.1 * math.log(C), student)


def test_hard_label_of_a_teacher_that_is_right_is_the_baseline(logits, right):
    student, _ = logits
    assert_equal(total("hard_label", student, right), total("baseline", student, right), student)


@pytest.mark.parametrize("name", [name for name, row in METHODS.items() if row.needs == ("logits",)])
def test_without_the_teachers_weight_only_the_labels_count(name, logits):
    student, teacher = logits
    cls = method_class(name)
    off = {"alpha", "teacher_weight", "target_weight", "others_weight", "confidence_weight", "masked_weight"}
    off |= {"instance_weight", "batch_weight", "class_weight"}
    options = {field: 0.0 for field in off & set(cls.__dataclass_fields__)}
    assert options
    weight = getattr(cls(), "label_weight", 1.0)
    assert_equal(total(name, student, teacher, **options), weight * F.cross_entropy(student, LABELS), student)


@pytest.mark.parametrize("name", ["kd", "dkd", "ctkd"])
def test_standardising_what_is_standardised_changes_nothing(name, logits):
    student, teacher = logits
    student = standardized(student).detach().requires_grad_()
    plain = total(name, student, standardized(teacher))
    twice = total(name, student, standardized(teacher), standardize=True)
    torch.testing.assert_close(plain, twice, rtol=1e-6, atol=1e-6)


def test_standardised_rows_have_mean_zero_and_deviation_one(logits):
    rows = standardized(logits[1] * 30 + 7)
    torch.testing.assert_close(rows.mean(1), torch.zeros(B, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(rows.std(1), torch.ones(B, dtype=torch.float64), atol=1e-7, rtol=0)


def test_ctkd_without_a_span_is_kd(logits):
    student, teacher = logits
    fixed = total("ctkd", student, teacher, low=4.0, span=0.0)
    assert_equal(fixed, total("kd", student, teacher, temperature=4.0), student)


def test_ctkd_trains_its_temperature_to_raise_the_loss_more_and_more(logits):
    student, teacher = logits
    method = method_class("ctkd")()
    slopes = {}
    for epoch in (0.0, 2.5, 5.0, 10.0, 50.0):
        adapters = method.adapters(Sizes(C), Sizes(C), B).double()
        context = Context(LABELS, torch.arange(B), epoch)
        loss = method.losses(Outputs(student), Outputs(teacher), context, adapters)["teacher"]
        (slopes[epoch],) = torch.autograd.grad(loss, adapters.raw)
    raw = torch.ones((), dtype=torch.float64, requires_grad=True)
    temperature = 1 + 20 * torch.sigmoid(raw)
    log_q, log_p = F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)
    (plain,) = torch.autograd.grad(0.9 * temperature**2 * (log_p.exp() * (log_p - log_q)).sum(1).mean(), raw)
    for epoch, share in ((0.0, 0.0), (2.5, 0.5 - 0.5**1.5), (5.0, 0.5), (10.0, 1.0), (50.0, 1.0)):
        assert slopes[epoch].item() == pytest.approx(-share * plain.item(), abs=1e-12)
    assert plain.abs() > 1e-4


@pytest.mark.parametrize("name", ["dkd", "rld", "luminet"])
def test_warm_up_scales_the_teachers_term_alone(name, logits):
    student, teacher = logits
    method = method_class(name)(warm_up=8.0)

    def at(epoch):
        return method.losses(Outputs(student), Outputs(teacher), Context(LABELS, torch.arange(B), epoch), None)

    full = at(8.0)
    for epoch, share in ((0.0, 0.0), (2.0, 0.25), (4.0, 0.5), (80.0, 1.0)):
        torch.testing.assert_close(at(epoch)["teacher"], share * full["teacher"])
        torch.testing.assert_close(at(epoch)["label"], full["label"])


def test_ramp_of_numbers_and_of_tensors():
    assert [ramp(epoch, 20.0) for epoch in (0.0, 5.0, 20.0, 30.0)] == [0.0, 0.25, 1.0, 1.0]
    assert ramp(0.0, 0.0) == 1.0
    assert ramp(torch.tensor(5.0), 20.0).item() == 0.25
    assert ramp(torch.tensor(30.0), 20.0).item() == 1.0


HALVES = ["kd_loss", "logit_mse_loss", "dkd_loss", "nkd_loss", "dist_loss", "wsld_loss", "ttm_loss", "wttm_loss"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", [*HALVES, "rld_loss", "luminet_loss", "hard_label_loss"])
def test_half_precision_logits_are_computed_in_float32(name, dtype, logits):
    student, teacher = (z.detach().to(dtype) for z in logits)
    labels = (LABELS,) if name in ("dkd_loss", "nkd_loss", "wsld_loss", "rld_loss") else ()
    found = getattr(methods, name)(student, teacher, *labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, getattr(methods, name)(student.float(), teacher.float(), *labels))


@pytest.mark.parametrize("name", ["dkd", "nkd", "rld"])
def test_two_classes_are_refused_by_name(name):
    two = torch.zeros(3, 2)
    with pytest.raises(UserError) as error:
        getattr(methods, f"{name}_loss")(two, two, torch.zeros(3, dtype=torch.int64))
    assert str(error.value) == (f"{name} says nothing about 2 classes, it needs 3 or more\n\nhint: use kd, or ttm")


def test_a_field_out_of_range_says_which_and_what_is_allowed():
    with pytest.raises(UserError) as error:
        method_class("kd")(temperature=0.0)
    assert str(error.value) == ("method.temperature = 0.0 is outside (0, inf)\n\nhint: choose temperature in (0, inf)")


@pytest.mark.parametrize(("kind", "temperature"), [("kd", 4.0), ("dkd", 4.0), ("nkd", 1.0)])
def test_sdd_of_images_that_look_the_same_everywhere_is_the_loss_of_the_whole(logits, kind, temperature):
    student, teacher = logits
    sizes = Sizes(C, regions=True)
    method = methods.SDD(kind=kind, temperature=temperature, label_weight=0.0, teacher_weight=1.0)
    adapters = method.adapters(sizes, sizes, B)
    parts = [Outputs(z, regions=z[:, None].expand(B, 16, C)) for z in (student, teacher)]
    found = method.losses(*parts, Context(LABELS, torch.arange(B), 0.0), adapters)["teacher"]
    whole = {
        "kd": methods.kd_loss(student, teacher),
        "dkd": methods.dkd_loss(student, teacher, LABELS),
        "nkd": methods.nkd_loss(student, teacher, LABELS),
    }
    assert_equal(found, whole[kind], student)
