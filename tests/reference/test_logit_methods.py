"""Every method without a teacher or on logits, against loops written from its paper, in float64, to 1e-9.

The loops work on probabilities, sample by sample and class by class, and share nothing with the code they check.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tutelage import methods
from tutelage.methods import METHODS, method_class
from tutelage.outputs import Context, Head, Outputs, Sizes

B, C, EPOCH = 6, 5, 7.0
RNG = np.random.default_rng(5)
S = RNG.normal(0, 2, (B, C))
T = RNG.normal(0, 3, (B, C))
Y = np.array([0, 3, 3, 1, 4, 2])
HEAD = RNG.normal(0, 1, (C, 7))
S_PARTS, T_PARTS = RNG.normal(0, 2, (2, B, 16, C))


def probabilities(logits, temperature=1.0):
    """Softmax of one row, by definition."""
    powers = [np.exp(z / temperature) for z in logits]
    return np.array([power / sum(powers) for power in powers])


def entropy_between(p, q):
    """-sum p log q."""
    return -sum(p_c * np.log(q_c) for p_c, q_c in zip(p, q, strict=True))


def divergence(p, q):
    """sum p log(p / q)."""
    return sum(p_c * np.log(p_c / q_c) for p_c, q_c in zip(p, q, strict=True))


def without(row, c):
    return np.array([value for k, value in enumerate(row) if k != c])


def label_term(target=None):
    """Cross-entropy with one-hot labels, or with the targets given."""
    target = np.eye(C)[Y] if target is None else target
    return np.mean([entropy_between(target[b], probabilities(S[b])) for b in range(B)])


def standardised(row):
    mean = sum(row) / C
    deviation = np.sqrt(sum((z - mean) ** 2 for z in row) / (C - 1))
    return np.array([(z - mean) / (deviation + 1e-7) for z in row])


def kd(s=S, t=T, temperature=4.0):
    rows = [divergence(probabilities(t[b], temperature), probabilities(s[b], temperature)) for b in range(B)]
    return temperature**2 * np.mean(rows)


def logit_mse(centred=False):
    found = 0.0
    for b in range(B):
        mean = sum(S[b] - T[b]) / C if centred else 0.0
        found += sum((S[b, c] - T[b, c] - mean) ** 2 for c in range(C)) / C / B
    return found


def hard_label():
    return -np.mean([np.log(probabilities(S[b])[np.argmax(T[b])]) for b in range(B)])


def tf_kd(correct=0.99, temperature=20.0):
    rows = []
    for b in range(B):
        virtual = np.full(C, (1 - correct) / (C - 1))
        virtual[Y[b]] = correct
        softened = virtual ** (1 / temperature) / sum(virtual ** (1 / temperature))
        rows.append(divergence(softened, probabilities(S[b], temperature)))
    return temperature**2 * np.mean(rows)


def dkd(s=S, t=T, alpha=1.0, beta=8.0, temperature=4.0):
    found = 0.0
    for b in range(B):
        p, q = probabilities(t[b], temperature), probabilities(s[b], temperature)
        p_y, q_y = p[Y[b]], q[Y[b]]
        tckd = p_y * np.log(p_y / q_y) + (1 - p_y) * np.log((1 - p_y) / (1 - q_y))
        nckd = divergence(without(p, Y[b]) / (1 - p_y), without(q, Y[b]) / (1 - q_y))
        found += (alpha * tckd + beta * nckd) / B
    return temperature**2 * found


def nkd(gamma=1.5, temperature=1.0):
    found = 0.0
    for b in range(B):
        target = -probabilities(T[b])[Y[b]] * np.log(probabilities(S[b])[Y[b]])
        p, q = probabilities(without(T[b], Y[b]), temperature), probabilities(without(S[b], Y[b]), temperature)
        found += (target + gamma * temperature**2 * entropy_between(p, q)) / B
    return found


def dist(inter=1.0, intra=1.0, temperature=4.0, epsilon=0.0):
    def correlation(u, v):
        u, v = u - np.mean(u), v - np.mean(v)
        return sum(u * v) / (np.sqrt(sum(u**2)) * np.sqrt(sum(v**2)) + epsilon)

    p = np.array([probabilities(T[b], temperature) for b in range(B)])
    q = np.array([probabilities(S[b], temperature) for b in range(B)])
    rows = np.mean([1 - correlation(q[b], p[b]) for b in range(B)])
    columns = np.mean([1 - correlation(q[:, c], p[:, c]) for c in range(C)])
    return temperature**2 * (inter * rows + intra * columns)


def wsld(temperature=2.0):
    found = 0.0
    for b in range(B):
        loss_s, loss_t = -np.log(probabilities(S[b])[Y[b]]), -np.log(probabilities(T[b])[Y[b]])
        soft = entropy_between(probabilities(T[b], temperature), probabilities(S[b], temperature))
        found += (1 - np.exp(-loss_s / loss_t)) * soft / B
    return temperature**2 * found


def ttm(gamma=0.1, weighted=False):
    found = 0.0
    for b in range(B):
        power = probabilities(T[b]) ** gamma
        weight = sum(power) if weighted else 1.0
        found += weight * divergence(power / sum(power), probabilities(S[b])) / B
    return found


def rld(alpha=1.0, beta=8.0, confidence_temperature=1.0, temperature=4.0):
    found = 0.0
    for b in range(B):
        p, q = probabilities(T[b], confidence_temperature), probabilities(S[b], confidence_temperature)
        top, own = max(p), q[Y[b]]
        scd = top * np.log(top / own) + (1 - top) * np.log((1 - top) / (1 - own))
        below = [c for c in range(C) if T[b, c] < T[b, Y[b]]]
        mcd = divergence(probabilities(T[b, below], temperature), probabilities(S[b, below], temperature))
        found += (alpha * confidence_temperature**2 * scd + beta * temperature**2 * mcd) / B
    return found


def ea_kd(temperature=4.0, of_entropies=3.0, student_weight=1.0):
    found = 0.0
    for b in range(B):
        p, q = probabilities(T[b], of_entropies), probabilities(S[b], of_entropies)
        h_t, h_s = entropy_between(p, p), entropy_between(q, q)
        weight = (h_t + student_weight * h_t * h_s / np.log(C)) / 2
        found += weight * divergence(probabilities(T[b], temperature), probabilities(S[b], temperature)) / B
    return temperature**2 * found


def transport(p, q, cost, regularisation, iterations=10):
    """Cuturi 2013, algorithm 1: u and v scale the rows and columns of K in turn."""
    n = len(p)
    kernel = [[np.exp(-cost[i][j] / regularisation) for j in range(n)] for i in range(n)]
    u = [1 / n] * n
    for _ in range(iterations):
        v = [q[j] / sum(kernel[i][j] * u[i] for i in range(n)) for j in range(n)]
        u = [p[i] / sum(kernel[i][j] * v[j] for j in range(n)) for i in range(n)]
    return sum(u[i] * kernel[i][j] * v[j] * cost[i][j] for i in range(n) for j in range(n))


def wkd_l(gamma=600.0, temperature=8.0, sharpness=1.0, regularisation=0.05):
    def length(row):
        return np.sqrt(sum(x * x for x in row))

    cosine = [[sum(v * w) / length(v) / length(w) for w in HEAD] for v in HEAD]
    cost = np.array([[1 - np.exp(-sharpness * (1 - c)) for c in row] for row in cosine])
    found = 0.0
    for b in range(B):
        target = -probabilities(T[b])[Y[b]] * np.log(probabilities(S[b])[Y[b]])
        p, q = (probabilities(without(z[b], Y[b]), temperature) for z in (S, T))
        kept = [c for c in range(C) if c != Y[b]]
        found += (target + gamma * transport(p, q, cost[np.ix_(kept, kept)], regularisation)) / B
    return found


def luminet(temperature=4.0):
    def perception(logits):
        h = np.empty_like(logits)
        for c in range(C):
            mean = sum(logits[:, c]) / B
            h[:, c] = (logits[:, c] - mean) / np.sqrt(sum((logits[:, c] - mean) ** 2) / B + 1e-5)
        return h

    h_s, h_t = perception(S), perception(T)
    return np.mean(
        [divergence(probabilities(h_t[b], temperature), probabilities(h_s[b], temperature)) for b in range(B)]
    )


def cells(regions, side):
    """[B, side^2, C]: means of blocks of a 4 x 4 grid, row by row."""
    found, size = np.zeros((B, side * side, C)), 4 // side
    for b, row, column in np.ndindex(B, side, side):
        block = [regions[b, 4 * (size * row + i) + size * column + j] for i in range(size) for j in range(size)]
        found[b, side * row + column] = sum(block) / len(block)
    return found


def cat(weight, *, normalize=False):
    found = 0.0
    own, theirs = cells(S_PARTS, 2), cells(T_PARTS, 2)
    for b, c in np.ndindex(B, C):
        m_s, m_t = own[b, :, c], theirs[b, :, c]
        if normalize:
            m_s, m_t = m_s / np.sqrt(sum(m_s**2)), m_t / np.sqrt(sum(m_t**2))
        found += weight * sum((m_s - m_t) ** 2) / (4 * B * C)
    return found


def likenesses(instances=0.9, batches=0.45, classes=0.45, s=S, t=T):
    """The three levels, each summed over five temperatures."""
    found = {"instance": 0.0, "batch": 0.0, "class": 0.0}
    for heat in (2.0, 3.0, 4.0, 5.0, 6.0):
        found["instance"] += instances * kd(s, t, heat)
        p, q = (np.array([probabilities(z[b], heat) for b in range(B)]) for z in (T, S))
        for i, j in np.ndindex(B, B):
            found["batch"] += batches * (sum(p[i] * p[j]) - sum(q[i] * q[j])) ** 2 / B
        for i, j in np.ndindex(C, C):
            found["class"] += classes * (sum(p[:, i] * p[:, j]) - sum(q[:, i] * q[:, j])) ** 2 / C
    return found


def sdd(kind, temperature, extra=2.0):
    """Over 1 + 4 + 16 parts: the losses above for one image at a time, twice where whole and part differ."""
    found = 0.0
    for b in range(B):
        parts = [(s, t) for side in (1, 2, 4) for s, t in zip(cells(S_PARTS, side)[b], cells(T_PARTS, side)[b])]
        whole = np.argmax(parts[0][1]) == Y[b]
        for s, t in parts:
            p, q = probabilities(t, temperature), probabilities(s, temperature)
            p_y, q_y = p[Y[b]], q[Y[b]]
            o_t, o_s = without(p, Y[b]) / (1 - p_y), without(q, Y[b]) / (1 - q_y)
            if kind == "kd":
                loss = temperature**2 * divergence(p, q)
            elif kind == "dkd":
                tckd = p_y * np.log(p_y / q_y) + (1 - p_y) * np.log((1 - p_y) / (1 - q_y))
                loss = temperature**2 * (tckd + 8 * divergence(o_t, o_s))
            else:
                target = -probabilities(t)[Y[b]] * np.log(probabilities(s)[Y[b]])
                loss = target + 1.5 * temperature**2 * entropy_between(o_t, o_s)
            found += (extra if (np.argmax(t) == Y[b]) != whole else 1) * loss / (21 * B)
    return found


STANDARD = {"s": np.array([standardised(row) for row in S]), "t": np.array([standardised(row) for row in T])}
SMOOTH = 0.9 * np.eye(C)[Y] + 0.1 / C
CTKD_T = 1 + 20 / (1 + np.exp(-1.0))
WARM = EPOCH / 20

# Sun et al. 2024, the README of the authors' code: cross-entropy 0.1, teacher 9, T = 2
PUBLISHED = {"standardize": True, "temperature": 2.0, "teacher_weight": 10.0}

# name, options, terms by the defaults of the paper
TERMS = [
    ("baseline", {}, {"label": label_term()}),
    ("label_smoothing", {}, {"label": label_term(SMOOTH)}),
    ("tf_kd", {}, {"label": 0.9 * label_term(), "teacher": 0.1 * tf_kd()}),
    ("tf_kd", {"correct": 0.7, "temperature": 3.0}, {"label": 0.9 * label_term(), "teacher": 0.1 * tf_kd(0.7, 3.0)}),
    ("kd", {}, {"label": 0.1 * label_term(), "teacher": 0.9 * kd()}),
    ("kd", {"temperature": 1.0, "alpha": 0.5}, {"label": 0.5 * label_term(), "teacher": 0.5 * kd(temperature=1.0)}),
    ("kd", {"standardize": True}, {"label": 0.1 * label_term(), "teacher": 0.9 * kd(**STANDARD)}),
    ("kd", PUBLISHED, {"label": 0.1 * label_term(), "teacher": 9 * kd(**STANDARD, temperature=2.0)}),
    ("logit_mse", {}, {"label": 0.0, "teacher": logit_mse()}),
    (
        "logit_mse",
        {"centred": True, "alpha": 0.3},
        {"label": 0.7 * label_term(), "teacher": 0.3 * logit_mse(centred=True)},
    ),
    ("hard_label", {}, {"label": 0.5 * label_term(), "teacher": 0.5 * hard_label()}),
    ("dkd", {}, {"label": label_term(), "teacher": WARM * dkd()}),
    (
        "dkd",
        {"target_weight": 0.3, "others_weight": 2.0, "temperature": 1.0, "warm_up": 0.0},
        {"label": label_term(), "teacher": dkd(alpha=0.3, beta=2.0, temperature=1.0)},
    ),
    ("dkd", {"standardize": True}, {"label": label_term(), "teacher": WARM * dkd(**STANDARD)}),
    (
        "dkd",
        {"standardize": True, "temperature": 2.0, "target_weight": 9.0, "others_weight": 72.0},
        {"label": label_term(), "teacher": WARM * 9 * dkd(**STANDARD, temperature=2.0)},
    ),
    ("nkd", {}, {"label": label_term(), "teacher": nkd()}),
    ("nkd", {"gamma": 0.7, "temperature": 3.0}, {"label": label_term(), "teacher": nkd(0.7, 3.0)}),
    ("dist", {}, {"label": label_term(), "teacher": 2 * dist()}),
    (
        "dist",
        {"inter_weight": 0.3, "intra_weight": 0.0, "temperature": 1.0},
        {"label": label_term(), "teacher": 2 * dist(0.3, 0.0, 1.0)},
    ),
    ("dist", {"epsilon": 0.01}, {"label": label_term(), "teacher": 2 * dist(epsilon=0.01)}),
    ("wsld", {}, {"label": label_term(), "teacher": 2.5 * wsld()}),
    ("wsld", {"temperature": 4.0, "teacher_weight": 1.0}, {"label": label_term(), "teacher": wsld(4.0)}),
    ("ttm", {}, {"label": label_term(), "teacher": 45 * ttm()}),
    ("ttm", {"gamma": 0.5}, {"label": label_term(), "teacher": 45 * ttm(0.5)}),
    ("wttm", {}, {"label": label_term(), "teacher": 4 * ttm(0.2, weighted=True)}),
    ("wttm", {"gamma": 0.5}, {"label": label_term(), "teacher": 4 * ttm(0.5, weighted=True)}),
    ("ctkd", {}, {"label": 0.1 * label_term(), "teacher": 0.9 * kd(temperature=CTKD_T)}),
    ("ctkd", {"standardize": True}, {"label": 0.1 * label_term(), "teacher": 0.9 * kd(**STANDARD, temperature=CTKD_T)}),
    (
        "ctkd",
        {"standardize": True, "teacher_weight": 10.0},
        {"label": 0.1 * label_term(), "teacher": 9 * kd(**STANDARD, temperature=CTKD_T)},
    ),
    ("ea_kd", {}, {"label": 0.1 * label_term(), "teacher": 0.9 * ea_kd()}),
    (
        "ea_kd",
        {"temperature": 2.0, "alpha": 0.5, "entropy_temperature": 2.0, "student_weight": 0.046},
        {"label": 0.5 * label_term(), "teacher": 0.5 * ea_kd(2.0, 2.0, 0.046)},
    ),
    ("cat_kd", {}, {"label": label_term(), "teacher": cat(15.0)}),
    (
        "cat_kd",
        {"normalize": True, "teacher_weight": 40.0},
        {"label": label_term(), "teacher": cat(40.0, normalize=True)},
    ),
    ("mlkd", {}, {"label": 0.1 * label_term()} | likenesses()),
    (
        "mlkd",
        {"standardize": True, "instance_weight": 9.0, "batch_weight": 0.2, "class_weight": 0.3, "label_weight": 1.0},
        {"label": label_term()} | likenesses(9.0, 0.2, 0.3, **STANDARD),
    ),
    ("sdd", {}, {"label": 0.1 * label_term(), "teacher": 0.9 * sdd("kd", 4.0)}),
    (
        "sdd",
        {"kind": "dkd", "label_weight": 1.0, "teacher_weight": 1.0, "warm_up": 20.0},
        {"label": label_term(), "teacher": WARM * sdd("dkd", 4.0)},
    ),
    (
        "sdd",
        {"kind": "nkd", "temperature": 2.0, "complementary_weight": 3.0},
        {"label": 0.1 * label_term(), "teacher": 0.9 * sdd("nkd", 2.0, 3.0)},
    ),
    ("wkd_l", {}, {"label": label_term(), "teacher": wkd_l()}),
    (
        "wkd_l",
        {"temperature": 2.0, "others_weight": 30.0, "sharpness": 2.0, "regularisation": 0.2, "teacher_weight": 0.5},
        {"label": label_term(), "teacher": 0.5 * wkd_l(30.0, 2.0, 2.0, 0.2)},
    ),
    ("rld", {}, {"label": label_term(), "teacher": WARM * rld()}),
    (
        "rld",
        {"confidence_weight": 0.4, "masked_weight": 2.0, "confidence_temperature": 3.0, "temperature": 1.0},
        {"label": label_term(), "teacher": WARM * rld(0.4, 2.0, 3.0, 1.0)},
    ),
    ("luminet", {}, {"label": 2 * label_term(), "teacher": WARM * 961 * luminet()}),
    ("luminet", {"temperature": 1.0, "warm_up": 5.0}, {"label": 2 * label_term(), "teacher": 961 * luminet(1.0)}),
]


@pytest.mark.parametrize(("name", "options", "expected"), TERMS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(TERMS)])
def test_terms_are_the_papers(name, options, expected):
    method = method_class(name)(**options)
    head = Head(torch.tensor(HEAD), torch.zeros(C, dtype=torch.float64))
    sizes = Sizes(C, head=head, regions=True)
    adapters = method.adapters(sizes, sizes, 100).double()
    context = Context(torch.tensor(Y), torch.arange(B), EPOCH)
    student, teacher = (
        Outputs(torch.tensor(z), regions=torch.tensor(parts)) for z, parts in ((S, S_PARTS), (T, T_PARTS))
    )
    found = method.losses(student, teacher, context, adapters)
    assert found.keys() == expected.keys()
    for term, value in expected.items():
        assert found[term].item() == pytest.approx(value, rel=1e-9, abs=1e-12), term


FUNCTIONS = [
    ("kd_loss", (), {"temperature": 3.0}, kd(temperature=3.0)),
    ("logit_mse_loss", (), {"centred": True}, logit_mse(centred=True)),
    ("hard_label_loss", (), {}, hard_label()),
    ("dkd_loss", (Y,), {"target_weight": 0.5, "others_weight": 3.0, "temperature": 2.0}, dkd(S, T, 0.5, 3.0, 2.0)),
    ("nkd_loss", (Y,), {"gamma": 2.0, "temperature": 2.0}, nkd(2.0, 2.0)),
    ("dist_loss", (), {"inter_weight": 2.0, "intra_weight": 0.5, "temperature": 2.0}, dist(2.0, 0.5, 2.0)),
    ("wsld_loss", (Y,), {"temperature": 3.0}, wsld(3.0)),
    ("ttm_loss", (), {"gamma": 0.3}, ttm(0.3)),
    ("wttm_loss", (), {"gamma": 0.3}, ttm(0.3, weighted=True)),
    ("rld_loss", (Y,), {"confidence_temperature": 2.0, "temperature": 3.0}, rld(1.0, 8.0, 2.0, 3.0)),
    ("luminet_loss", (), {"temperature": 2.0}, luminet(2.0)),
]


@pytest.mark.parametrize(("name", "more", "options", "expected"), FUNCTIONS, ids=[row[0] for row in FUNCTIONS])
def test_public_functions_are_the_papers(name, more, options, expected):
    function = getattr(methods, name)
    found = function(torch.tensor(S), torch.tensor(T), *map(torch.tensor, more), **options)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_tf_kd_loss_is_the_papers():
    found = methods.tf_kd_loss(torch.tensor(S), torch.tensor(Y), correct=0.9, temperature=2.0)
    assert found.item() == pytest.approx(tf_kd(0.9, 2.0), rel=1e-9)


def test_wsld_gradient_holds_the_weights_constant():
    """Finite differences of the formula with its weights frozen where they are."""
    weights = [1 - np.exp(np.log(probabilities(S[b])[Y[b]]) / -np.log(probabilities(T[b])[Y[b]])) for b in range(B)]

    def frozen(s):
        rows = [weights[b] * entropy_between(probabilities(T[b], 2.0), probabilities(s[b], 2.0)) for b in range(B)]
        return 4.0 * np.mean(rows)

    student = torch.tensor(S, requires_grad=True)
    methods.wsld_loss(student, torch.tensor(T), torch.tensor(Y), 2.0).backward()
    for b in range(B):
        for c in range(C):
            step = np.zeros_like(S)
            step[b, c] = 1e-5
            slope = (frozen(S + step) - frozen(S - step)) / 2e-5
            assert student.grad[b, c].item() == pytest.approx(slope, abs=1e-8)


def test_mixed_labels_are_weighted_by_their_share():
    partner, share = np.array([1, 3, 0, 2, 2, 4]), np.array([0.0, 0.25, 0.5, 0.1, 0.7, 0.4])
    target = (1 - share)[:, None] * np.eye(C)[Y] + share[:, None] * np.eye(C)[partner]
    context = Context(torch.tensor(Y), torch.arange(B), EPOCH, torch.tensor(partner), torch.tensor(share))
    for name, smooth in (("baseline", 0.0), ("label_smoothing", 0.1), ("kd", 0.0)):
        found = method_class(name)().losses(Outputs(torch.tensor(S)), Outputs(torch.tensor(T)), context, None)
        expected = label_term((1 - smooth) * target + smooth / C) * (0.1 if name == "kd" else 1.0)
        assert found["label"].item() == pytest.approx(expected, rel=1e-9), name


def test_every_method_has_a_reference():
    """A method's reference is a test of this folder that names it, its class or one of its functions."""
    written = " ".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))
    named = set(re.findall(r"\w+", written))
    assert [name for name, row in METHODS.items() if not named & {name, row.cls, *row.functions}] == []
