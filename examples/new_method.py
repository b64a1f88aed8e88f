"""A method of your own in one file: its fields are flags, its docstring the help, its contract tested by one command.

    tutelage train cifar10 examples/new_method.py:Cosine --method.teacher-weight 2
    pytest tests/property/test_methods.py --method examples/new_method.py:Cosine

Source: none; an example.
Departures: none.
When: never; copy it and write yours.
"""

from dataclasses import dataclass

import torch.nn.functional as F

from tutelage.methods import Method, Weight, label_cross_entropy


@dataclass(frozen=True)
class Cosine(Method):
    """label_weight CE(labels, student) + teacher_weight (1 - cos(z_s, z_t)), mean over the batch."""

    label_weight: Weight = 1.0
    """Of the labels' cross-entropy, >= 0."""
    teacher_weight: Weight = 1.0
    """Of the teacher's term, >= 0."""

    def losses(self, student, teacher, context, adapters):
        apart = 1 - F.cosine_similarity(student.logits, teacher.logits.detach(), dim=1).mean()
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * apart,
        }
