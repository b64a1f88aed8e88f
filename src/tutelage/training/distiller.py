"""Puts student, method and adapters into one module with one `forward`, so that DDP and compile see one."""

from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods.base import Method
from tutelage.methods.combine import checked
from tutelage.outputs import Context, Outputs
from tutelage.training.whole_batch import gathered, normalised_by_all


class Distiller(nn.Module):
    """Pixels, the teacher's answer and the context in; the method's weighted terms out.

    Args:
        student: The network that learns: pixels and what is wanted in, `Outputs` out.
        method: The formula.
        adapters: The method's own trainable parts.
        whole: Where several processes share a batch, each computes the loss of all of it; else of its own share, where
            that is a mean over samples.
    """

    def __init__(self, student: nn.Module, method: Method, adapters: nn.Module, *, whole: bool = False):
        super().__init__()
        self.student = student
        self.adapters = adapters
        self.method = method
        self.whole = whole

    def forward(self, pixels: Float[Tensor, "B C H W"], teacher: Outputs, context: Context) -> dict[str, Tensor]:
        """The terms by name, float32 scalars."""
        with normalised_by_all():
            student = self.student(pixels, self.method.student_needs)
        # Losses are float32 whatever the precision of the forward pass: fp16 logs of small probabilities are infinite.
        with torch.autocast(pixels.device.type, enabled=False):
            student, teacher = student.mapped(Tensor.float), teacher.mapped(Tensor.float)
            if self.whole:
                student, teacher, context = gathered(student, teacher, context)
            with nullcontext() if self.whole else normalised_by_all():
                return checked(self.method.losses(student, teacher, context, self.adapters), self.method)
