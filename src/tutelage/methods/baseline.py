"""The student alone: cross-entropy with the labels. Every study compares with it.

Source: none; the multinomial logistic loss.
Departures: none.
Defaults: none: there is nothing to choose.
When: always, beside whatever else is trained: a gain is a difference to this.
"""

from dataclasses import dataclass
from typing import ClassVar

from tutelage.methods._common import label_cross_entropy
from tutelage.methods.base import MEAN, Claims, Method


@dataclass(frozen=True)
class Baseline(Method):
    """CE(labels, student)."""

    needs: ClassVar[frozenset[str]] = frozenset()
    claims: ClassVar[Claims] = Claims(duplicates=MEAN)

    def losses(self, student, teacher, context, adapters):
        return {"label": label_cross_entropy(student.logits, context)}
