"""Networks of timm, of torchvision and of a file: taps, weights, and what happens without a network."""

import hashlib

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from tutelage.errors import UserError
from tutelage.models import DataSpec, Model, build
from tutelage.models.external import is_at_hand
from tutelage.models.tap import EVERYTHING
from tutelage.models.weights import weights_digest

IMAGENET_MEAN = (0.485, 0.456, 0.406)


def made(name, *, channels=3, size=64, classes=10, replace_head=False, **fields):
    return build(
        Model(name, **fields),
        DataSpec(classes, channels, size, (0.5,) * channels, (0.25,) * channels),
        replace_head=replace_head,
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "reductions", "width"),
    [
        ("timm:test_resnet", (4, 8, 16, 32), 96),
        ("timm:mobilenetv3_small_050", (4, 8, 16, 32), 1024),
        ("timm:test_vit", (), 64),
        ("torchvision:shufflenet_v2_x0_5", (8, 16, 32), 1024),
        ("torchvision:mobilenet_v3_small", (4, 8, 16, 32), 1024),
        ("torchvision:squeezenet1_1", (), 512),
    ],
)
def test_taps_fit(name, reductions, width, channels):
    network = made(name, channels=channels, size=160 if "vit" in name else 64).eval()
    sizes = network.sizes()
    assert tuple(64 // f[1] for f in sizes.features) == reductions
    assert (sizes.embedding, sizes.classes) == (width, 10)
    with torch.no_grad():
        said = network(torch.rand(2, channels, 64, 64), EVERYTHING if reductions else frozenset({"embedding"}))
    assert said.embedding.shape == (2, width)
    if sizes.head:
        torch.testing.assert_close(said.embedding @ sizes.head.weight.T + sizes.head.bias, said.logits)


def test_mobilenets_stages_are_the_bottlenecks_of_its_paper():
    """Sandler et al. 2018, table 2: 24, 32, 96 and 320 channels end the four resolutions."""
    with torch.device("meta"):
        assert [f[0] for f in made("torchvision:mobilenet_v2").sizes().features] == [24, 32, 96, 320]


@pytest.mark.parametrize("name", ["resnetv2_50", "densenet121", "vgg11_bn", "convnext_atto", "regnety_002", "dla34"])
def test_timms_stages_are_chosen_by_reduction(name):
    with torch.device("meta"):
        assert [f[1] for f in made(f"timm:{name}", size=224).sizes().features] == [56, 28, 14, 7]


def test_stages_can_be_named():
    sizes = made("torchvision:squeezenet1_1", stages=("features.3", "features.6")).sizes()
    assert sizes.features == ((128, 15, 15), (256, 7, 7))


def test_random_weights_take_the_datas_normalisation():
    assert made("timm:test_resnet").mean == (0.5, 0.5, 0.5)
    assert made("torchvision:shufflenet_v2_x0_5").mean == (0.5, 0.5, 0.5)


def test_timms_weights_bring_their_normalisation_and_lose_their_head(tmp_path):
    name = "mobilenetv3_small_050"
    source = timm.create_model(name, num_classes=1000)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    overlay = {"pretrained_cfg_overlay": {"file": str(tmp_path / "model.safetensors")}}
    with pytest.raises(UserError, match=f"timm:{name} know 1000 classes, not 10"):
        made(f"timm:{name}", weights="pretrained", options=overlay)
    for network in (
        made(f"timm:{name}", weights="pretrained", options=overlay, replace_head=True),
        made(f"timm:{name}", weights=str(tmp_path / "model.safetensors"), replace_head=True),
    ):
        assert network.mean == IMAGENET_MEAN
        assert network.interpolation == "bicubic"
        assert network.network.classifier.out_features == 10
        assert not network.network.classifier.weight.any()
        assert not network.network.classifier.bias.any()
        kept = {k: v for k, v in network.network.state_dict().items() if not k.startswith("classifier.")}
        assert all(torch.equal(v, source.state_dict()[k]) for k, v in kept.items())


def test_torchvisions_weights_bring_their_normalisation_and_lose_their_head(monkeypatch):
    source = torchvision.models.get_model("shufflenet_v2_x0_5")
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda url, **k: dict(source.state_dict()))
    with pytest.raises(UserError, match="torchvision:shufflenet_v2_x0_5 know 1000 classes, not 10"):
        made("torchvision:shufflenet_v2_x0_5", weights="pretrained")
    network = made("torchvision:shufflenet_v2_x0_5", weights="pretrained", replace_head=True)
    assert network.mean == IMAGENET_MEAN
    assert network.network.fc.out_features == 10
    assert not network.network.fc.weight.any()
    assert torch.equal(network.network.stage4[0].branch1[0].weight, source.stage4[0].branch1[0].weight)
    whole = made("torchvision:shufflenet_v2_x0_5", weights="pretrained", classes=1000)
    assert weights_digest(whole.network) == weights_digest(source)


def test_one_channel_sees_what_three_equal_channels_give(monkeypatch):
    source = torchvision.models.get_model("shufflenet_v2_x0_5").eval()
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda url, **k: dict(source.state_dict()))
    gray = made("torchvision:shufflenet_v2_x0_5", channels=1, classes=1000, weights="pretrained").eval()
    assert gray.mean == pytest.approx((sum(IMAGENET_MEAN) / 3,))
    seen = gray.prepare(torch.rand(2, 1, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(gray.network(seen), source(seen.expand(2, 3, 64, 64)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_left_out(name):
    with torch.device("meta"):
        network = made(f"torchvision:{name}", size=299)
        assert network(torch.rand(2, 3, 299, 299)).logits.shape == (2, 10)


def unreachable(*args, **kwargs):
    raise OSError("[Errno -2] Name or service not known")


def test_without_a_network_timms_error_says_which_file_to_fetch(monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", unreachable)
    with pytest.raises(UserError, match=r"weights of resnet18 could not be fetched: \[Errno -2\]") as error:
        made("timm:resnet18", weights="pretrained", replace_head=True)
    assert "model.safetensors of https://huggingface.co/timm/resnet18.a1_in1k" in error.value.hint


def test_without_a_network_the_hubs_error_says_which_file_to_fetch(monkeypatch):
    monkeypatch.setattr("timm.models._factory.load_model_config_from_hf", unreachable)
    with pytest.raises(UserError, match="could not be fetched") as error:
        made("hf-hub:someone/something", weights="pretrained")
    assert "https://huggingface.co/someone/something" in error.value.hint


def test_without_a_network_torchvisions_error_says_which_file_to_fetch(monkeypatch):
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    with pytest.raises(UserError, match="weights of resnet18 could not be fetched") as error:
        made("torchvision:resnet18", weights="pretrained", replace_head=True)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in error.value.hint
    assert "--teacher.model.weights FILE" in error.value.hint


def test_torchvisions_weights_are_fetched_with_progress_and_their_hash_is_checked(tmp_path, monkeypatch, capsys):
    """By torch's own loader, from a file in the published one's place."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    published = tmp_path / "published.pth"
    torch.save(torchvision.models.shufflenet_v2_x0_5().state_dict(), published)
    digest = hashlib.sha256(published.read_bytes()).hexdigest()[:8]
    right = published.rename(tmp_path / f"shuffle-{digest}.pth")
    fetch = torchvision.models._api.load_state_dict_from_url

    def from_file(path):
        monkeypatch.setattr(
            torchvision.models._api, "load_state_dict_from_url", lambda url, **told: fetch(path.as_uri(), **told)
        )
        return made("torchvision:shufflenet_v2_x0_5", weights="pretrained", replace_head=True)

    from_file(right)
    assert "100%" in capsys.readouterr().err
    damaged = tmp_path / "shuffle-00000000.pth"
    damaged.write_bytes(right.read_bytes())
    with pytest.raises(UserError, match="invalid hash value"):
        from_file(damaged)


def test_weights_made_for_a_sibling_are_told(tmp_path, caplog):
    source = timm.create_model("efficientnet_lite0", num_classes=10)
    save_file(source.state_dict(), tmp_path / "w.safetensors", {"timm_name": "tf_efficientnet_lite0"})
    made("timm:efficientnet_lite0", weights=str(tmp_path / "w.safetensors"))
    assert "was made for tf_efficientnet_lite0, not timm:efficientnet_lite0" in caplog.text
    caplog.clear()
    made("timm:tf_efficientnet_lite0.in1k", weights=str(tmp_path / "w.safetensors"))
    assert not caplog.text


@pytest.mark.parametrize("source", ["timm:test_resnet", "torchvision:resnet18"])
def test_options_that_the_library_does_not_know(source):
    with pytest.raises(UserError, match=r"does not take \{'nonsense': 1\}"):
        made(source, options={"nonsense": 1})
    with pytest.raises(UserError, match="num_classes is set from the data"):
        made(source, options={"num_classes": 3})


MY_NET = """
from torch import nn

def make_net(classes, width=4):
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), pooled, nn.Linear(width, classes))

def anything(**given):
    assert given == {"classes": 10, "channels": 3, "depth": 2}, given
    return make_net(10)

def nothing():
    return "a network"
"""


@pytest.fixture
def my_net(tmp_path):
    (tmp_path / "my_net.py").write_text(MY_NET)
    return str(tmp_path / "my_net.py")


def test_a_function_of_ones_own(my_net):
    network = made(f"{my_net}:make_net", options={"width": 7}, stages=("1",))
    sizes = network.sizes()
    assert (sizes.embedding, sizes.features, network.mean) == (7, ((7, 62, 62),), (0.5, 0.5, 0.5))
    made(f"{my_net}:anything", options={"depth": 2})


@pytest.mark.parametrize(
    ("function", "options", "message", "hint"),
    [
        ("make_nett", {}, 'my_net.py "make_nett"', 'did you mean "make_net"?'),
        ("make_net", {"depth": 3}, 'my_net.py:make_net "depth"', 'did you mean "width"?'),
        ("nothing", {}, "my_net.py:nothing returned str", "torch.nn.Module"),
    ],
)
def test_a_function_of_ones_own_that_does_not_fit(my_net, function, options, message, hint):
    with pytest.raises(UserError) as error:
        made(f"{my_net}:{function}", options=options)
    assert error.value.message.endswith(message)
    assert hint in error.value.hint


def test_a_file_of_ones_own_that_is_not_there():
    with pytest.raises(UserError, match=r"there is no file elsewhere\.py"):
        made("elsewhere.py:make_net")


def test_an_unreachable_hub_is_told_by_timm_and_the_hub_themselves(monkeypatch, tmp_path):
    """Nothing of theirs is replaced: the hub's client believes that there is no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name, repository in (
        ("timm:resnet18", "timm/resnet18.a1_in1k"),
        ("hf-hub:someone/something", "someone/something"),
    ):
        with pytest.raises(UserError, match="could not be fetched") as error:
            made(name, weights="pretrained", replace_head=True)
        assert f"model.safetensors of https://huggingface.co/{repository}" in error.value.hint
        assert "--teacher.model.weights FILE" in error.value.hint
        assert "--student.weights random" in error.value.hint


@pytest.mark.parametrize("name", ["hf-hub:a b/c d", "timm:no such", "resnet20"])
def test_what_no_hub_can_have_is_not_at_hand(name):
    assert not is_at_hand(name)


def test_a_name_that_no_repository_can_have_is_no_fault_of_the_network():
    with pytest.raises(UserError, match="no repository of the hub is called hf-hub:a b/c d"):
        made("hf-hub:a b/c d", weights="pretrained")


def test_a_function_of_ones_own_that_fails(my_net):
    with pytest.raises(UserError, match=r"my_net\.py:anything fails: AssertionError"):
        made(f"{my_net}:anything", options={"depth": 3})
