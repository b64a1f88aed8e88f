"""Feature methods against loops written from the papers: equal to 1e-9 in float64.

Seen to fail: other strides and no ReLU in FitNet, |f| for |f|^p in AT, all pairs in SP, a sum over channels in
NST, mean for max pooling in FSP, variances without 1e-5 in VID, the weights of the stages, the margin and the student
below a silent teacher in OFD, the order of fusion and the pyramid's weights in ReviewKD, ascending similarities,
another temperature and a softmax over the student's stages in SemCKD, biased variances in WKD-F.
"""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from naive import average, batch_norm, conv_bn, convolve, convolve_transposed, enlarge, relu, weights
from tutelage.methods import (
    AT,
    FSP,
    NST,
    OFD,
    SP,
    VID,
    WKDF,
    FitNet,
    ReviewKD,
    SemCKD,
    at_loss,
    fsp_loss,
    hcl_loss,
    nst_loss,
    ofd_loss,
    ofd_margin,
    similarity_profile,
    sp_loss,
    wkd_f_loss,
)
from tutelage.outputs import Context, Outputs, Sizes

B = 3
OURS = ((2, 8, 8), (3, 4, 4), (4, 2, 2))
THEIRS = ((3, 8, 8), (5, 4, 4), (6, 2, 2))
TOLERANCE = {"rel": 1e-9, "abs": 1e-12}
CONTEXT = Context(torch.tensor([0, 1, 1]), torch.arange(B), 10.0)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(11)


def maps(*shape):
    return torch.randn(B, *shape, dtype=torch.float64)


def sizes(shapes, embedding=None):
    return Sizes(3, embedding, shapes, tuple(f"layer{i}" for i in range(len(shapes))))


def outputs(shapes, embedding=None):
    h = torch.randn(B, embedding, dtype=torch.float64) if embedding else None
    return Outputs(torch.randn(B, 3, dtype=torch.float64), h, tuple(maps(*shape) for shape in shapes))


def run(method, ours=OURS, theirs=THEIRS, embeddings=(None, None)):
    """Random outputs, the adapters' state before the step, and the method's own terms."""
    student, teacher = outputs(ours, embeddings[0]), outputs(theirs, embeddings[1])
    adapters = method.adapters(sizes(ours, embeddings[0]), sizes(theirs, embeddings[1]), 9).double()
    state = weights(adapters)
    found = method.losses(student, teacher, CONTEXT, adapters)
    return [f.numpy() for f in student.features], [f.numpy() for f in teacher.features], state, found, student, teacher


def mean_square(x, y):
    assert x.shape == y.shape
    return sum((a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True)) / x.size


def norm(x):
    return sum(v * v for v in x) ** 0.5


def softplus(x):
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize(
    ("ours", "theirs", "layer"),
    [
        ((2, 4, 4), (3, 2, 2), lambda x, w: convolve(x, w, 2, 1)),
        ((2, 2, 2), (3, 4, 4), lambda x, w: convolve_transposed(x, w, 2, 1)),
        ((2, 3, 3), (3, 2, 2), lambda x, w: convolve(x, w)),
        ((2, 4, 4), (3, 4, 4), lambda x, w: convolve(x, w)),
        ((2, 6, 6), (3, 2, 2), lambda x, w: average(convolve(x, w), 2, 2)),
    ],
    ids=["half", "double", "valid", "equal", "third"],
)
@pytest.mark.parametrize("rectify", [True, False])
def test_fitnet(ours, theirs, layer, rectify):
    [x], [y], state, found, *_ = run(FitNet(rectify=rectify), (ours,), (theirs,))
    weight = state["parts.0.layers.0.weight"]
    scale, shift = state["parts.0.layers.1.weight"], state["parts.0.layers.1.bias"]

    def regress(z):
        z = batch_norm(z, scale, shift)
        return relu(z) if rectify else z

    third = ours[1] == 3 * theirs[1]  # averaged after the regressor
    hint = average(regress(convolve(x, weight)), 2, 2) if third else regress(layer(x, weight))
    assert found["teacher"].item() == pytest.approx(100 * mean_square(hint, y), **TOLERANCE)


def test_fitnet_takes_the_middle_pair():
    *_, student, teacher = run(FitNet())
    middle = FitNet(pairs=("1:1",))
    torch.manual_seed(3)
    adapters = middle.adapters(sizes(OURS), sizes(THEIRS), 9).double()
    torch.manual_seed(3)
    own = FitNet().adapters(sizes(OURS), sizes(THEIRS), 9).double()
    assert own.pairs == adapters.pairs == ((1, 1),)
    assert middle.losses(student, teacher, CONTEXT, adapters) == FitNet().losses(student, teacher, CONTEXT, own)


def attention(x, power):
    rows = []
    for image in x:
        flat = [
            sum(abs(image[c, i, j]) ** power for c in range(image.shape[0])) / image.shape[0]
            for i in range(image.shape[1])
            for j in range(image.shape[2])
        ]
        rows.append(np.array(flat) / norm(flat))
    return np.array(rows)


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_at(power):
    x, y, _, found, *_ = run(AT(power=power))
    expected = sum(mean_square(attention(f, power), attention(g, power)) for f, g in zip(x, y, strict=True))
    assert found["teacher"].item() == pytest.approx(1000 * expected, **TOLERANCE)


def test_at_averages_the_larger_map():
    s, t = maps(2, 4, 4), maps(3, 2, 2)
    expected = mean_square(attention(average(s.numpy(), 2, 2), 2), attention(t.numpy(), 2))
    assert at_loss(s, t).item() == pytest.approx(expected, **TOLERANCE)
    assert at_loss(t, s).item() == pytest.approx(expected, **TOLERANCE)


def similarity(x):
    rows = [image.ravel() for image in x]
    gram = [[float(np.dot(a, b)) for b in rows] for a in rows]
    return np.array([np.array(row) / norm(row) for row in gram])


def test_sp():
    x, y, _, found, *_ = run(SP())
    expected = sum(v * v for v in (similarity(x[-1]) - similarity(y[-1])).flat) / B**2
    assert found["teacher"].item() == pytest.approx(3000 * expected, **TOLERANCE)
    s, t = maps(2, 4, 4), maps(5)
    assert sp_loss(s, t).item() == pytest.approx(mean_square(similarity(s.numpy()), similarity(t.numpy())), **TOLERANCE)


def discrepancy(x, y):
    def kernel(a, b):
        return (float(np.dot(a.ravel(), b.ravel())) / norm(a.ravel()) / norm(b.ravel())) ** 2

    def mean(p, q):
        return sum(kernel(a, b) for a in p for b in q) / len(p) / len(q)

    return sum(mean(t, t) + mean(s, s) - 2 * mean(s, t) for s, t in zip(x, y, strict=True)) / len(x)


def test_nst():
    x, y, _, found, *_ = run(NST())
    expected = sum(discrepancy(f, g) for f, g in zip(x, y, strict=True))
    assert found["teacher"].item() == pytest.approx(50 * expected, **TOLERANCE)
    s, t = maps(2, 4, 4), maps(3, 2, 2)
    assert nst_loss(s, t).item() == pytest.approx(discrepancy(average(s.numpy(), 2, 2), t.numpy()), **TOLERANCE)


def flow(lower, upper):
    k, m = lower.shape[2] // upper.shape[2], lower.shape[3] // upper.shape[3]
    matrix = np.zeros((len(lower), lower.shape[1], upper.shape[1]))
    for b, c, d in np.ndindex(matrix.shape):
        for i, j in np.ndindex(upper.shape[2:]):
            average = np.mean([lower[b, c, i * k + p, j * m + q] for p in range(k) for q in range(m)])
            matrix[b, c, d] += average * upper[b, d, i, j]
    return matrix / (upper.shape[2] * upper.shape[3])


def test_fsp():
    theirs = ((2, 16, 16), (3, 8, 8), (4, 2, 2))
    x, y, _, found, *_ = run(FSP(), OURS, theirs)
    expected = sum(mean_square(flow(x[i], x[i + 1]), flow(y[i], y[i + 1])) for i in range(2))
    assert found["teacher"].item() == pytest.approx(50 * expected, **TOLERANCE)
    a, b, c, d = maps(2, 4, 4), maps(3, 4, 4), maps(2, 2, 2), maps(3, 2, 2)
    expected = mean_square(flow(a.numpy(), b.numpy()), flow(c.numpy(), d.numpy()))
    assert fsp_loss((a, b), (c, d)).item() == pytest.approx(expected, **TOLERANCE)


def test_vid():
    ours = ((2, 8, 8), (3, 2, 2))
    theirs = ((3, 4, 4), (2, 2, 2))
    x, y, state, found, *_ = run(VID(variance=2.0), ours, theirs)
    expected = 0.0
    for p, (f, g) in enumerate(zip(x, y, strict=True)):
        z = average(f, *g.shape[2:])
        for layer in (0, 2, 4):
            z = convolve(z if layer == 0 else relu(z), state[f"parts.{p}.mean.{layer}.weight"])
        for c in range(g.shape[1]):
            variance = softplus(state[f"parts.{p}.scale"][c]) + 1e-5
            assert variance == pytest.approx(2, rel=1e-6)
            for a, b in zip(z[:, c].flat, g[:, c].flat, strict=True):
                expected += 0.5 * ((a - b) ** 2 / variance + math.log(variance)) / g.size
    assert found["teacher"].item() == pytest.approx(expected, **TOLERANCE)


def hidden_margin(channel):
    """E[x | x < 0] of the normal distribution with this share of positives and this rectified mean, by quadrature."""
    share, mean = sum(v > 0 for v in channel) / len(channel), sum(channel) / len(channel)
    z = optimize.brentq(lambda z: stats.norm.cdf(z) - share, -8, 8, xtol=1e-14)
    density = stats.norm.pdf
    positive, _ = integrate.quad(lambda u: (z + u) * density(u), -z, np.inf, epsabs=1e-13)
    negative, _ = integrate.quad(lambda u: (z + u) * density(u), -np.inf, -z, epsabs=1e-13)
    return mean / positive * negative / stats.norm.cdf(-z)


def test_ofd_margin_of_a_rectified_channel():
    x = maps(4, 6, 6).relu()
    for c, found in enumerate(ofd_margin(x)):
        assert found.item() == pytest.approx(hidden_margin(x[:, c].numpy().ravel()), rel=1e-9)


def test_ofd_margin_of_a_channel_with_negative_responses():
    x = maps(4, 6, 6)
    for c in range(4):
        negative = [v for v in x[:, c].numpy().flat if v < 0]
        assert ofd_margin(x)[c].item() == pytest.approx(sum(negative) / len(negative), rel=1e-12)


def partial(s, t, margin):
    """Equations of margin ReLU and partial L2, entry by entry."""
    total = 0.0
    for b, c, i, j in np.ndindex(s.shape):
        target = max(t[b, c, i, j], margin[c])
        if s[b, c, i, j] <= target <= 0:
            continue
        total += (s[b, c, i, j] - target) ** 2
    return total / len(s)


def test_ofd_distance():
    s, t, margin = maps(2, 3, 3), maps(2, 3, 3), torch.tensor([-0.3, -0.8], dtype=torch.float64)
    expected = partial(s.numpy(), t.numpy(), margin.numpy())
    assert ofd_loss(s, t, margin.view(-1, 1, 1)).item() == pytest.approx(expected, **TOLERANCE)


def test_ofd_behind_a_relu():
    """The stages of a rectified teacher: what the ReLU hid stands as the channel's margin."""
    method = OFD()
    student, teacher = outputs(OURS), outputs(THEIRS)
    teacher = teacher._replace(features=tuple(f.relu() for f in teacher.features))
    adapters = method.adapters(sizes(OURS), sizes(THEIRS), 9).double()
    state = weights(adapters)
    expected = 0.0
    for i, (f, g) in enumerate(zip(student.features, teacher.features, strict=True)):
        x = conv_bn(f.numpy(), {k.removeprefix("parts."): v for k, v in state.items()}, str(i))
        y = g.numpy()
        margin = np.array([hidden_margin(y[:, c].ravel()) for c in range(y.shape[1])])
        target = np.where(y == 0, margin[:, None, None], y)
        expected += partial(x, target, margin) / 2 ** (2 - i)
    found = method.losses(student, teacher, CONTEXT, adapters)
    assert found["teacher"].item() == pytest.approx(1e-3 * expected, rel=1e-9)


def pyramid(x, y):
    total, weight, weights_ = mean_square(x, y), 1.0, 1.0
    for side in (4, 2, 1):
        if side < x.shape[2]:
            weight = weight / 2
            weights_ += weight
            total += weight * mean_square(average(x, side, side), average(y, side, side))
    return total / weights_


@pytest.mark.parametrize("side", [8, 4, 2, 1])
def test_hcl(side):
    s, t = maps(2, side, side), maps(2, side, side)
    assert hcl_loss(s, t).item() == pytest.approx(pyramid(s.numpy(), t.numpy()), **TOLERANCE)


def test_review_kd():
    theirs = ((3, 8, 8), (5, 4, 4), (6, 4, 4))
    x, y, state, found, student, teacher = run(ReviewKD(teacher_weight=0.6, warm_up=20.0), OURS, theirs, (4, 7))
    x = [*x, student.embedding.numpy()[:, :, None, None]]
    y = [*y, teacher.embedding.numpy()[:, :, None, None]]
    above, expected = None, 0.0
    for level in (3, 2, 1, 0):
        name = f"fusions.{level}"
        z = conv_bn(x[level], state, f"{name}.enter")
        if above is not None:
            down = enlarge(above, *z.shape[2:])
            joint = np.concatenate([z, down], axis=1)
            scores = convolve(joint, state[f"{name}.attention.weight"])
            scores += state[f"{name}.attention.bias"][:, None, None]
            shares = 1 / (1 + np.exp(-scores))
            z = z * shares[:, :1] + down * shares[:, 1:]
        z = enlarge(z, *y[level].shape[2:])
        above = z
        expected += pyramid(conv_bn(z, state, f"{name}.leave", 3), y[level])
    # Half of the warm-up is over at epoch 10 of 20.
    assert found["teacher"].item() == pytest.approx(0.6 * 0.5 * expected, **TOLERANCE)


def profile(x, points):
    rows = [image.ravel() for image in x]
    gram = [sorted((float(np.dot(a, b)) for b in rows), reverse=True) for a in rows]
    where = [(len(x) - 1) * k / (points - 1) for k in range(points)]
    return [np.interp(where, range(len(x)), row) for row in gram]


@pytest.mark.parametrize("points", [2, 3, 8])
def test_similarity_profile(points):
    x = maps(2, 2, 2)
    np.testing.assert_allclose(similarity_profile(x, points), profile(x.numpy(), points), rtol=1e-9)


def test_sem_ckd():
    ours, theirs, points, temperature = ((2, 4, 4), (3, 2, 2)), ((3, 4, 4), (2, 4, 4), (4, 2, 2)), 8, 0.7
    x, y, state, found, *_ = run(SemCKD(points=points, temperature=temperature), ours, theirs)

    def embed(name, row):
        hidden = relu(state[f"{name}.0.weight"] @ row + state[f"{name}.0.bias"])
        z = state[f"{name}.2.weight"] @ hidden + state[f"{name}.2.bias"]
        return z / norm(z)

    queries = [[embed(f"queries.{i}", row) for row in profile(f, points)] for i, f in enumerate(x)]
    keys = [[embed(f"keys.{j}", row) for row in profile(g, points)] for j, g in enumerate(y)]
    assert len(queries[0][0]) == points // 4
    expected = 0.0
    for i, f in enumerate(x):
        fits = []
        for j, g in enumerate(y):
            side = min(f.shape[2], g.shape[2])
            name = f"regressors.{i * len(y) + j}"
            z = relu(conv_bn(average(f, side, side), state, f"{name}.0"))
            z = convolve(relu(conv_bn(z, state, f"{name}.1", 3)), state[f"{name}.2.weight"])
            fits.append((z, average(g, side, side)))
        for b in range(B):
            scores = [math.exp(float(np.dot(queries[i][b], keys[j][b])) / temperature) for j in range(len(y))]
            for j, (z, target) in enumerate(fits):
                expected += scores[j] / sum(scores) * mean_square(z[b], target[b]) / B / len(x)
    assert found["teacher"].item() == pytest.approx(400 * expected, **TOLERANCE)


def wasserstein(x, y, mean_weight):
    """Of Gaussians with diagonal covariances, channel by channel: the root of an unbiased variance + 1e-5."""
    found = 0.0
    for b, c in np.ndindex(x.shape[:2]):
        means, deviations = [], []
        for values in (list(x[b, c].flat), list(y[b, c].flat)):
            mean = sum(values) / len(values)
            means.append(mean)
            deviations.append((sum((v - mean) ** 2 for v in values) / (len(values) - 1) + 1e-5) ** 0.5)
        found += mean_weight * (means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2
    return found / len(x)


def test_wkd_f():
    own, theirs = maps(4, 2, 2), maps(4, 3, 3)
    found = wkd_f_loss(own, theirs, 2.5).item()
    assert found == pytest.approx(wasserstein(own.numpy(), theirs.numpy(), 2.5), **TOLERANCE)
    method = WKDF(teacher_weight=0.3)
    adapters = method.adapters(sizes(OURS), sizes(THEIRS), B).double()
    student, teacher = outputs(OURS), outputs(THEIRS)
    projected = relu(conv_bn(student.features[-1].numpy(), weights(adapters.parts), "0", 1))
    expected = 0.3 * wasserstein(projected, teacher.features[-1].numpy(), 4.0)
    found = method.losses(student, teacher, CONTEXT, adapters)["teacher"].item()
    assert found == pytest.approx(expected, **TOLERANCE)
