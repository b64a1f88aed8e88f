"""Trains a head alone from cached embeddings, so that the backbone is computed once for every address.

A frozen backbone says the same about the same view, whatever the head has learnt; so ten epochs over views that exist
cost one backbone pass over each view, forward only. What such a network then says as a teacher of the same views costs
none: its embeddings are there.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.data.part import PartOf, whole_of
from tutelage.models.tap import LOGITS, Tapped, evaluating, head_of
from tutelage.models.weights import weights_digest
from tutelage.outputs import Outputs, Sizes
from tutelage.run.process import Process
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.identity import identity
from tutelage.teacher.opening import open_for

PLAIN = Augment(crop_padding=0, flip="none")
"""Views that are the images themselves."""


class HeadOnly(nn.Module):
    """A network's final layer on ready embeddings, in place of the network on pixels.

    Args:
        network: Whose final layer it is: the very same parameters.
    """

    def __init__(self, network: Tapped):
        super().__init__()
        self.layer = network.network.get_submodule(network.head)

    def forward(self, embedding: Float32[Tensor, "B D 1 1"], want: frozenset[str] = LOGITS) -> Outputs:
        """Logits, and the embedding as it came."""
        flat = embedding.flatten(1)
        return Outputs(self.layer(flat), flat)

    def sizes(self) -> Sizes:
        """Those of the layer alone."""
        weight = cast(Tensor, self.layer.weight)
        return Sizes(classes=len(weight), embedding=weight.flatten(1).shape[1], head=head_of(self.layer))


def seen_through(cache: TeacherCache, images: Images) -> Images:
    """Images as a frozen backbone's embeddings, of a cache that `backbones` has found: of a part those of the whole."""
    if isinstance(images, PartOf):
        return PartOf(EmbeddedImages(cache, images.whole), images.positions)
    return EmbeddedImages(cache, images)


class EmbeddedImages(Images):
    """Images seen through a frozen backbone: what others show as pixels, this shows as [B, D, 1, 1].

    Args:
        cache: Filled with the embeddings of every view that will be asked for.
        images: The images themselves: their labels.
    """

    def __init__(self, cache: TeacherCache, images: Images):
        self.cache = cache
        self.labels = images.labels
        self.shape, self.digest = images.shape, images.digest

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """The backbone's embeddings of these views; nothing is mixed in."""
        return Views(self.cache.rows("embedding", sample, view)[:, :, None, None], None, None)

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B D 1 1"]:
        """The backbone's embeddings of the images as they are."""
        return self.view(position, torch.zeros_like(position), PLAIN).pixels

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """The embeddings of one batch after another."""
        device = self.labels.device
        return (self.view(sample.to(device), view.to(device), augment) for sample, view in addresses)

    def to(self, device: torch.device | str) -> "EmbeddedImages":
        """The same embeddings, on another device."""
        moved = copy(self)
        moved.labels = self.labels.to(device)
        return moved


def backbones(root: Path, network: Tapped, name: str, images: Images, augment: Augment) -> TeacherCache:
    """The cache of a network's embeddings; its final layer is not part of the identity. Of a part that of the whole.

    Args:
        root: The folder of all caches.
        network: A network with a final linear layer.
        name: Its name, for people.
        images: A split.
        augment: Which views exist.
    """
    images = whole_of(images)
    manifest: dict[str, Any] = identity(network, f"{name}, backbone", images, augment, "fp32", "float16")
    manifest["teacher"]["weights"] = weights_digest(network.network, without=network.head)
    manifest |= {"data": "embeddings"}
    return open_for(root, manifest, network, images.shape, "embedding")


def embed(
    cache: TeacherCache, network: Tapped, images: Images, augment: Augment, views: tuple[int, ...], process: Process
) -> tuple[Images, int]:
    """The images through the backbone, every view once; and the passes that were paid for it now.

    Args:
        cache: From `backbones`.
        network: Its final layer does not matter.
        images: A split.
        augment: Which views exist.
        views: Those that will be asked for.
        process: Several share the filling.
    """
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    with evaluating(network):
        paid = cache.fill(network, whole_of(images), augment, views, ("embedding",), process)
    for parameter, wants in wanted:
        parameter.requires_grad = wants
    return seen_through(cache, images), paid


def answering(cache: TeacherCache, network: Tapped, images: Images, views: Iterable[int]) -> tuple[nn.Module, Images]:
    """What answers as a head-tuned network does to these views: its head, where its backbone has seen them all.

    Args:
        cache: From `backbones`.
        network: Its final layer was trained by way of `embed`.
        images: The training split.
        views: Those that will be asked for.

    Returns:
        A network and its images: the head and embeddings, or the two that were given.
    """
    if cache.files.missing(views, ("embedding",)):
        return network, images
    return HeadOnly(network), seen_through(cache, images)
