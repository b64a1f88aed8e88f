"""Embedding methods against loops written from the papers: equal to 1e-9 in float64.

Seen to fail: a mean over B(B - 1) in RKD, the Gram matrix without + 1 in PKT, a factor of the series in CC, biased
deviations in ITRD, the exponent 2 in SRD, the head's bias left out in SRRL, no ReLU in SimKD, and in CRD the old row's
share, the label of the anchor, the step in the draws and the mean of the offset; in ND the student's length left out of
the maximum; in SSKD the rank by the student, the share of all rows in place of the wrong ones, a temperature of the
logits for the similarities, the plain images as rows, the first view's images as columns for the second's.
"""

import math

import numpy as np
import pytest
import torch

from naive import batch_norm, conv_bn, relu, weights
from tutelage.methods import (
    CRD,
    ND,
    SRRL,
    SSKD,
    SimKD,
    cc_loss,
    itrd_correlation_loss,
    itrd_mutual_loss,
    nce_loss,
    pkt_loss,
    rkd_angle_loss,
    rkd_distance_loss,
    srd_loss,
)
from tutelage.outputs import Context, Head, Outputs, Rotations, Sizes

B, D, E = 5, 4, 7
TOLERANCE = {"rel": 1e-9, "abs": 1e-12}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(7)


def pair(width=D, other=E):
    return torch.randn(B, width, dtype=torch.float64), torch.randn(B, other, dtype=torch.float64)


def huber(x):
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def norm(x):
    return sum(v * v for v in x) ** 0.5


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def cosine(x, y):
    return dot(x, y) / norm(x) / norm(y)


def test_rkd_distances():
    def relative(x):
        table = [[norm(a - b) for b in x] for a in x]
        pairs = [table[i][j] for i in range(B) for j in range(B) if i != j]
        return [[d / (sum(pairs) / len(pairs)) for d in row] for row in table]

    s, t = pair()
    ours, theirs = relative(s.numpy()), relative(t.numpy())
    expected = sum(huber(ours[i][j] - theirs[i][j]) for i in range(B) for j in range(B)) / B**2
    assert rkd_distance_loss(s, t).item() == pytest.approx(expected, **TOLERANCE)


def test_rkd_angles():
    def angle(x, i, j, k):
        """Cosine of the angle at j, 0 where a side has no length."""
        return 0.0 if j in (i, k) else cosine(x[i] - x[j], x[k] - x[j])

    s, t = pair()
    x, y = s.numpy(), t.numpy()
    triples = [(i, j, k) for i in range(B) for j in range(B) for k in range(B)]
    expected = sum(huber(angle(x, *triple) - angle(y, *triple)) for triple in triples) / B**3
    assert rkd_angle_loss(s, t).item() == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss])
def test_rkds_gradients_are_those_of_finite_differences(loss):
    """They are written out; differences of cosines lie on both sides of Huber's corner here."""
    s, t = pair()
    s.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, t), s, eps=1e-6, atol=1e-8, rtol=1e-6)
    weighted = 3 * loss(s, t)
    weighted.backward()
    with torch.no_grad():
        moved = [loss(s + sign * 1e-6 * torch.eye(B, D, dtype=torch.float64), t) for sign in (1, -1)]
    assert s.grad.diagonal().sum().item() == pytest.approx(3 * (moved[0] - moved[1]).item() / 2e-6, rel=1e-6)


def test_pkt():
    def neighbours(x):
        table = [[(cosine(a, b) + 1) / 2 for b in x] for a in x]
        return [[k / sum(row) for k in row] for row in table]

    s, t = pair()
    q, p = neighbours(s.numpy()), neighbours(t.numpy())
    expected = sum(p[i][j] * math.log(p[i][j] / q[i][j]) for i in range(B) for j in range(B)) / B**2
    assert pkt_loss(s, t).item() == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize(("gamma", "order"), [(0.4, 2), (0.9, 1), (0.3, 6)])
def test_cc(gamma, order):
    def kernel(x, y):
        series = sum((2 * gamma) ** p / math.factorial(p) * cosine(x, y) ** p for p in range(order + 1))
        return math.exp(-2 * gamma) * series

    s, t = pair()
    x, y = s.numpy(), t.numpy()
    expected = sum((kernel(x[i], x[j]) - kernel(y[i], y[j])) ** 2 for i in range(B) for j in range(B)) / B**2
    assert cc_loss(s, t, gamma, order).item() == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize("alpha", [1.01, 1.5])
def test_itrd_correlation(alpha):
    s, t = pair(E, E)
    total = 0.0
    for x, y in zip(s.numpy().T, t.numpy().T, strict=True):
        standard = [(v - np.mean(v)) / np.std(v, ddof=1) for v in (x, y)]
        total += abs(dot(*standard) / B - 1) ** (2 * alpha)
    assert itrd_correlation_loss(s, t, alpha).item() == pytest.approx(math.log2(total), **TOLERANCE)


def test_itrd_mutual():
    s, t = pair()
    x, y = s.numpy(), t.numpy()
    own = joint = 0.0
    for i in range(B):
        for j in range(B):
            g_s, g_t = cosine(x[i], x[j]), cosine(y[i], y[j])
            own += (g_s / B) ** 2
            joint += (g_s * g_t / B) ** 2
    assert itrd_mutual_loss(s, t).item() == pytest.approx(own - joint, **TOLERANCE)


@pytest.mark.parametrize("exponent", [4.0, 1.5])
def test_srd(exponent):
    s, t = pair(E, E)
    x, y = (batch_norm(v.numpy(), np.ones(E), np.zeros(E), 1e-4) for v in (s, t))
    expected = math.log(sum(abs(a - b) ** exponent for a, b in zip(x.flat, y.flat, strict=True)) + 1e-8)
    assert srd_loss(s, t, exponent).item() == pytest.approx(expected, **TOLERANCE)


def problem(features=()):
    """Outputs and sizes of two networks with 3 classes, and a context."""
    s, t = pair()
    head = Head(torch.randn(3, E), torch.randn(3))
    maps = tuple(torch.randn(B, *shape, dtype=torch.float64) for shape in features)
    student = Outputs(torch.randn(B, 3, dtype=torch.float64), s, maps)
    teacher = Outputs(torch.randn(B, 3, dtype=torch.float64), t)
    context = Context(torch.tensor([0, 1, 2, 0, 1]), torch.tensor([3, 0, 8, 5, 6]), 1.5)
    return student, teacher, context, Sizes(3, D, features), Sizes(3, E, head=head)


def mean_square(x, y):
    return sum((a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True)) / x.size


def test_srrl():
    student, teacher, context, ours, theirs = problem()
    adapters = SRRL().adapters(ours, theirs, 9).double()
    state = weights(adapters)
    linear = np.array([[dot(h, w) for w in state["projection.0.weight"]] for h in student.embedding.numpy()])
    projected = batch_norm(linear, state["projection.1.weight"], state["projection.1.bias"])
    head, bias = theirs.head.weight.double().numpy(), theirs.head.bias.double().numpy()
    read = np.array([[dot(h, w) + b for w, b in zip(head, bias, strict=True)] for h in projected])
    found = SRRL(feature_weight=2.0, regression_weight=3.0).losses(student, teacher, context, adapters)
    assert found["feature"].item() == pytest.approx(2 * mean_square(projected, teacher.embedding.numpy()), **TOLERANCE)
    assert found["regression"].item() == pytest.approx(3 * mean_square(read, teacher.logits.numpy()), **TOLERANCE)


@pytest.mark.parametrize("rectify", [True, False])
def test_simkd(rectify):
    student, teacher, context, ours, theirs = problem(((2, 4, 4), (3, 2, 2)))
    method = SimKD(rectify=rectify, teacher_weight=0.5)
    adapters = method.adapters(ours, theirs, 9).double()
    state = weights(adapters)
    x = relu(conv_bn(student.features[-1].numpy(), state, "projection.0"))
    assert x.shape[1] == E // 2
    x = conv_bn(relu(conv_bn(x, state, "projection.1", 3)), state, "projection.2")
    x = relu(x) if rectify else x
    pooled = np.array([[channel.sum() / channel.size for channel in image] for image in x])
    found = method.losses(student, teacher, context, adapters)
    assert found["teacher"].item() == pytest.approx(0.5 * mean_square(pooled, teacher.embedding.numpy()), **TOLERANCE)


def test_nce_is_the_papers_estimator():
    positive, negative = torch.randn(B, dtype=torch.float64), torch.randn(B, 4, dtype=torch.float64)
    keep = torch.tensor([[True, True, False, True]] * B)
    mean, k = 1.7, 4
    expected = 0.0
    for b in range(B):

        def chance(score):
            return math.exp(score) / (math.exp(score) + k * mean)

        kept = [negative[b, j].item() for j in range(4) if keep[b, j]]
        expected -= math.log(chance(positive[b].item()))
        expected -= k * sum(math.log(1 - chance(s)) for s in kept) / len(kept)
    found = nce_loss(positive, negative, keep, math.log(k * mean))
    assert found.item() == pytest.approx(expected / B, **TOLERANCE)


def splitmix(number):
    """The finaliser of splitmix64 in Python's own integers."""
    mask = 2**64 - 1
    number = (number + 0x9E3779B97F4A7C15) & mask
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & mask
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & mask
    return number ^ (number >> 31)


def draw(sample, epoch, position, samples):
    bits = int(np.float32(epoch).view(np.uint32))
    key = splitmix(splitmix(bits ^ 0x6372645F6E656773) ^ sample)
    return (splitmix((key + position) % 2**64) >> 1) % samples


def test_crd_over_two_steps():
    """Two batches that overlap, each step computed twice: the loss reads the memory as the step found it."""
    samples, k, temperature, momentum, width = 9, 6, 0.2, 0.25, 3
    method = CRD(negatives=k, temperature=temperature, momentum=momentum, width=width, teacher_weight=0.5)
    student, teacher, context, ours, theirs = problem()
    adapters = method.adapters(ours, theirs, samples).double()
    state = weights(adapters)
    banks = {side: state[f"{side}s.rows"].copy() for side in ("student", "teacher")}
    labels, offsets = {}, {}

    def project(side, h):
        rows = [[dot(x, w) + b for w, b in zip(state[f"{side}.weight"], state[f"{side}.bias"], strict=True)] for x in h]
        return [np.array(row) / norm(row) for row in rows]

    def chance(score, side):
        return math.exp(score) / (math.exp(score) + k * offsets[side])

    def expected(s, t, context):
        own = {"student": project("student", s), "teacher": project("teacher", t)}
        labels.update(zip(context.sample.tolist(), context.labels.tolist(), strict=True))
        loss = 0.0
        for side, other in (("student", "teacher"), ("teacher", "student")):
            scores = []
            for i, sample in enumerate(context.sample.tolist()):
                drawn = [draw(sample, context.epoch, j, samples) for j in range(k)]
                strangers = [n for n in drawn if labels.get(n, -1) != labels[sample]]
                negative = [dot(own[side][i], banks[other][n]) / temperature for n in strangers]
                scores.append((dot(own[side][i], banks[other][sample]) / temperature, negative))
            everyone = [math.exp(v) for _, negative in scores for v in negative]
            offsets.setdefault(side, sum(everyone) / len(everyone))
            for positive, negative in scores:
                loss -= math.log(chance(positive, side)) / B
                loss -= k * sum(math.log(1 - chance(v, side)) for v in negative) / len(negative) / B
        rows = {}
        for side, bank in banks.items():
            rows[side] = bank.copy()
            for i, sample in enumerate(context.sample.tolist()):
                mixed = momentum * bank[sample] + (1 - momentum) * own[side][i]
                rows[side][sample] = mixed / norm(mixed)
        return 0.5 * loss, rows

    later = context._replace(labels=torch.tensor([1, 2, 0, 0, 2]), sample=torch.tensor([0, 1, 5, 2, 4]), epoch=1.75)
    for now in (context, later):
        loss, rows = expected(student.embedding.numpy(), teacher.embedding.numpy(), now)
        for _ in range(2):  # a step computed twice reads and leaves the same memory
            found = method.losses(student, teacher, now, adapters)["teacher"]
            assert found.item() == pytest.approx(loss, **TOLERANCE)
            for side, bank in (("student", adapters.students), ("teacher", adapters.teachers)):
                np.testing.assert_allclose(bank.rows, rows[side], rtol=1e-9)
        banks.update(rows)


@pytest.mark.parametrize("width", [E, D])
def test_nd(width):
    """Two batches: the means of the classes are over both at the second."""
    labels = np.array([0, 2, 2, 1, 0])
    method = ND(teacher_weight=1.5)
    adapters = method.adapters(Sizes(3, width), Sizes(3, E), B).double()
    theirs = torch.randn(2, B, E, dtype=torch.float64)
    own, logits = torch.randn(B, width, dtype=torch.float64), torch.randn(B, 3, dtype=torch.float64)
    student = Outputs(logits, own)
    for t in theirs:
        context = Context(torch.tensor(labels), torch.arange(B), 0.0)
        found = method.losses(student, Outputs(logits, t), context, adapters)["teacher"].item()
    h = own.numpy()
    if width != E:
        state = weights(adapters.projection)
        h = batch_norm(h, state["0.weight"], state["0.bias"]) @ state["1.weight"].T + state["1.bias"]
    expected, seen = 0.0, theirs.numpy()
    for b in range(B):
        rows = [seen[i, j] for i in range(2) for j in range(B) if labels[j] == labels[b]]
        centre = sum(rows) / len(rows)
        expected += (1 - dot(h[b], centre) / norm(centre) / max(norm(h[b]), norm(seen[1, b]))) / B
    assert found == pytest.approx(1.5 * expected, **TOLERANCE)


# SSKD: loops that follow student.py of the authors' code (xuguodong03/SSKD), whose names they keep where they can.


def divergence(scores, knowledge, heat):
    """T^2 KL(knowledge || scores) of one row, both softened."""

    def softened(row):
        exps = [math.exp(value / heat) for value in row]
        return [value / sum(exps) for value in exps]

    pairs = zip(softened(knowledge), softened(scores), strict=True)
    return heat**2 * sum(p * math.log(p / q) for p, q in pairs)


def selected(rows, knowledge, target, ratio):
    """The mean of the rows that are kept: all right ones, and of the wrong ones int(wrong ratio), by their rank.

    The authors sort by rank; which of equal rows come last is the sort's choice, of which this is the mean.
    """
    rank = [sum(value > row[right] for value in row) for row, right in zip(knowledge, target, strict=True)]
    wrong = sum(place > 0 for place in rank)
    keep = len(rank) - wrong + int(wrong * ratio)
    index = sorted(range(len(rank)), key=lambda row: rank[row])
    last = rank[index[keep - 1]]
    before, alike = [i for i in index if rank[i] < last], [i for i in index if rank[i] == last]
    choices = [(before + alike[shift:] + alike[:shift])[:keep] for shift in range(len(alike))]
    return sum(sum(rows[i] for i in choice) / keep for choice in choices) / len(choices)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(("tf", "ss"), [(1.0, 0.75), (0.4, 0.3)])
def test_sskd(views, tf, ss):
    student, teacher, context, ours, theirs = problem()
    batch, of_view = views * B, [range(view * B, view * B + B) for view in range(views)]

    def say(width):
        return Outputs(
            torch.randn(batch, 3, dtype=torch.float64),
            torch.randn(batch, width, dtype=torch.float64),
            rotations=Rotations(
                torch.randn(batch, 3, 3, dtype=torch.float64), torch.randn(batch, 3, width, dtype=torch.float64)
            ),
        )

    student, teacher, labels = say(D), say(E), context.labels.tolist() * views
    context = context._replace(labels=torch.tensor(labels), sample=context.sample.repeat(views), views=views)
    method = SSKD(rotations_kept=tf, similarity_kept=ss, temperature=3.0, warm_up=6.0)
    adapters = method.adapters(ours, theirs, 9).double()
    state = weights(adapters)

    def head(side, h):
        for layer in ("0", "2"):
            w, b = state[f"{side}.{layer}.weight"], state[f"{side}.{layer}.bias"]
            h = [dot(h, row) + bias for row, bias in zip(w, b, strict=True)]
            h = [max(value, 0.0) for value in h] if layer == "0" else h
        return h

    simi, aug_target, aug_label = {"student": [], "teacher": []}, [], []
    for side, said in (("student", student), ("teacher", teacher)):
        nor_feat = [head(side, h) for h in said.embedding.numpy()]
        for images in of_view:
            for i in images:
                for turned in said.rotations.embedding[i].numpy():
                    simi[side].append([cosine(head(side, turned), nor_feat[j]) for j in images])
    for images in of_view:
        for place, i in enumerate(images):
            aug_target += [place] * 3
            aug_label += [labels[i]] * 3

    knowledge = [row for rows in teacher.rotations.logits.tolist() for row in rows]
    output = [row for rows in student.rotations.logits.tolist() for row in rows]
    plain = zip(student.logits.tolist(), teacher.logits.tolist(), strict=True)
    loss2 = sum(divergence(s, t, 3.0) for s, t in plain) / batch
    loss3 = selected([divergence(s, t, 4.0) for s, t in zip(output, knowledge, strict=True)], knowledge, aug_label, tf)
    pairs = zip(simi["student"], simi["teacher"], strict=True)
    loss4 = selected([divergence(s, t, 0.5) for s, t in pairs], simi["teacher"], aug_target, ss)
    of_head = [math.log(sum(map(math.exp, row))) - row[right] for row, right in zip(simi["teacher"], aug_target)]

    found = method.losses(student, teacher, context, adapters)
    assert found.keys() == {"label", "teacher", "rotations", "similarity", "head"}
    assert found["teacher"].item() == pytest.approx(0.9 * loss2, **TOLERANCE)
    assert found["rotations"].item() == pytest.approx(2.7 * loss3, **TOLERANCE)
    assert found["similarity"].item() == pytest.approx(1.5 / 6.0 * 10 * loss4, **TOLERANCE)
    assert found["head"].item() == pytest.approx(sum(of_head) / len(of_head), **TOLERANCE)
