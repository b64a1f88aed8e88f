"""From a folder of photos to an exported student: make_photos.py, data check, distill.

The teacher is EfficientNet-lite0 with its published ImageNet weights, of which only the head is trained; student and
teacher see the photos at 64 pixels. TUTELAGE_DATA names the folder of CIFAR-10, TUTELAGE_WEIGHTS that of the weights
(imagenet_tf_efficientnet_lite0.safetensors). The same command goes on where it was stopped.

python benchmarks/folder.py [--work /tmp/folder] [--epochs 10] [--seeds 0 1]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from _common import RESULTS

HERE = Path(__file__).parent
WEIGHTS = "imagenet_tf_efficientnet_lite0.safetensors"


def main() -> None:
    """Runs the study and writes docs/results/folder.json and folder.txt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("/tmp/folder"), help="photos and runs")
    parser.add_argument("--images", type=int, default=1000, help="of each class")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    if not (work / "photos").exists():
        make = [sys.executable, str(HERE / "make_photos.py"), str(work / "photos"), "--images", str(chosen.images)]
        subprocess.run(make, check=True)
    words = [
        *("distill", "photos", "--teacher", "timm:tf_efficientnet_lite0"),
        *("--teacher.model.weights", "weights/" + WEIGHTS, "--teacher.model.size", "96", "--data.size", "64"),
        *("--fit.epochs", str(chosen.epochs), "--views", "3", "--seeds", *map(str, chosen.seeds)),
        *("--engine.threads", str(chosen.threads)),
    ]
    if not (work / "weights").exists():
        (work / "weights").symlink_to(Path(os.environ["TUTELAGE_WEIGHTS"]).resolve())
    checked = told(work, "data", "check", "photos")
    printed = told(work, *words)
    (study,) = (work / "runs").glob("study-photos-*")
    result = {
        "check": json.loads(told(work, "data", "check", "photos", "--json")),
        "command": "tutelage " + " ".join(words),
        "study": json.loads((study / "results.json").read_text()),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "folder.json").write_text(json.dumps(result, indent=2) + "\n")
    text = f"$ tutelage data check photos\n{checked}\n$ {result['command']}\n{printed}"
    (RESULTS / "folder.txt").write_text(text)
    print(text)


def told(work: Path, *words: str) -> str:
    """What a tutelage command prints on stdout."""
    command = [sys.executable, "-m", "tutelage.cli", *words]
    environment = os.environ | {"COLUMNS": "140", "TUTELAGE_CACHE": str(work / "cache")}
    return subprocess.run(command, cwd=work, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
