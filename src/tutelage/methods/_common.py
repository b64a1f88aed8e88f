"""Pure functions that several methods share. All are computed in the dtype they are given."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.outputs import Context


def label_cross_entropy(logits: Float[Tensor, "B C"], context: Context, smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Cross-entropy with the labels, in nats, mean over the batch; with mixed labels where the view is mixed.

    Args:
        logits: Before softmax.
        context: With `partner_labels`, each sample's loss is (1 - share) CE(label) + share CE(partner).
        smoothing: In [0, 1): the share of the uniform distribution in the target (Szegedy et al. 2016, section 7).
    """
    if context.partner_labels is None or context.partner_share is None:
        return F.cross_entropy(logits, context.labels, label_smoothing=smoothing)
    own = F.cross_entropy(logits, context.labels, reduction="none", label_smoothing=smoothing)
    partner = F.cross_entropy(logits, context.partner_labels, reduction="none", label_smoothing=smoothing)
    return torch.lerp(own, partner, context.partner_share.to(own.dtype)).mean()


def softened_kl(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], temperature: float
) -> Float[Tensor, ""]:
    """T^2 KL(teacher_T || student_T) in nats: summed over classes, mean over the batch.

    The factor T^2 keeps the size of the gradient when T changes (Hinton et al. 2015, section 2).
    """
    log_q = F.log_softmax(student_logits / temperature, dim=1)
    log_p = F.log_softmax(teacher_logits / temperature, dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2


def standardized(logits: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
    """Each row minus its mean, divided by its standard deviation (unbiased, + 1e-7; Sun et al. 2024, algorithm 1)."""
    centred = logits - logits.mean(dim=1, keepdim=True)
    # A constant row has no direction: keep its gradient finite instead of dividing 0 by 0.
    variance = centred.square().sum(dim=1, keepdim=True) / max(logits.shape[1] - 1, 1)
    return centred / (variance.clamp_min(1e-14).sqrt() + 1e-7)
