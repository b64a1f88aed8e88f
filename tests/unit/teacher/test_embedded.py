"""A head on ready embeddings is the network, at the price of its head."""

import pytest
import torch

import small
from tutelage.data.images import Images
from tutelage.models.tap import EVERYTHING
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.embedded import PLAIN, EmbeddedImages, HeadOnly
from tutelage.teacher.identity import identity


@pytest.fixture(scope="module")
def network():
    return small.network(small.NORMED)


@pytest.fixture(scope="module")
def images(network, tmp_path_factory):
    val = small.digits().val
    manifest = identity(network, "resnet8", val, PLAIN, "fp32", "float32")
    cache = TeacherCache(tmp_path_factory.mktemp("caches"), manifest)
    cache.fill(network, val, PLAIN, [0], ("embedding",))
    return EmbeddedImages(cache, val)


def test_the_head_says_what_the_network_says(network, images):
    position = torch.arange(20)
    with torch.inference_mode():
        expected = network(small.digits().val.plain(position), EVERYTHING)
        said = HeadOnly(network)(images.plain(position))
    torch.testing.assert_close(said.logits, expected.logits)
    torch.testing.assert_close(said.embedding, expected.embedding)


def test_the_head_is_the_networks_own(network):
    head = HeadOnly(network)
    assert head.layer is network.network.linear
    sizes = head.sizes()
    assert (sizes.classes, sizes.embedding) == (10, 64)
    assert torch.equal(sizes.head.weight, network.network.linear.weight)


def test_embeddings_are_shown_like_images(images):
    val = small.digits().val
    assert isinstance(images, Images)
    assert len(images) == len(val)
    assert images.digest == val.digest
    addresses = [(torch.tensor([3, 1]), torch.tensor([0, 0])), (torch.tensor([2]), torch.tensor([0]))]
    shown = list(images.stream(iter(addresses), PLAIN))
    assert [views.pixels.shape for views in shown] == [(2, 64, 1, 1), (1, 64, 1, 1)]
    assert torch.equal(shown[0].pixels[1], images.plain(torch.tensor([1]))[0])
    assert shown[0].partner is None
    assert torch.equal(images.to("cpu").labels, images.labels)
