"""Class attention transfer: for every class, the same evidence in the same quarter of the image.

Source: Guo, Yan, Li & Lin 2023, arXiv:2304.12777, section 3 (CAT-KD).
Departures: the networks stay as they are: their last layers are linear, so the logits of a part are the mean of its
    class activation map, which is all that is compared, and can be cached.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100 (configs/cifar100/CAT_KD/res32x4_res8x4.yaml of the authors' code).
    teacher_weight is 0.7 for ResNet-56 to 20, 1.8 for 110 to 32, 4.5 for VGG-13 to 8, 12 for WRN-40-2 to 16-2, and 40
    with `normalize` for ResNet-50 to MobileNetV2.
When: where things are in the image matters. Cached logits of 16 parts are read: 17 times the disk of kd's. The mean is
    over classes too, so that fewer classes pull each logit harder; too hard a pull lets the last layer diverge,
    whatever the optimiser (docs/results/weights.md).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._regions import grid, require_regions
from tutelage.methods._relations import unit
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Adapted, Claims, Published, Range, Weight


def cat_loss(
    student: Float[Tensor, "B 16 C"], teacher: Float[Tensor, "B 16 C"], *, normalize: bool = False
) -> Float[Tensor, ""]:
    """Mean squared difference of the class activation maps averaged over quarters of the image.

    Args:
        student: `Outputs.regions`.
        teacher: The same.
        normalize: Scale every class's map of every image to length 1 first.
    """
    own, theirs = grid(widened(student), 2), grid(widened(teacher.detach()), 2)
    if normalize:
        own, theirs = unit(own, dim=1), unit(theirs, dim=1)
    return F.mse_loss(own, theirs)


@dataclass(frozen=True)
class CATKD(Adapted):
    """label_weight CE(labels, student) + teacher_weight mean (m_s - m_t)^2.

    m: the class activation maps averaged over the quarters of the image, [images, 4, classes]; the mean is over all.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"regions"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "regions"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a squared difference",
        duplicates=MEAN,
        published=(Published("teacher_weight", by_classes=1),),
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(0.3, 60), log=True)] = 15.0
    """Weight of the maps, >= 0; published: 0.7 to 50 by the pair."""
    normalize: bool = False
    """Scale every class's map to length 1 first; published: for pairs of unlike networks."""

    def losses(self, student, teacher, context, adapters):
        loss = cat_loss(student.regions, teacher.regions, normalize=self.normalize)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * loss,
        }

    def parts(self, student, teacher, samples):
        require_regions(student, teacher)
        return nn.Identity()
