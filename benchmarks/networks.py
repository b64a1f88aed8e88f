"""Every network of MODELS: as large as published, one training step, one graph, the same in ONNX.

python benchmarks/networks.py            # all; writes docs/results/networks.json and networks.md
python benchmarks/networks.py resnet20   # those; writes nothing
"""

import sys
import time
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn

from _common import RESULTS, write
from tutelage.models import MODELS, DataSpec, Model, build
from tutelage.models.count import macs, parameters
from tutelage.models.tap import EVERYTHING, Tapped

PUBLISHED = {"resnet20": 0.28, "resnet56": 0.86, "resnet32x4": 7.43, "wrn_40_2": 2.26, "vgg8": 3.97, "vgg13": 9.46,
             "mobilenet_v2_05": 0.81, "shufflenet_v1": 0.95, "shufflenet_v2": 1.36, "resnet50_cifar": 23.7}  # fmt: skip
"""Millions at 100 classes, as printed in the repositories that the published pairs come from."""


class Logits(nn.Module):
    """A network whose only output is its logits, for export."""

    def __init__(self, network: Tapped):
        super().__init__()
        self.network = network

    def forward(self, pixels):
        return self.network(pixels).logits


def look(name: str) -> dict[str, Any]:
    """What is true of one network; raises where something is not."""
    data = DataSpec(classes=100, channels=3, size=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    begun = time.perf_counter()
    network = build(Model(name), data)
    count = parameters(network) / 1e6
    if name in PUBLISHED:
        digits = len(str(PUBLISHED[name]).partition(".")[2])
        assert round(count, digits) == PUBLISHED[name], (name, count)
    sizes = network.sizes()
    torch.manual_seed(0)
    pixels, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    before = F.cross_entropy(network(pixels).logits, labels)
    before.backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    norm = torch.stack([g.norm() for g in gradients]).norm()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 1e-3 * parameter.grad / norm
        after = F.cross_entropy(network(pixels).logits, labels)
    assert after < before, (name, before, after)
    network.eval()
    torch._dynamo.reset()
    with torch.no_grad():
        outputs = network(pixels, EVERYTHING)
        compiled = torch.compile(network, fullgraph=True, backend="eager")(pixels, EVERYTHING)
        torch.testing.assert_close(compiled, outputs)
    torch._dynamo.reset()
    program = torch.onnx.export(Logits(network).eval(), (pixels,), dynamo=True, optimize=False, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (logits,) = session.run(None, {session.get_inputs()[0].name: pixels.numpy()})
    apart = float(np.abs(logits - outputs.logits.numpy()).max() / outputs.logits.std())
    assert apart < 1e-4, (name, apart)
    return {
        "parameters": parameters(network),
        "published_millions": PUBLISHED.get(name),
        "macs": macs(network, (1, 3, 32, 32)),
        "stages": dict(zip(sizes.stages, map(list, sizes.features), strict=True)),
        "embedding": sizes.embedding,
        "loss_before_and_after_a_step": [round(before.item(), 6), round(after.item(), 6)],
        "graphs": 1,
        "onnx_largest_difference_in_sd": float(f"{apart:.2g}"),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def page(found: dict[str, dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [
        "# The networks",
        "",
        "```console",
        "$ python benchmarks/networks.py",
        "```",
        "",
        "At 100 classes and 32 pixels. Every network made one training step that lowered its loss and reached every",
        "parameter, compiled in one graph (`torch.compile(fullgraph=True)`), same outputs, and said the same in",
        "ONNX Runtime (largest difference of a logit, in standard deviations of the logits). Published sizes are those",
        "of the repositories that the published pairs come from.",
        "",
        "| network | parameters | published | multiply-adds | stages (channels x side) | embedding | ONNX apart |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, facts in found.items():
        published = f"{facts['published_millions']} M" if facts["published_millions"] else ""
        stages = ", ".join(f"{channels} x {side}" for channels, side, _ in facts["stages"].values())
        lines.append(
            f"| {name} | {facts['parameters'] / 1e6:.2f} M | {published} | {facts['macs'] / 1e6:.1f} M | {stages} | "
            f"{facts['embedding']} | {facts['onnx_largest_difference_in_sd']:.0e} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints a line a network; of all of them writes the results."""
    torch.set_num_threads(1)
    found = {}
    for name in sys.argv[1:] or MODELS:
        found[name] = look(name)
        print(name, found[name], flush=True)
    if not sys.argv[1:]:
        print(write("networks", {"networks": found}))
        (RESULTS / "networks.md").write_text(page(found))


if __name__ == "__main__":
    main()
