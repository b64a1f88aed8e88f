"""Limiting cases of the embedding and feature methods, with gradients; vanishing distances; what is not trained.

Seen to fail: torch's `normalize`, the square root of a vanishing length, no refusal of a single sample, gamma for
2 gamma, variances in a list, margins at 0, the deepest stage at half weight, warm-up from the start, the memory's rows
not saved, written at the wrong rows or with the anchor's class among the negatives, draws without the step, a new
partition every step, a copied student, a head among the parameters; sskd's wrong
rows by order, the teacher's head trained by what is taught from it, a head that trains the student, no warm-up.
"""

import copy
import math

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from tutelage import methods
from tutelage.errors import UserError
from tutelage.methods import CRD, OFD, RKD, SRRL, SSKD, VID, ReviewKD, SemCKD, SimKD, kd_loss
from tutelage.methods._relations import unit
from tutelage.methods.sskd import kept
from tutelage.outputs import Context, Head, Outputs, Rotations, Sizes

B = 6
MAPS = ("at_loss", "sp_loss", "nst_loss")
EMBEDDINGS = (
    "rkd_distance_loss",
    "rkd_angle_loss",
    "pkt_loss",
    "cc_loss",
    "sp_loss",
    "itrd_correlation_loss",
    "itrd_mutual_loss",
    "srd_loss",
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def rows(width=4):
    return torch.randn(B, width, dtype=torch.float64)


def gradient(function, x, *others):
    x = x.clone().requires_grad_()
    function(x, *others).backward()
    return x.grad


def rotation(width):
    return torch.linalg.qr(torch.randn(width, width, dtype=torch.float64)).Q


# Where the student may stand: what each function holds for equal.


def test_rkd_distances_ignore_scale_place_and_orientation():
    t = rows()
    s = 3 * t @ rotation(4) + 5
    assert methods.rkd_distance_loss(s, t) < 1e-24
    assert gradient(methods.rkd_distance_loss, s, t).abs().max() < 1e-12
    assert methods.rkd_angle_loss(s, t) < 1e-24
    assert gradient(methods.rkd_angle_loss, s, t).abs().max() < 1e-12


def test_rkd_without_angles_is_distance_wise():
    s, t = Outputs(rows(3), rows()), Outputs(rows(3), rows(7))
    context = Context(torch.zeros(B, dtype=torch.int64), torch.arange(B), 0.0)
    found = RKD(angle_weight=0.0).losses(s, t, context, None)
    assert found.keys() == {"label", "distance"}
    assert found["distance"] == 25 * methods.rkd_distance_loss(s.embedding, t.embedding)


def test_rkd_is_quadratic_in_small_differences():
    """The Huber loss is half a square there: twice the difference costs four times as much."""
    t = rows()
    direction = rows()
    near, far = (methods.rkd_distance_loss(t + e * direction, t) for e in (1e-5, 2e-5))
    assert (far / near).item() == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize("name", ["pkt_loss", "cc_loss", "itrd_mutual_loss", "sp_loss"])
def test_cosines_ignore_orientation(name):
    function = getattr(methods, name)
    s, t = rows(), rows(7)
    torch.testing.assert_close(function(s @ rotation(4), t @ rotation(7)), function(s, t))


@pytest.mark.parametrize("name", ["pkt_loss", "cc_loss", "itrd_mutual_loss"])
def test_cosines_ignore_every_rows_length(name):
    function = getattr(methods, name)
    s, t = rows(), rows(7)
    lengths = torch.rand(B, 1, dtype=torch.float64) + 0.1
    torch.testing.assert_close(function(s * lengths, t / lengths), function(s, t))


def test_pkt_is_a_divergence():
    t = rows()
    assert methods.pkt_loss(3 * t, t).abs() < 1e-16
    assert all(methods.pkt_loss(rows(), rows(7)) > 0 for _ in range(20))


def test_cc_tends_to_the_gaussian_kernel():
    s, t = rows(), rows(7)

    def gaussian(x):
        x = F.normalize(x)
        return (-0.4 * (x[:, None] - x).square().sum(-1)).exp()

    expected = F.mse_loss(gaussian(s), gaussian(t))
    assert methods.cc_loss(s, t, 0.4, 20).item() == pytest.approx(expected.item(), rel=1e-10)
    assert methods.cc_loss(s, t, 1e-9, 2) < 1e-17  # a flat kernel sees nothing


def test_itrd_ends_at_a_perfect_correlation():
    t = rows()
    s = t * torch.tensor([1.0, 2.0, 0.1, 7.0], dtype=torch.float64) + 3
    expected = math.log2(4 * (1 / B) ** (2 * 1.01))
    assert methods.itrd_correlation_loss(s, t).item() == pytest.approx(expected, rel=1e-9)
    assert methods.itrd_correlation_loss(-s, t) > methods.itrd_correlation_loss(rows(), t)


def test_srd_counts_the_batch_inside_the_logarithm():
    s, t = rows(), rows()
    twice = methods.srd_loss(torch.cat([s, s]), torch.cat([t, t]))
    assert (twice - methods.srd_loss(s, t)).item() == pytest.approx(math.log(2), rel=1e-6)
    assert methods.srd_loss(5 * t + 1, t) < -5
    assert gradient(methods.srd_loss, t, t).abs().max() == 0


def test_attention_ignores_brightness_and_the_number_of_channels():
    t = torch.randn(B, 3, 4, 4, dtype=torch.float64)
    s = torch.cat([t, t], 1) * (1 + torch.rand(B, 1, 1, 1, dtype=torch.float64))
    assert methods.at_loss(s, t) < 1e-28
    assert gradient(methods.at_loss, s, t).abs().max() < 1e-14


def test_nst_ignores_the_order_and_strength_of_channels():
    t = torch.randn(B, 3, 4, 4, dtype=torch.float64)
    s = t[:, [2, 0, 1]] * torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64).view(3, 1, 1)
    assert methods.nst_loss(s, t).abs() < 1e-14
    assert gradient(methods.nst_loss, s, t).abs().max() < 1e-14


def test_a_constant_difference_costs_its_square_at_every_level():
    t = torch.randn(B, 3, 8, 8, dtype=torch.float64)
    assert methods.hcl_loss(t + 0.5, t).item() == pytest.approx(0.25, rel=1e-9)


# Where distances vanish.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=["f32", "f16", "bf16"])
@pytest.mark.parametrize("collapsed", ["equal", "two equal", "zero", "one zero"])
@pytest.mark.parametrize("name", EMBEDDINGS)
def test_vanishing_embeddings_keep_value_and_gradient_finite(name, collapsed, dtype):
    t = rows().to(dtype)
    s = rows().to(dtype)
    if collapsed == "equal":
        s = s[:1].expand(B, -1)
    elif collapsed == "two equal":
        s[1] = s[0]
    elif collapsed == "zero":
        s = torch.zeros_like(s)
    else:
        s[2] = 0
    for student, teacher in ((s, t), (t, s), (s, s)):
        function = getattr(methods, name)
        assert function(student, teacher).isfinite()
        slope = gradient(function, student, teacher)
        assert slope.isfinite().all()
        assert slope.abs().max() < 1e4, "a vanishing length must not blow up the gradient"


@pytest.mark.parametrize("name", [*MAPS, "hcl_loss"])
def test_silent_maps_keep_value_and_gradient_finite(name):
    t = torch.randn(B, 3, 4, 4)
    dead = t.clone()
    dead[:, 1] = 0
    dead[2] = 0
    for student, teacher in ((dead, t), (t, dead), (dead, dead), (torch.zeros_like(t), t)):
        function = getattr(methods, name)
        assert function(student, teacher).isfinite()
        assert gradient(function, student, teacher).isfinite().all()


def test_unit_vectors_have_length_one_or_zero():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-9, 0.0], [1e-7, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(unit(x).norm(dim=1), torch.tensor([1.0, 0, 0, 1], dtype=torch.float64))
    assert torch.autograd.gradcheck(unit, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_single_sample_has_no_pairs(name):
    with pytest.raises(ValueError, match="needs 2 or more, not 1"):
        getattr(methods, name)(rows()[:1], rows()[:1])


# Variational information distillation.


def networks(classes=3, head=True):
    """Sizes of a student and a teacher and random outputs of both."""
    ours = Sizes(classes, 4, ((2, 8, 8), (3, 4, 4)), ("a", "b"))
    theirs = Sizes(classes, 6, ((4, 8, 8), (5, 4, 4)), ("a", "b"))
    if head:
        theirs = theirs._replace(head=Head(torch.randn(classes, 6), torch.randn(classes)))

    def say(sizes):
        maps = tuple(torch.randn(B, *shape).relu() for shape in sizes.features)
        return Outputs(torch.randn(B, classes), torch.randn(B, sizes.embedding).relu(), maps)

    context = Context(torch.arange(B) % classes, torch.tensor([3, 1, 4, 0, 5, 9]), 2.5)
    return ours, theirs, say(ours), say(theirs), context


def test_vid_variances_are_trained_and_best_at_the_mean_square_error():
    ours, theirs, student, teacher, context = networks()
    adapters = VID().adapters(ours, theirs, 9)
    scales = [p for name, p in adapters.named_parameters() if name.endswith("scale")]
    assert [len(scale) for scale in scales] == [4, 5]
    optimizer = torch.optim.SGD(adapters.parameters(), 0.1)
    VID().losses(student, teacher, context, adapters)["teacher"].backward()
    before = copy.deepcopy(scales)
    optimizer.step()
    assert all((a != b).all() for a, b in zip(scales, before, strict=True))
    mean, truth = torch.randn(2, B, 3, 2, 2, dtype=torch.float64)
    error = (mean - truth).square().mean((0, 2, 3))
    slope = gradient(lambda variance: methods.vid_loss(mean, variance, truth), error)
    assert slope.abs().max() < 1e-15


# Overhaul.


def test_ofd_leaves_the_student_alone_below_the_margin():
    teacher = torch.randn(B, 3, 4, 4, dtype=torch.float64)
    margin = methods.ofd_margin(teacher)
    assert (margin < 0).all()
    assert methods.ofd_loss(torch.where(teacher > 0, teacher, margin - 1), teacher, margin) == 0
    slope = gradient(methods.ofd_loss, torch.full_like(teacher, -9.0), teacher, margin)
    assert not slope[teacher <= 0].any()
    assert (slope[teacher > 0] < 0).all()


def test_ofd_margins_of_channels_that_always_or_never_speak():
    x = torch.randn(B, 3, 4, 4, dtype=torch.float64).relu()
    x[:, 0], x[:, 1] = 0, 1 + x[:, 1]
    margin = methods.ofd_margin(x).flatten()
    assert margin[0] == 0
    assert margin.isfinite().all()
    assert (margin <= 0).all()


def test_ofd_margin_is_that_of_the_normal_distribution():
    """A rectified standard normal channel hides negative responses of mean -sqrt(2 / pi)."""
    x = torch.randn(1, 1, 1000, 1000, dtype=torch.float64)
    expected = -math.sqrt(2 / math.pi)
    assert methods.ofd_margin(x).item() == pytest.approx(expected, abs=5e-3)
    assert methods.ofd_margin(x.relu()).item() == pytest.approx(expected, abs=5e-3)


def test_ofd_halves_the_weight_of_every_shallower_stage():
    ours, theirs, student, teacher, context = networks()
    both, deep = OFD(), OFD(pairs=("b:b",))
    adapters = both.adapters(ours, theirs, 9)
    last = deep.adapters(ours, theirs, 9)
    last.parts[0].load_state_dict(adapters.parts[1].state_dict())
    shallow = OFD(pairs=("a:a",))
    first = shallow.adapters(ours, theirs, 9)
    first.parts[0].load_state_dict(adapters.parts[0].state_dict())
    terms = [
        m.losses(student, teacher, context, a)["teacher"] for m, a in ((both, adapters), (deep, last), (shallow, first))
    ]
    torch.testing.assert_close(terms[0], terms[1] + terms[2] / 2)


# Knowledge review and semantic calibration.


def test_review_warms_up_from_nothing():
    ours, theirs, student, teacher, context = networks()
    method = ReviewKD()
    adapters = method.adapters(ours, theirs, 9).eval()
    at = {
        epoch: method.losses(student, teacher, context._replace(epoch=epoch), adapters)["teacher"].item()
        for epoch in (0.0, 5.0, 20.0, 100.0)
    }
    assert at[0.0] == 0
    assert at[5.0] == pytest.approx(at[20.0] / 4)
    assert at[100.0] == at[20.0]


def test_attention_over_one_stage_is_one():
    ours, theirs, student, teacher, context = networks()
    one = theirs._replace(features=theirs.features[:1])
    method = SemCKD(points=8)
    adapters = method.adapters(ours, one, 9).eval()
    found = method.losses(student, teacher._replace(features=teacher.features[:1]), context, adapters)["teacher"]
    expected = 400 * adapters.distances(list(student.features), [teacher.features[0]]).mean()
    torch.testing.assert_close(found, expected)


def test_attention_is_even_at_a_high_temperature_and_sums_to_one():
    ours, theirs, student, teacher, _ = networks()
    adapters = SemCKD(points=8).adapters(ours, theirs, 9)
    shares = adapters.attention(list(student.features), list(teacher.features), 1.0)
    assert shares.shape == (B, 2, 2)
    torch.testing.assert_close(shares.sum(2), torch.ones(B, 2))
    even = adapters.attention(list(student.features), list(teacher.features), 1e6)
    torch.testing.assert_close(even, torch.full((B, 2, 2), 0.5), rtol=1e-5, atol=0)


@pytest.mark.parametrize("batch", [2, 5, 64, 65])
def test_similarity_profiles_have_one_length_whatever_the_batch(batch):
    x = torch.randn(batch, 3, 2, 2)
    profile = methods.similarity_profile(x, 64)
    assert profile.shape == (batch, 64)
    order = torch.randperm(batch)
    torch.testing.assert_close(methods.similarity_profile(x[order], 64), profile[order])
    if batch == 64:
        torch.testing.assert_close(profile, (x.flatten(1) @ x.flatten(1).T).sort(dim=1, descending=True).values)


# The teacher's head.


@pytest.mark.parametrize("method", [SRRL(), SimKD()], ids=["srrl", "simkd"])
def test_the_reused_head_is_saved_but_never_trained(method):
    ours, theirs, student, teacher, context = networks()
    adapters = method.adapters(ours, theirs, 9)
    assert {"head.weight", "head.bias"} <= adapters.state_dict().keys()
    assert not any(name.startswith("head") for name, _ in adapters.named_parameters())
    before = adapters.head.weight.clone()
    optimizer = torch.optim.SGD(adapters.parameters(), 0.1, weight_decay=0.1)
    sum(method.losses(student, teacher, context, adapters).values()).backward()
    optimizer.step()
    assert adapters.head.weight.equal(before)


@pytest.mark.parametrize("method", [SRRL(), SimKD()], ids=["srrl", "simkd"])
def test_a_teacher_without_a_linear_head_is_refused(method):
    ours, theirs, *_ = networks(head=False)
    with pytest.raises(UserError, match="the teacher's last linear layer, and this teacher has none"):
        method.adapters(ours, theirs, 9)


@pytest.mark.parametrize("name", ["itrd", "srd", "srrl", "crd", "review_kd", "sskd"])
def test_a_network_without_embedding_is_refused(name):
    ours, theirs, *_ = networks()
    method = methods.method_class(name)()
    with pytest.raises(UserError, match="the student has none"):
        method.adapters(ours._replace(embedding=None), theirs, 9)
    if name != "review_kd":
        with pytest.raises(UserError, match="the teacher has none"):
            method.adapters(ours, theirs._replace(embedding=None), 9)


class Backbone(torch.nn.Module):
    """A student for simkd: forward(pixels, want) with one stage of 3 channels."""

    mean, std = (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)

    def __init__(self):
        super().__init__()
        self.stage = torch.nn.Conv2d(3, 3, 3, stride=2)

    def forward(self, pixels, want=frozenset({"logits"})):
        assert "features" in want
        return Outputs(torch.zeros(len(pixels), 3), None, (self.stage(pixels),))


def test_the_deployed_simkd_student_ends_in_the_teachers_head():
    _, theirs, *_ = networks()
    method, backbone = SimKD(), Backbone()
    adapters = method.adapters(Sizes(3, 3, ((3, 4, 4),), ("stage",)), theirs, 9)
    deployed = method.deployed(backbone, adapters).eval()
    pixels = torch.rand(B, 3, 9, 9)
    outputs = deployed(pixels, frozenset({"logits", "embedding", "features"}))
    expected = adapters.projection(backbone.stage(pixels)).mean((2, 3))
    torch.testing.assert_close(outputs.embedding, expected)
    torch.testing.assert_close(outputs.logits, expected @ theirs.head.weight.T + theirs.head.bias)
    assert outputs.features[0].equal(backbone.stage(pixels))
    assert deployed(pixels).embedding is None
    assert (deployed.mean, deployed.std) == (backbone.mean, backbone.std)
    counted = sum(p.numel() for p in deployed.parameters())
    projector = sum(p.numel() for p in adapters.projection.parameters())
    assert counted == sum(p.numel() for p in backbone.parameters()) + projector + 3 * 6 + 3
    with torch.no_grad():
        backbone.stage.weight.add_(1)
    assert not deployed(pixels).logits.equal(outputs.logits), (
        "nothing is copied: training goes on in the deployed parts"
    )


# The contrastive memory.


def crd_problem(negatives=32, samples=20, momentum=0.5):
    ours, theirs, student, teacher, context = networks()
    method = CRD(negatives=negatives, width=5, momentum=momentum)
    return method, method.adapters(ours, theirs, samples), student, teacher, context


def test_crd_writes_the_rows_of_the_batch_only():
    method, adapters, student, teacher, context = crd_problem(momentum=0.0)
    before = adapters.teachers.rows.clone()
    method.losses(student, teacher, context, adapters)
    changed = (adapters.teachers.rows != before).any(1).nonzero().flatten()
    assert changed.tolist() == sorted(context.sample.tolist())
    expected = F.normalize(adapters.teacher(teacher.embedding))
    torch.testing.assert_close(adapters.teachers.rows[context.sample], expected)
    assert adapters.labels[context.sample].equal(context.labels)


def test_crd_counts_no_image_of_the_anchors_class():
    """All samples of one class: no negatives are left, and the loss is that of the positives."""
    method, adapters, student, teacher, context = crd_problem(samples=10)
    adapters.labels.fill_(0)
    context = context._replace(labels=torch.zeros(B, dtype=torch.int64))
    adapters.students.offset.fill_(1.0)
    adapters.teachers.offset.fill_(1.0)
    s, t = (unit(layer(o.embedding)) for layer, o in ((adapters.student, student), (adapters.teacher, teacher)))
    expected = torch.zeros(())
    for anchor, bank in ((s, adapters.teachers), (t, adapters.students)):
        positive = (anchor * bank.rows[context.sample]).sum(1) / 0.07
        expected = expected + F.softplus(1.0 - positive).mean()
    found = method.losses(student, teacher, context, adapters)["teacher"]
    torch.testing.assert_close(found, 0.8 * expected.detach(), check_stride=False)


def test_crd_negatives_are_addressed_and_uniform():
    _, adapters, *_ = crd_problem(samples=50)
    sample, step = torch.arange(50), torch.tensor(7)
    drawn = adapters.negatives(sample, step, 2000)
    order = torch.randperm(50)
    assert adapters.negatives(sample[order], step, 2000).equal(drawn[order])
    assert not adapters.negatives(sample, torch.tensor(8), 2000).equal(drawn)
    assert adapters.negatives(sample[:3], step, 10).equal(drawn[:3, :10])
    counts = drawn.flatten().bincount(minlength=50)
    chi_square = ((counts - 2000).double().square() / 2000).sum()
    assert chi_square < 85, "49 degrees of freedom: 85 is exceeded once in a thousand"


def test_a_resumed_crd_run_goes_on_bitwise():
    method, adapters, student, teacher, context = crd_problem()
    method.losses(student, teacher, context, adapters)
    resumed = crd_problem()[1]
    resumed.load_state_dict(adapters.state_dict())
    later = context._replace(epoch=2.75, sample=context.sample + 1)
    terms = [method.losses(student, teacher, later, a)["teacher"] for a in (adapters, resumed)]
    assert terms[0].equal(terms[1])
    assert all(a.equal(b) for a, b in zip(adapters.buffers(), resumed.buffers(), strict=True))


def test_crd_keeps_its_partition_of_the_first_batch():
    method, adapters, student, teacher, context = crd_problem()
    assert adapters.students.offset.isinf()
    method.losses(student, teacher, context, adapters)
    first = adapters.students.offset.clone()
    assert first.isfinite()
    method.losses(student, teacher, context._replace(epoch=3.0), adapters)
    assert adapters.students.offset.equal(first)


def test_crd_in_a_process_group_of_one_is_crd():
    method, adapters, student, teacher, context = crd_problem()
    alone = copy.deepcopy(adapters)
    expected = method.losses(student, teacher, context, alone)["teacher"]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        found = method.losses(student, teacher, context, adapters)["teacher"]
    finally:
        dist.destroy_process_group()
    assert found.equal(expected)
    assert all(a.equal(b) for a, b in zip(adapters.buffers(), alone.buffers(), strict=True))


def test_rkd_keeps_every_digit_of_small_distances():
    """Embeddings far from the origin and close together, in float32: as good as the same formula in float64."""
    s, t = (1000 + rows(seed) * 1e-2 for seed in (3, 0))
    s, t = s.float(), t.float()
    for loss in (methods.rkd_distance_loss, methods.rkd_angle_loss):
        assert loss(s, t).dtype == torch.float32
        assert loss(s, t).item() == pytest.approx(loss(s.double(), t.double()).item(), rel=1e-5)


def test_rkd_gives_equal_embeddings_no_gradient():
    s = rows(3).repeat_interleave(2, dim=0)
    t = rows(4).repeat_interleave(2, dim=0)
    for loss in (methods.rkd_distance_loss, methods.rkd_angle_loss):
        assert gradient(loss, s, t).isfinite().all()
        assert gradient(loss, torch.ones_like(s), t).abs().max() == 0


def sskd_problem(width=4):
    """Two networks' answers to six images and their rotations, and the context."""
    ours, theirs = (
        Outputs(rows(5), rows(width), rotations=Rotations(*(torch.randn(B, 3, n).double() for n in (5, width))))
        for _ in range(2)
    )
    return ours, theirs, Context(torch.arange(B) % 5, torch.arange(B), 2.0), Sizes(5, width)


@pytest.mark.parametrize(
    ("rank", "share", "expected"),
    [
        ([0, 3, 1, 0], 1.0, [1, 1, 1, 1]),
        ([0, 3, 1, 0], 0.5, [1, 0, 1, 1]),
        ([0, 3, 1, 0], 0.0, [1, 0, 0, 1]),
        ([0, 3, 1, 2], 0.99, [1, 0, 1, 1]),
        ([2, 2, 1, 2], 0.5, [1 / 3, 1 / 3, 1, 1 / 3]),
        ([4, 4], 0.4, [0, 0]),
    ],
    ids=["all", "the least wrong", "the right", "rounded down", "equally wrong", "none"],
)
def test_sskd_keeps_the_right_and_the_least_wrong(rank, share, expected):
    assert kept(torch.tensor(rank).double(), share).tolist() == pytest.approx(expected)


def test_sskd_of_images_that_look_the_same_rotated_is_kd_twice():
    ours, theirs, context, sizes = sskd_problem()
    ours, theirs = (
        said._replace(rotations=Rotations(*(x[:, None].expand(-1, 3, -1) for x in (said.logits, said.embedding))))
        for said in (ours, theirs)
    )
    found = SSKD().losses(ours, theirs, context, SSKD().adapters(sizes, sizes, 9).double())
    kd = kd_loss(ours.logits, theirs.logits, 4.0)
    torch.testing.assert_close(found["teacher"], 0.9 * kd)
    torch.testing.assert_close(found["rotations"], 2.7 * kd)


def test_sskd_teaches_nothing_where_the_teacher_is_right_about_nothing_and_nothing_wrong_is_kept():
    ours, theirs, context, sizes = sskd_problem()
    never = torch.nn.functional.one_hot((context.labels + 1) % 5, 5)[:, None].expand(-1, 3, -1).double()
    theirs = theirs._replace(rotations=theirs.rotations._replace(logits=never))
    found = SSKD(rotations_kept=0.0).losses(ours, theirs, context, SSKD().adapters(sizes, sizes, 9).double())
    assert found["rotations"].item() == 0


def test_sskd_trains_the_teachers_head_by_its_own_task_alone():
    ours, theirs, context, sizes = sskd_problem()
    ours.mapped(Tensor.requires_grad_)
    adapters = SSKD().adapters(sizes, sizes, 9).double()
    found = SSKD().losses(ours, theirs, context, adapters)
    own, other = list(adapters.teacher.parameters()), list(adapters.student.parameters())
    given = [ours.embedding, ours.rotations.embedding]

    def trained(term, *what):
        found = torch.autograd.grad(term, what, retain_graph=True, allow_unused=True)
        return [gradient is not None and bool(gradient.any()) for gradient in found]

    assert all(trained(found["head"], *own))
    assert not any(trained(found["head"], *other, *given, ours.logits))
    assert all(trained(found["similarity"], *other, *given))
    assert not any(trained(found["similarity"], *own))


def test_sskd_waits_for_the_teachers_head():
    ours, theirs, context, sizes = sskd_problem()
    adapters = SSKD().adapters(sizes, sizes, 9).double()
    of = {
        epoch: SSKD(warm_up=5.0).losses(ours, theirs, context._replace(epoch=epoch), adapters)["similarity"].item()
        for epoch in (0.0, 2.5, 5.0, 50.0)
    }
    assert of[0.0] == 0
    assert of[5.0] == of[50.0] == SSKD(warm_up=0.0).losses(ours, theirs, context, adapters)["similarity"].item() > 0
    assert of[2.5] == pytest.approx(of[5.0] / 2)
