"""Makes networks that are not ours: those of timm, of torchvision, and of a file of the user's own."""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from tutelage import userfile
from tutelage.errors import UserError, unknown
from tutelage.models import Model
from tutelage.models.libraries import check_name


class Network(NamedTuple):
    """A plain network and what its source knows about it."""

    module: nn.Module
    head: str
    """Module path of the final layer."""
    stages: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    """The normalisation that the source's pretrained weights want; empty: not known."""
    std: tuple[float, ...] = ()
    interpolation: str = "bilinear"
    """The resizing that the source's pretrained weights were trained with."""
    classes: int = 0
    """The classes of the pretrained weights that were loaded; 0: none were."""


TORCHVISION_STAGES: dict[str, tuple[str, ...]] = {
    "convnext": ("features.1", "features.3", "features.5", "features.7"),
    "densenet": ("features.denseblock1", "features.denseblock2", "features.denseblock3", "features.denseblock4"),
    "efficientnet_b": ("features.2", "features.3", "features.5", "features.7"),
    "mobilenet_v2": ("features.3", "features.6", "features.13", "features.17"),
    "mobilenet_v3_large": ("features.3", "features.6", "features.12", "features.15"),
    "mobilenet_v3_small": ("features.1", "features.3", "features.8", "features.11"),
    "regnet": ("trunk_output.block1", "trunk_output.block2", "trunk_output.block3", "trunk_output.block4"),
    "resnet": ("layer1", "layer2", "layer3", "layer4"),
    "resnext": ("layer1", "layer2", "layer3", "layer4"),
    "shufflenet_v2": ("stage2", "stage3", "stage4"),
    "vgg11": ("features.5", "features.10", "features.15", "features.20"),
    "vgg11_bn": ("features.7", "features.14", "features.21", "features.28"),
    "vgg13": ("features.9", "features.14", "features.19", "features.24"),
    "vgg13_bn": ("features.13", "features.20", "features.27", "features.34"),
    "vgg16": ("features.9", "features.16", "features.23", "features.30"),
    "vgg16_bn": ("features.13", "features.23", "features.33", "features.43"),
    "vgg19": ("features.9", "features.18", "features.27", "features.36"),
    "vgg19_bn": ("features.13", "features.26", "features.39", "features.52"),
    "wide_resnet": ("layer1", "layer2", "layer3", "layer4"),
}
"""Where torchvision's networks reach 1/4, 1/8, 1/16 and 1/32 of the side, by the longest prefix of their names.

In the VGGs these are the poolings 2 to 5. Networks that are not here have no stages until `stages` names some.
"""


def from_timm(model: Model, name: str, *, classes: int, channels: int) -> Network:
    """A network of timm; `name` may be "hf-hub:OWNER/NAME".

    Its stages are the last modules of timm's feature_info at 1/4, 1/8, 1/16 and 1/32 of the side: the entries before
    them differ by family. A network without such maps (a plain vision transformer) has none.
    """
    import timm
    from huggingface_hub.errors import HFValidationError

    hub = name.startswith("hf-hub:")
    if not hub and not timm.is_model(name):
        check_name(f"timm:{name}")
    pretrained = model.weights == "pretrained"
    try:
        published = None if hub else timm.models.get_pretrained_cfg(name)
        if pretrained and published is not None and not published.has_weights:
            raise UserError(f"timm has no pretrained weights for {name}", 'leave out weights = "pretrained"')
        module: Any = timm.create_model(
            name, pretrained=pretrained, num_classes=classes, in_chans=channels, **_options(model.options)
        )
    except TypeError as error:
        raise UserError(f"timm:{name} does not take {model.options}: {error}", "see its function in timm") from error
    except HFValidationError as error:
        raise UserError(f"no repository of the hub is called {name}: {error}", "write hf-hub:OWNER/NAME") from error
    except RuntimeError as error:  # a tag that its name does not have
        raise UserError(f"timm cannot make {name}: {error}", "timm.list_pretrained() lists names with tags") from error
    except OSError as error:
        repository = name.removeprefix("hf-hub:") if published is None else published.hf_hub_id or name
        raise _offline(name, f"model.safetensors of https://huggingface.co/{repository}", error) from error
    if not hasattr(module, "get_classifier"):
        raise UserError(f"timm:{name} is no classifier: it has no final layer", "tutelage list models --filter TEXT")
    cfg = module.pretrained_cfg
    info = getattr(module, "feature_info", [])
    by_reduction = {f["reduction"]: f["module"] for f in info if 4 <= f["reduction"] <= 32 and f["module"]}
    maps = len(by_reduction) > 1 and getattr(module, "output_fmt", "NCHW") == "NCHW"
    return Network(
        module,
        head=_path(module, module.get_classifier()),
        stages=tuple(by_reduction[r] for r in sorted(by_reduction)) if maps else (),
        mean=_per_channel(cfg["mean"], channels),
        std=_per_channel(cfg["std"], channels),
        interpolation=cfg["interpolation"],
        classes=cfg["num_classes"] if pretrained else 0,
    )


def from_torchvision(model: Model, name: str, *, classes: int, channels: int) -> Network:
    """A classifier of torchvision; images of other than 3 channels get a first convolution of their own.

    Its stages are in TORCHVISION_STAGES. From one channel a pretrained first convolution sees what three equal
    channels would give.
    """
    import torchvision

    check_name(f"torchvision:{name}")
    published = getattr(torchvision.models.get_model_weights(name), "DEFAULT")  # noqa: B009
    pretrained = model.weights == "pretrained"
    own = len(published.meta["categories"]) if pretrained else classes
    options = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    try:
        module = torchvision.models.get_model(name, num_classes=own, **options, **_options(model.options))
    except TypeError as error:
        raise UserError(f"torchvision:{name} does not take {model.options}: {error}", "see its function") from error
    if pretrained:
        try:
            state = published.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: the hash of what came is another
            raise _offline(name, published.url, error) from error
        module.load_state_dict({k: v for k, v in state.items() if k in module.state_dict()})
    head = last_linear(module)
    if own != classes:
        _replace(module, head, channels=0, classes=classes)
    if channels != 3:
        first = next(path for path, part in module.named_modules() if isinstance(part, nn.Conv2d))
        _replace(module, first, channels=channels, classes=0)
    transforms = published.transforms()
    prefix = max((p for p in TORCHVISION_STAGES if name.startswith(p)), key=len, default="")
    return Network(
        module,
        head=head,
        stages=TORCHVISION_STAGES.get(name if name.startswith("vgg") else prefix, ()),
        mean=_per_channel(transforms.mean, channels),
        std=_per_channel(transforms.std, channels),
        interpolation=transforms.interpolation.value,
        classes=own if pretrained else 0,
    )


def from_file(model: Model, *, classes: int, channels: int) -> Network:
    """What a function of the user's own returns, e.g. "my_net.py:make_net".

    It is called with `classes`, `channels` and the model's options, as far as it names them. Its head is its last
    linear layer; it has no stages until `stages` names some.
    """
    function = userfile.load(model.name)
    if not callable(function):
        raise UserError(f"{model.name} is no function", "it has to return a torch.nn.Module")
    try:
        module = call(function, model, classes=classes, channels=channels)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{model.name} fails: {type(error).__name__}: {error}", "mend the function") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{model.name} returned {type(module).__name__}", "it has to return a torch.nn.Module")
    return Network(module, head=last_linear(module))


def has_weights(name: str) -> bool:
    """Whether a network comes with pretrained weights: timm's and torchvision's tables say so, the hub is believed."""
    source, _, of_source = name.partition(":")
    if source == "timm":
        import timm

        published = timm.models.get_pretrained_cfg(of_source) if timm.is_model(of_source) else None
        return published is not None and bool(published.has_weights)
    return source in ("torchvision", "hf-hub")


def made_by(model: Model) -> dict[str, Any]:
    """What a network's answers depend on besides its weights: code, options, version; nothing for our own networks."""
    if ".py:" in model.name:
        return {"source": userfile.digest(model.name), "options": model.options}
    library = "timm" if model.name.startswith(("timm:", "hf-hub:")) else model.name.partition(":")[0]
    if library not in ("timm", "torchvision"):
        return {}
    return {library: version(library), "options": model.options}


def is_at_hand(name: str) -> bool:
    """Whether this machine has the pretrained weights of timm:NAME, hf-hub:OWNER/NAME or torchvision:NAME.

    It says no where they may lie under another name.
    """
    source, _, own = name.partition(":")
    if source == "torchvision":
        import torchvision

        url = getattr(torchvision.models.get_model_weights(own), "DEFAULT").url  # noqa: B009
        return (Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name).is_file()
    import huggingface_hub
    import timm

    published = timm.models.get_pretrained_cfg(own) if source == "timm" else None
    repository = own if published is None else published.hf_hub_id
    try:
        file = huggingface_hub.try_to_load_from_cache(repository or "", "model.safetensors")
    except huggingface_hub.errors.HFValidationError:  # no repository has such a name
        return False
    return isinstance(file, str)


def call(function: Callable[..., Any], model: Model, **given: int) -> Any:
    """A network's function with what it accepts of `given`, and all of the model's options.

    Raises:
        UserError: the function names no such option, or cannot take its value.
    """
    named = inspect.signature(function).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in named.values())
    for option in model.options:
        if option in given or not (anything or option in named):
            raise unknown(f"option of {model.name}", option, [n for n in named if n not in given])
    try:
        return function(**{k: v for k, v in given.items() if anything or k in named}, **model.options)
    except (TypeError, ValueError, RuntimeError) as error:
        if not model.options:
            raise
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{model.name} cannot be made with the options {model.options}: {reason}",
            "give each option a value as the network's function has it by default",
        ) from error


def last_linear(module: nn.Module) -> str:
    """Module path of the last linear layer, or of the last convolution where there is none."""
    parts = dict(module.named_modules())
    for kind in (nn.Linear, nn.Conv2d):
        paths = [path for path, part in parts.items() if isinstance(part, kind)]
        if paths:
            return paths[-1]
    raise UserError(f"{type(module).__name__} has neither a linear layer nor a convolution", "is it a classifier?")


def _replace(module: nn.Module, path: str, *, channels: int, classes: int) -> None:
    """Another number of inputs to a first convolution, or of outputs to a final layer; 0 keeps them."""
    old = module.get_submodule(path)
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes, old.bias is not None)
    else:
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(
            channels or old.in_channels,
            classes or old.out_channels,
            old.kernel_size,  # ty: ignore[invalid-argument-type]
            old.stride,  # ty: ignore[invalid-argument-type]
            old.padding,  # ty: ignore[invalid-argument-type]
            bias=old.bias is not None,
        )
        if channels == 1:
            new.weight.data.copy_(old.weight.data.sum(1, keepdim=True))
    module.set_submodule(path, new)


def _path(module: nn.Module, part: Any) -> str:
    """The path of a part of a network; of its last linear layer where the part is none."""
    return next((path for path, found in module.named_modules() if found is part), "") or last_linear(module)


def _per_channel(numbers: Any, channels: int) -> tuple[float, ...]:
    """For as many channels as the images have; for another number than the weights', the average of theirs."""
    numbers = tuple(float(n) for n in numbers)
    return numbers if len(numbers) == channels else (sum(numbers) / len(numbers),) * channels


def _options(options: dict[str, Any]) -> dict[str, Any]:
    for name in ("num_classes", "in_chans", "pretrained", "weights"):
        if name in options:
            raise UserError(f"the option {name} is set from the data and the recipe", "leave it out of options")
    return options


def _offline(name: str, source: str, error: Exception) -> UserError:
    reason = str(error).partition("\n")[0]
    return UserError(
        f"the pretrained weights of {name} could not be fetched: {reason}",
        f"fetch {source} where there is a network, and name that file: --student.weights FILE if the student is that "
        "network, --teacher.model.weights FILE if the teacher is; --student.weights random starts from nothing",
    )
