"""Holds the pure functions that several methods share.

Two habits keep every loss finite and honest: `widened` computes in float32 what comes in half precision, and the
teacher's side is detached where it enters, so that no loss can train the teacher.
"""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.errors import UserError
from tutelage.outputs import Context


def widened(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """float16 and bfloat16 become float32; float32 and float64 stay: sums over classes overflow in half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def ramp(epoch: float | Float[Tensor, ""], epochs: float) -> float | Float[Tensor, ""]:
    """min(epoch / epochs, 1): the factor of a linear warm-up, in [0, 1]; 1 where `epochs` is 0.

    Args:
        epoch: Epochs completed; a tensor under `torch.compile`, so that a new epoch is not a new program.
        epochs: How long the warm-up lasts.
    """
    if epochs == 0:
        return 1.0
    done = epoch / epochs
    return done.clamp(max=1.0) if isinstance(done, Tensor) else min(done, 1.0)


def label_cross_entropy(logits: Float[Tensor, "B C"], context: Context, smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Cross-entropy with the labels, in nats, mean over the batch; with mixed labels where the view is mixed.

    Images without a label (-1) say nothing: the mean is over the others, and 0 where there are none. In mixed views
    the mean is over all images, and a part without a label adds nothing to it.

    Args:
        logits: Before softmax.
        context: With `partner_labels`, each sample's loss is (1 - share) CE(label) + share CE(partner).
        smoothing: In [0, 1]: the share of the uniform distribution in the target (Szegedy et al. 2016, section 7).
    """
    logits = widened(logits)
    if context.partner_labels is None or context.partner_share is None:
        some = (context.labels >= 0).any()  # a mean over no image would be 0 / 0
        labels = torch.where(some, context.labels, 0)
        return F.cross_entropy(logits, labels, ignore_index=-1, label_smoothing=smoothing) * some
    each = partial(F.cross_entropy, logits, reduction="none", ignore_index=-1, label_smoothing=smoothing)
    own, partner = each(context.labels), each(context.partner_labels)
    return torch.lerp(own, partner, context.partner_share.to(own.dtype)).mean()


def kl(log_p: Float[Tensor, "B C"], log_q: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
    """KL(p || q) of every row in nats, from log-probabilities."""
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)


def softened_kl(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    temperature: float | Float[Tensor, ""] = 1.0,
) -> Float[Tensor, ""]:
    """T^2 KL(teacher_T || student_T) in nats: summed over classes, mean over the batch.

    The factor T^2 keeps the size of the gradient when T changes (Hinton et al. 2015, section 2). Half-precision
    logits are computed and answered in float32; the teacher gets no gradient.
    """
    log_q = F.log_softmax(widened(student_logits) / temperature, dim=1)
    log_p = F.log_softmax(widened(teacher_logits.detach()) / temperature, dim=1)
    return kl(log_p, log_q).mean() * temperature**2


def standardized(logits: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
    """Each row minus its mean, divided by its standard deviation (unbiased, + 1e-7; Sun et al. 2024, algorithm 1).

    Raises:
        UserError: two classes: both logits become +-0.71 whatever they were.
    """
    at_least_three_classes(logits, "logit standardisation")
    logits = widened(logits)
    centred = logits - logits.mean(dim=1, keepdim=True)
    variance = centred.square().sum(dim=1, keepdim=True) / (logits.shape[1] - 1)
    # A constant row has no direction: the floor keeps the root's gradient finite.
    return centred / (variance.clamp_min(1e-14).sqrt() + 1e-7)


def others(logits: Float[Tensor, "B C"], chosen: Int64[Tensor, " B"]) -> Float[Tensor, "B C-1"]:
    """The logits of all classes but the chosen one of each row, in class order.

    A gather and not a mask: there is no stand-in for minus infinity to overflow, and it compiles in one graph.
    """
    position = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, position + (position >= chosen[:, None]))


def versus_rest(logits: Float[Tensor, "B C"], chosen: Int64[Tensor, " B"]) -> Float[Tensor, "B 2"]:
    """Two logits a row whose softmax is (p, 1 - p), p the chosen class's probability: 1 - p is never a difference."""
    rest = others(logits, chosen).logsumexp(dim=1, keepdim=True)
    return torch.cat([logits.gather(1, chosen[:, None]), rest], dim=1)


def at_least_three_classes(logits: Float[Tensor, "B C"], what: str) -> None:
    """Raises UserError where there are fewer than three classes, for formulas that are empty then.

    Args:
        logits: Their width is the number of classes.
        what: Who needs them, for the message.
    """
    if logits.shape[1] < 3:
        raise UserError(f"{what} says nothing about {logits.shape[1]} classes, it needs 3 or more", "use kd, or ttm")
