"""ImageNet's size: the index of up to 1.28 million photos, rows read from a cold disk, ways of storing answers.

    python benchmarks/imagenet.py index    photos are made, read cold and warm by processes of their own, and deleted;
                                           --images 1281000: that set alone, the others stay as they were measured
    python benchmarks/imagenet.py rows     800 MB of made-up answers, read beside steps of 10 ms
    python benchmarks/imagenet.py storage  answers of published networks; needs TUTELAGE_DATA and TUTELAGE_WEIGHTS

Each writes its part of docs/results/imagenet.json and the page anew.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import imagenet_page
from _common import RESULTS, write
from tutelage.run.folder import machine
from tutelage.teacher import shards, storing

SETS = ((10, 1000, 110_000), (100, 1000, 1_700), (1000, 1281, 1_700))
"""Classes, photos of each, and bytes of a photo about."""
STEPS, BATCH, STEP_S, SEEDS = 400, 64, 0.010, 5
CHILD = """
import json, sys, time
cpu, wall = time.process_time(), time.perf_counter()
from tutelage.data import index
found = index.read(sys.argv[1], look=sys.argv[2])
found.digest, found.classes
lines = [line for name in ("smaps_rollup", "status") for line in open("/proc/self/" + name) if line.endswith("kB\\n")]
used = {line.split()[0][:-1]: int(line.split()[1]) // 1024 for line in lines}
print(json.dumps({"images": len(found.sound), "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall,
    "peak_mb": used["VmHWM"], "private_mb": used["Private_Dirty"], "resident_mb": used["Rss"]}))
"""


def photos(root: Path, classes: int, each: int, size: int) -> Path:
    """JPEGs of noise, no two alike: a number stands in a comment."""
    draw, large = np.random.default_rng(0), size > 10_000
    pixels = draw.integers(0, 256, (94, 125, 3) if large else (3, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((500, 375) if large else (250, 188), 2 if large else 0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90 if large else 5)
    body = buffer.getvalue()
    for label in range(classes):
        folder = root / "train" / f"n{label:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            comment = b"\xff\xfe\0\x0e" + b"%012d" % (label * each + number)
            (folder / f"n{label:08d}_{number}.JPEG").write_bytes(body[:2] + comment + body[2:])
    return root


def indexed(folder: Path, images: int, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every set, or that of so many images, read cold and warm, each time by another process."""
    found = [row for row in before if images not in (0, row["images"])]
    for classes, each, size in SETS:
        if images not in (0, classes * each):
            continue
        root = folder / f"tutelage-photos-{classes * each}"
        shutil.rmtree(root, ignore_errors=True)  # of a run that was stopped; of a million files this takes minutes
        photos(root, classes, each, size)
        one = next(root.rglob("*.JPEG")).stat().st_size
        for look in ("headers", "whole") if classes == 10 else ("headers",):
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                for start in ("cold", "warm"):
                    done = subprocess.run(
                        [sys.executable, "-c", CHILD, str(root), look],
                        env=os.environ | {"TUTELAGE_CACHE": cache},
                        stdout=subprocess.PIPE,
                        check=True,
                    )
                    file = next(Path(cache).glob("index-*")).stat().st_size
                    row = {"bytes_a_photo": one, "look": look, "start": start} | json.loads(done.stdout)
                    found.append(row | {"index_bytes": file, "load": os.getloadavg()[0]})
                    print(found[-1], flush=True)
        shutil.rmtree(root)
    return sorted(found, key=lambda row: row["images"])


def rows(folder: Path, samples: int = 400_000, classes: int = 1000) -> dict[str, Any]:
    """Milliseconds a step of 10 ms and the reading of its rows: from memory, from the disk, and asked for ahead."""
    folder, size = folder / "v1-made-up", 8192
    places = [shards.Shard("logits", 0, start) for start in range(0, samples, size)]
    for place in places:
        draw = np.random.default_rng(place.start)
        (folder / place.path).parent.mkdir(parents=True, exist_ok=True)
        shards.write(folder, place, draw.random((min(size, samples - place.start), classes), np.float32).astype("f2"))
    paths = [folder / place.path for place in places]
    found: dict[str, list[dict[str, float]]] = {"in memory": [], "cold, as before": [], "cold, asked for ahead": []}
    for seed in range(SEEDS):
        for how, of_how in found.items():
            of_how.append(_steps(paths, how, seed))
            print(how, of_how[-1], flush=True)
    shutil.rmtree(folder)
    middle = {how: {k: statistics.median(one[k] for one in all_) for k in all_[0]} for how, all_ in found.items()}
    return {
        "samples": samples,
        "classes": classes,
        "seeds": SEEDS,
        "load": os.getloadavg()[0],
        "rows": middle,
        "all": found,
    }


def _steps(paths: list[Path], how: str, seed: int) -> dict[str, float]:
    if "before" in how:
        mapped = [np.asarray(np.load(path, mmap_mode="r")) for path in paths]
    else:
        mapped = [shards.load(path) for path in paths]
    if "memory" in how:
        for shard in mapped:
            shard.sum()
    else:
        for path in paths:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    samples = sum(len(shard) for shard in mapped)
    order = np.random.default_rng(seed).permutation(samples)[: STEPS * BATCH].reshape(STEPS, BATCH)
    before, cpu, begun, slept = _read(), time.process_time(), time.perf_counter(), 0.0
    for step in range(STEPS):
        for soon in (range(1, 33) if step == 0 else range(step + 32, min(step + 33, STEPS))) if "ahead" in how else ():
            shards.expect(mapped, order[soon].tolist())
        number, within = np.divmod(order[step], len(mapped[0]))
        torch.from_numpy(np.stack([mapped[i][j] for i, j in zip(number, within, strict=True)])).float()
        asleep = time.perf_counter()
        time.sleep(STEP_S)
        slept += time.perf_counter() - asleep
    own = time.perf_counter() - begun - slept
    return {
        "step_ms": 1e3 * (STEP_S + own / STEPS),
        "wall_ms": 1e3 * (own + slept) / STEPS,
        "cpu_ms": 1e3 * (time.process_time() - cpu) / STEPS,
        "kib_a_row": (_read() - before) / 1024 / STEPS / BATCH,
    }


def _read() -> int:
    return int(next(line for line in Path("/proc/self/io").read_text().splitlines() if "read_bytes" in line).split()[1])


def stored(logits: Tensor, temperature: float) -> dict[str, Tensor]:
    """The probabilities that C + 8 bytes an image give back, by how they are used; float16 has 2 C."""
    log_p = torch.log_softmax(logits.double() / temperature, 1)
    p, classes = log_p.exp(), logits.shape[1]
    found = {"float16": torch.softmax(logits.half().double() / temperature, 1)}
    eight = storing.decoded(torch.from_numpy(storing.encoded(logits, "logits", "int8")))
    found["8 bits, a scale a row"] = torch.softmax(eight.double() / temperature, 1)
    most = min((classes + 8) // 4, classes - 1)  # two bytes the class, two its probability
    largest, at = p.topk(most, 1)
    rest = ((1 - largest.sum(1, keepdim=True)) / (classes - most)).clamp_min(1e-12)
    found[f"{most} largest, the rest even"] = rest.expand_as(p).clone().scatter_(1, at, largest)
    draws = (classes + 8) // 2
    drawn = torch.multinomial(p, draws, replacement=True, generator=torch.Generator().manual_seed(0))
    found[f"{draws} unbiased samples"] = F.one_hot(drawn, classes).sum(1).double() / draws
    return found


def apart(logits: Tensor) -> list[dict[str, Any]]:
    """How far what is stored is from the full answers."""
    rows = []
    for temperature in (1.0, 4.0):
        log_p = torch.log_softmax(logits.double() / temperature, 1)
        for how, q in stored(logits, temperature).items():
            kl = (log_p.exp() * (log_p - q.clamp_min(1e-300).log())).sum(1).mean().item()
            variation = (log_p.exp() - q).abs().sum(1).mean().item() / 2
            finite = bool((q > 0).all())
            rows.append({"temperature": temperature, "how": how, "kl": kl if finite else None, "variation": variation})
    return rows


def answers(images: int = 2000, of_1000: int = 128) -> dict[str, Tensor]:
    """Logits of published networks on CIFAR-10's training images, and the images and labels."""
    from tutelage.data import Data, load
    from tutelage.models import DataSpec, Model
    from tutelage.models.building import build
    from tutelage.models.weights import load_weights

    weights = Path(os.environ["TUTELAGE_WEIGHTS"])
    cifar = load(Data("cifar10"))
    pixels, labels = cifar.train.plain(torch.arange(images + 2000)), cifar.train.labels[: images + 2000]
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    resnet = build(Model("resnet56"), DataSpec(10, 3, 32, mean, std)).eval()
    load_weights(resnet.network, weights / "cifar10_resnet56_akamaster.safetensors")
    lite = build(Model("timm:tf_efficientnet_lite0", size=224), DataSpec(1000, 3, 32, (0.5,) * 3, (0.5,) * 3)).eval()
    load_weights(lite.network, weights / "imagenet_tf_efficientnet_lite0.safetensors")
    with torch.no_grad():
        ten = torch.cat([resnet(part).logits for part in pixels[:images].split(250)])
        thousand = torch.cat([lite(part).logits for part in pixels[:of_1000].split(32)])
    return {"pixels": pixels, "labels": labels, "ten": ten, "thousand": thousand}


def taught(given: dict[str, Tensor], temperature: float = 4.0, epochs: int = 20) -> dict[str, list[float]]:
    """A small student's accuracy on 2,000 images that it has not seen, taught by what was stored alone."""
    from tutelage.models import DataSpec, Model
    from tutelage.models.building import build

    images, found = len(given["ten"]), {}
    spec = DataSpec(10, 3, 32, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
    for how, target in stored(given["ten"], temperature).items():
        for seed in range(SEEDS):
            student = build(Model("convnet", options={"widths": [12, 24], "hidden": 64}), spec, seed=seed).train()
            optimizer = torch.optim.Adam(student.parameters(), 2e-3)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (images // 64))
            order = torch.Generator().manual_seed(seed)
            for part in (p for _ in range(epochs) for p in torch.randperm(images, generator=order).split(64)[:-1]):
                log_p = torch.log_softmax(student(given["pixels"][part]).logits / temperature, 1)
                optimizer.zero_grad()
                (-(target[part].float() * log_p).sum(1).mean() * temperature**2).backward()
                optimizer.step()
                schedule.step()
            with torch.no_grad():
                right = student.eval()(given["pixels"][images:]).logits.argmax(1) == given["labels"][images:]
            found.setdefault(how, []).append(right.float().mean().item())
        print(how, found[how], flush=True)
    return found


def storage() -> dict[str, Any]:
    """The ways of storing against each other."""
    given = answers()
    return {
        "resnet56": {"images": len(given["ten"]), "apart": apart(given["ten"])},
        "lite0": {"images": len(given["thousand"]), "apart": apart(given["thousand"])},
        "students": taught(given),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("index", "rows", "storage", "page"))
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()), help="a folder with 12 GB of room")
    parser.add_argument("--images", type=int, default=0, help="index: of one set alone; 0: of all")
    chosen = parser.parse_args()
    file = RESULTS / "imagenet.json"
    result = json.loads(file.read_text()) if file.exists() else {}
    parts = {
        "index": lambda: indexed(chosen.at, chosen.images, result.get("index", [])),
        "rows": lambda: rows(chosen.at),
        "storage": storage,
    }
    result |= {chosen.part: parts[chosen.part](), "machine": machine()} if chosen.part in parts else {}
    write("imagenet", result)
    (RESULTS / "imagenet.md").write_text(imagenet_page.text(result))
