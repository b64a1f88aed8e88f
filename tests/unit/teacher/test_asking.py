"""A teacher answers in the numbers that its cache says it does."""

import torch

from small import digits
from tutelage.data.augment import Augment
from tutelage.outputs import Outputs
from tutelage.teacher import asking


class Watched(torch.nn.Linear):
    """Notes how cuDNN would compute."""

    def forward(self, pixels, want):
        self.seen = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
        return Outputs(super().forward(pixels.flatten(1)))


def test_it_is_asked_without_tf32_and_without_a_search_for_kernels(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    network, images, plain = Watched(64, 10), digits().train, Augment(crop_padding=0, flip="none")
    asking.ask(network, images, plain, torch.arange(3), 0)
    assert network.seen == (False, False)
    network.seen = ()
    asking.answers(network, asking.shown(network, images, plain, 0, range(3)), ("logits",), lambda count: None)
    assert network.seen == (False, False)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (True, True)
