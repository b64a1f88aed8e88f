"""Every number that is said of a classifier's answers, declared once: what it is, how it is computed and written.

The terminal's table, report.html, the model card, evaluation.json, results.json, `compare` and `evaluate` all read
`MEASURES`. A measure more is a row more. Importing this costs no torch: files are shown without it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

ECE_BINS = 15

if TYPE_CHECKING:
    from typing_extensions import TypedDict as Extensible

    from tutelage.measure.answers import Answers

    class Measured(Extensible, extra_items=float):
        """The measures of one network on one split: beside these two, each measure under its name in `MEASURES`."""

        images: int
        per_class: list[float | None]
        """Accuracy by class; None where a class has no image."""
else:  # No typing_extensions of Python 3.11's libraries is sure to know `extra_items`.
    Measured = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """One number about a network's answers."""

    title: str
    """In a column's heading and before the number."""
    words: str
    """What it is, for somebody who meets it for the first time; a phrase, with its source."""
    compute: "Callable[[Answers], float]"
    better: Literal["higher", "lower", "neither"]
    unit: Literal["%", "nats", ""]
    """With "%" the number is a share in [0, 1] that is written as a percentage."""
    of_teacher: bool = False
    """Whether it compares with a teacher's answers; it is not said of the teacher itself."""
    fewest_classes: int = 2
    """With fewer classes it says nothing."""
    hub: str = ""
    """The name of the metric on the Hugging Face hub; empty: it is in the model card's table alone."""

    def applies(self, classes: int, taught: bool) -> bool:
        """Whether it can be computed of answers with so many classes, with or without those of a teacher."""
        return classes >= self.fewest_classes and (taught or not self.of_teacher)

    def text(self, value: float | None, places: int = 2) -> str:
        """The number as people read it, "-" where there is none.

        Args:
            value: In the measure's unit.
            places: Decimals of a percentage; other numbers have three.
        """
        if value is None:
            return "-"
        return f"{100 * value:.{places}f} %" if self.unit == "%" else f"{value:.3f}"

    @property
    def direction(self) -> str:
        """Which way is better, in words; empty where neither is."""
        return "" if self.better == "neither" else f"{self.better} is better"


def top1(answers: "Answers") -> float:
    """Share of images whose likeliest class is the label."""
    return answers.right.double().mean().item()


def top5(answers: "Answers") -> float:
    """Share of images whose label is among the five likeliest classes."""
    five = answers.logits.double().topk(5, dim=1).indices
    return (five == answers.labels[:, None]).any(dim=1).double().mean().item()


def nll(answers: "Answers") -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    from torch.nn import functional as F

    return F.nll_loss(answers.log_p, answers.labels).item()


def brier(answers: "Answers") -> float:
    """Brier score of several classes (Brier 1950, equation 2): mean over the images of sum_c (p_c - y_c)^2.

    p are the probabilities and y is 1 at the label and 0 elsewhere. The sum runs over all classes and is not halved or
    divided by their number: 0 is perfect, 2 is certain and always wrong, and C equal probabilities give 1 - 1 / C. With
    two classes it is twice the score that is usual for one probability.
    """
    p = answers.log_p.exp()
    of_label = p.gather(1, answers.labels[:, None]).squeeze(1)
    return (p.square().sum(dim=1) - 2 * of_label + 1).mean().item()


def ece(answers: "Answers") -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, equation 3) over the bins (k/15, (k+1)/15].

    Sum over the bins of (share of images) |accuracy - mean confidence|.
    """
    over = answers.right.double() - answers.confidence
    gap = over.new_zeros(ECE_BINS).index_add_(0, answers.bins, over)
    return gap.abs().sum().item() / len(over)


def confidence(answers: "Answers") -> float:
    """Mean largest probability."""
    return answers.confidence.mean().item()


def agreement(answers: "Answers") -> float:
    """Share of images with the teacher's likeliest class."""
    return (answers.teacher.argmax(dim=1) == answers.predicted).double().mean().item()


def kl_to_teacher(answers: "Answers") -> float:
    """Mean KL(teacher || network) at T = 1, in nats."""
    from torch.nn import functional as F

    log_t = answers.teacher.double().log_softmax(dim=1)
    return F.kl_div(answers.log_p, log_t, reduction="batchmean", log_target=True).item()


MEASURES: dict[str, Measure] = {
    "top1": Measure(
        "top-1", "share of the images whose likeliest class is the label", top1, "higher", "%", hub="accuracy"
    ),
    "top5": Measure(
        "top-5",
        "share of the images whose label is among the five likeliest classes",
        top5,
        "higher",
        "%",
        fewest_classes=6,
        hub="top-5-accuracy",
    ),
    "nll": Measure("NLL", "mean negative log-likelihood of the labels, in nats", nll, "lower", "nats", hub="nll"),
    "brier": Measure(
        "Brier score",
        "mean squared distance between the probabilities and the label as 0 and 1, summed over the classes: 0 to 2 "
        "(Brier 1950)",
        brier,
        "lower",
        "",
        hub="brier_score",
    ),
    "ece": Measure(
        "ECE",
        f"expected calibration error: how far accuracy and confidence lie apart, over {ECE_BINS} bins of confidence "
        "(Guo et al. 2017)",
        ece,
        "lower",
        "",
        hub="ece",
    ),
    "confidence": Measure(
        "confidence", "mean probability of the likeliest class; it should be the top-1", confidence, "neither", "%"
    ),
    "agreement": Measure(
        "agreement with the teacher",
        "share of the images on which network and teacher give the same answer, right or wrong",
        agreement,
        "neither",
        "%",
        of_teacher=True,
    ),
    "kl_to_teacher": Measure(
        "KL to the teacher",
        "mean Kullback-Leibler divergence of the network's probabilities from the teacher's, in nats",
        kl_to_teacher,
        "neither",
        "nats",
        of_teacher=True,
    ),
}
"""By the name that JSON files use, in the order in which they are shown. Accuracy comes first: claims are about it."""


def taken(measured: Measured) -> dict[str, float]:
    """The measures that are there, by name, in the order of `MEASURES`."""
    plain = cast(dict[str, Any], measured)
    return {name: plain[name] for name in MEASURES if name in plain}


def missing(measured: Measured, *, taught: bool) -> list[str]:
    """The measures that apply and are not there: those that were added since a file was written."""
    applying = (name for name, row in MEASURES.items() if row.applies(len(measured["per_class"]), taught))
    return [name for name in applying if name not in measured]


def sentence(measured: Measured) -> str:
    """All measures in one line, with the number of images.

    >>> sentence({"images": 1000, "top1": 0.5, "nll": 1.25, "per_class": [0.5, 0.5]})
    'top-1 50.00 %, NLL 1.250 (1,000 images)'
    """
    words = [f"{MEASURES[name].title} {MEASURES[name].text(value)}" for name, value in taken(measured).items()]
    return f"{', '.join(words)} ({measured['images']:,} images)"


def directions(names: Iterable[str]) -> str:
    """Which way is better, of some measures in their order; empty where neither way is of any of them.

    >>> directions(["top1", "nll", "ece", "confidence"])
    'higher is better: top-1; lower is better: NLL, ECE'
    """
    by_direction: dict[str, list[str]] = {}
    for row in (MEASURES[name] for name in names):
        if row.direction:
            by_direction.setdefault(row.direction, []).append(row.title)
    return "; ".join(f"{direction}: {', '.join(titles)}" for direction, titles in by_direction.items())
