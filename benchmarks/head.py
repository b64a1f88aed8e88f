"""What head-only tuning costs: ten epochs of a new head against one bare pass of the backbone over the same images.

EfficientNet-lite0 (published ImageNet weights) on a part of CIFAR-10 resized inside the network; one view.

    python benchmarks/head.py --weights weights/imagenet_tf_efficientnet_lite0.safetensors --data-root DIR
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from _common import write
from tutelage import Engine, Recipe, data, train
from tutelage.data import Data
from tutelage.models import Model
from tutelage.run.network import build_for
from tutelage.run.optim import Fit
from tutelage.run.workspace import Workspace


def main() -> None:
    """Prints and writes docs/results/head.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--part", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    recipe = Recipe(
        data=Data("cifar10", part=chosen.part, val_share=0.02),
        student=Model("timm:tf_efficientnet_lite0", weights=chosen.weights, size=chosen.size),
        tune="head",
        fit=Fit(epochs=10, batch_size=64, optimizer="adam", learning_rate=1e-3, weight_decay=0.0),
        views=1,
    )
    dataset = data.load(recipe.data, chosen.data_root)
    network = build_for(recipe.student, dataset, 0, learns=True).eval().to(memory_format=torch.channels_last)
    begun = time.perf_counter()
    with torch.inference_mode():
        for images in (dataset.train, dataset.val):
            for position in torch.arange(len(images)).split(256):
                network(images.plain(position))
    bare = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as runs:
        begun = time.perf_counter()
        run = train(recipe, Workspace(Path(runs), chosen.data_root, Engine(device="cpu", threads=chosen.threads)))
        tuned = time.perf_counter() - begun
        top1 = run.curve("val", "top1")[-1][1]
    images = len(dataset.train) + len(dataset.val)
    result = {"images": images, "size": chosen.size, "bare_pass_s": round(bare, 1), "ten_epochs_s": round(tuned, 1)}
    result |= {"ratio": round(tuned / bare, 3), "val_top1": top1, "val_images": len(dataset.val)}
    print(result)
    print(write("head", result))


if __name__ == "__main__":
    main()
