"""Makes a network ready for pixels: it normalises and resizes inside, and says its logits, embedding and stages."""

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.errors import UserError, unknown
from tutelage.outputs import GRID, Head, Outputs, Rotations, Sizes

LOGITS = frozenset({"logits"})
EVERYTHING = frozenset({"logits", "embedding", "features"})


class _Enough(Exception):
    """Leaves a forward pass whose rest nobody looks at."""


class _Catch:
    """A forward hook that keeps the last tensor while its owner wants it.

    An object and not a closure: a deep copy of the network gets hooks of its own, which a closure would not.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.last = False
        self.tensor: Tensor | None = None

    def output(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        if self.wanted:
            self.tensor = output
        if self.last:
            raise _Enough

    def input(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self.wanted:
            self.tensor = inputs[0]

    def take(self) -> Tensor:
        tensor, self.tensor = self.tensor, None
        assert tensor is not None, "the tapped module was not called"
        return tensor


class Preparation(NamedTuple):
    """How a network wants its pixels."""

    mean: tuple[float, ...]
    """Per channel, of pixels in [0, 1]."""
    std: tuple[float, ...]
    """Per channel."""
    size: int
    """The side in pixels that the network sees. Images of another side are resized: interpolation as in image
    libraries, antialiased when shrinking."""
    interpolation: str = "bilinear"
    """Or "bicubic" (clipped to [0, 1] afterwards, as image libraries do)."""


class Tapped(nn.Module):
    """A classifier that takes pixels in [0, 1] and returns `Outputs`.

    `network` is the plain network: its `state_dict()` has the plain names. The normalisation is not part of any
    state dict: it belongs to the recipe.

    Args:
        network: Any module from images [B, C, size, size] to logits [B, classes].
        preparation: Of its pixels.
        head: Module path of the final layer. Its input is the embedding; where that is a map (a 1x1 convolution as
            the classifier), its mean over positions.
        stages: Module paths whose outputs are the features, shallow to deep.
        metadata: What the weights file says of itself, e.g. the network that it was made for.

    Raises:
        UserError: there is no module of a given path.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        network: nn.Module,
        preparation: Preparation,
        *,
        head: str,
        stages: tuple[str, ...],
        metadata: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self.network = network
        self.mean, self.std, self.size, self.interpolation = preparation
        if len(self.mean) != len(self.std):
            raise UserError(f"mean has {len(self.mean)} numbers, std {len(self.std)}", "give one for each channel")
        self.head, self.stages = head, stages
        self.metadata = dict(metadata or {})
        self.made_by: dict[str, Any] = {}
        """What made a network that is not ours: the code and options, or the library, that made it."""
        # x * scale + shift is one kernel; (x - mean) / std would be two.
        self.register_buffer("scale", 1 / torch.tensor(self.std).view(-1, 1, 1), persistent=False)
        self.register_buffer("shift", -torch.tensor(self.mean).view(-1, 1, 1) * self.scale, persistent=False)
        self._embedding = _Catch()
        self._features = [_Catch() for _ in stages]
        _module(network, head).register_forward_pre_hook(self._embedding.input)
        for stage, catch in zip(stages, self._features, strict=True):
            _module(network, stage).register_forward_hook(catch.output)

    def forward(self, pixels: Float[Tensor, "B C H W"], want: frozenset[str] = LOGITS) -> Outputs:
        """What the network says about a batch.

        Args:
            pixels: In [0, 1].
            want: Any of "logits" (always there), "embedding", "features", "regions", "rotations"; other words are
                ignored. Rotated is what the network sees, which is a square whatever the shape of the image.
        """
        seen = self.prepare(pixels)
        return self._with_rotations(seen, want) if "rotations" in want else self._answer(seen, want)

    def _with_rotations(self, seen: Float[Tensor, "B C S S"], want: frozenset[str]) -> Outputs:
        """Of the images, and of each rotated by 90, 180 and 270 degrees."""
        every = [seen, *(seen.rot90(quarters, (2, 3)) for quarters in (1, 2, 3))]
        want = want | {"embedding"}
        if self.training:  # batch norm takes the statistics of all four
            answer = self._answer(torch.cat(every), want)
            plain, *rotated = [answer.mapped(lambda part, i=i: part.chunk(4)[i]) for i in range(4)]
        else:  # one by one: the answers to images as they are have the same bits as where nothing is rotated
            plain, *rotated = [self._answer(images, want) for images in every]
        together = rotated[0].mapped(lambda *parts: torch.stack(parts, dim=1), *rotated[1:])
        assert together.embedding is not None
        return plain._replace(rotations=Rotations(together.logits, together.embedding))

    def _answer(self, seen: Float[Tensor, "B C S S"], want: frozenset[str]) -> Outputs:
        """What the plain network says of prepared pixels."""
        self._embedding.wanted = "embedding" in want
        for catch in self._features:
            catch.wanted = "features" in want
        if want & {"features", "regions"} and not self.stages:
            raise UserError("the network's stages are not known", "name them in model.stages, shallow to deep")
        if "regions" in want:
            self._features[-1].wanted = True
        logits = self.network(seen)
        embedding, features, regions = None, (), None
        if "embedding" in want:
            embedding = self._embedding.take()
            embedding = embedding.mean((2, 3)) if embedding.ndim == 4 else embedding.flatten(1)
        if "features" in want:
            features = tuple(catch.take() for catch in self._features)
        if "regions" in want:
            last = features[-1] if features else self._features[-1].take()
            regions = _module(self.network, self.head)(_parts(last))
        return Outputs(logits, embedding, features, regions)

    def shallow(self, pixels: Float[Tensor, "B C H W"], stages: int) -> Outputs:
        """The features of the first stages and nothing else (logits of no classes): what lies behind is not computed.

        Args:
            pixels: In [0, 1].
            stages: How many, 1 or more.
        """
        self._embedding.wanted = False
        for number, catch in enumerate(self._features):
            catch.wanted = number < stages
        deepest = self._features[stages - 1]
        deepest.last = True
        try:
            self.network(self.prepare(pixels))
        except _Enough:
            pass
        finally:
            deepest.last = False
        return Outputs(pixels.new_empty(len(pixels), 0), None, tuple(c.take() for c in self._features[:stages]))

    def prepare(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C _ _"]:
        """Resized and normalised: what the network itself sees."""
        wanted = (self.size, self.size)
        if pixels.shape[2:] != wanted:
            # Bicubic is antialiased when enlarging too: only then is torch's kernel the one of image libraries.
            smooth = self.interpolation == "bicubic" or self.size < max(pixels.shape[2:])
            pixels = F.interpolate(pixels, wanted, mode=self.interpolation, antialias=smooth, align_corners=False)
            if self.interpolation == "bicubic":
                pixels = pixels.clamp(0, 1)
        return torch.addcmul(self.shift, pixels, self.scale)

    @torch.no_grad()
    def sizes(self) -> Sizes:
        """The shapes of this network's `Outputs` and its head, found by running one image in eval mode."""
        weight = next(self.network.parameters())
        shape = (1, len(self.mean), self.size, self.size)
        # From black to white: a map whose largest value is not its mean.
        image = torch.linspace(0, 1, math.prod(shape), dtype=weight.dtype, device=weight.device).view(shape)
        with evaluating(self):
            outputs = self(image, EVERYTHING if self.stages else EVERYTHING - {"features"})
        _check_answer(outputs.logits)
        head = head_of(_module(self.network, self.head))
        return Sizes(
            classes=outputs.logits.shape[1],
            embedding=outputs.embedding.shape[1] if outputs.embedding is not None else None,
            features=tuple(tuple(f.shape[1:]) for f in outputs.features),
            stages=self.stages,
            head=head,
            regions=head is not None and _is_mean(outputs),
        )


def _parts(last: Float[Tensor, "B D H W"]) -> Float[Tensor, "B 16 D"]:
    """The means of a map over the parts of a grid, row by row."""
    height, width = last.shape[2:]
    if height % GRID or width % GRID:
        return F.adaptive_avg_pool2d(last, GRID).flatten(2).mT
    # The same, by a kernel whose gradient is deterministic on a GPU.
    return F.avg_pool2d(last, (height // GRID, width // GRID)).flatten(2).mT


def _is_mean(outputs: Outputs) -> bool:
    """Whether the embedding is the mean of the last stage over positions."""
    if outputs.embedding is None or not outputs.features or outputs.features[-1].ndim != 4:
        return False
    mean = outputs.features[-1].mean((2, 3))
    if mean.is_meta:  # shapes alone are known
        return False
    return mean.shape == outputs.embedding.shape and torch.allclose(mean, outputs.embedding, rtol=1e-3, atol=1e-5)


def _check_answer(answer: Any) -> None:
    """Refuses what is not a row of numbers for one image.

    Raises:
        UserError: names what the network returns.
    """
    if isinstance(answer, Tensor) and answer.ndim == 2:
        return
    kind = f"a tensor of shape {list(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
    raise UserError(
        f"the network answers one image with {kind} and not with logits of shape [1, classes]",
        "let its forward return the logits alone, [images, classes]",
    )


def head_of(layer: nn.Module) -> Head | None:
    """A copy of a final layer's numbers; None where it is no linear layer."""
    if not isinstance(layer, nn.Linear):
        return None
    bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.out_features)
    return Head(layer.weight.detach().clone(), bias.detach().clone())


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Eval mode inside the block; afterwards every submodule is in the mode it was in before, one by one."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _module(network: nn.Module, path: str) -> nn.Module:
    modules = dict(network.named_modules())
    known = [name for name in modules if name]
    if path not in known:
        found = unknown("module path", path, known)
        outermost = unknown("module path", path, [name for name in known if "." not in name])
        raise outermost if "similar" in found.hint else found
    return modules[path]
