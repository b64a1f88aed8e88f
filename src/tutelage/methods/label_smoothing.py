"""Label smoothing: a little of the uniform distribution in every target.

Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
Departures: none.
Defaults: the paper's, for Inception-v3 on ImageNet.
When: as a second baseline. What a teacher gives beyond it is more than regularisation.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from tutelage.methods._common import label_cross_entropy
from tutelage.methods.base import MEAN, Claims, Method, Range


@dataclass(frozen=True)
class LabelSmoothing(Method):
    """CE((1 - smoothing) labels + smoothing / C, student)."""

    needs: ClassVar[frozenset[str]] = frozenset()
    claims: ClassVar[Claims] = Claims(duplicates=MEAN)

    smoothing: Annotated[float, Range(0, 1, search=(0.02, 0.3))] = 0.1
    """Share of the uniform distribution over all C classes in the target, in [0, 1]; 0.1 in the paper."""

    def losses(self, student, teacher, context, adapters):
        return {"label": label_cross_entropy(student.logits, context, self.smoothing)}
