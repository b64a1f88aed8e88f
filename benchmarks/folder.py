"""From a folder of photos to int8: make_photos.py, then data check, distill, export, bench and predict.

The teacher is EfficientNet-lite0 with its published ImageNet weights, of which only the head is trained, shown the
photos at 96 pixels; the student sees 64. Exported is the run that the study hands over, in every format whose packages
are installed; where 8 bits lose more than half a point on val, three more epochs in 8 bits follow. TUTELAGE_DATA names
the folder of CIFAR-10, TUTELAGE_WEIGHTS that of the weights (imagenet_tf_efficientnet_lite0.safetensors). The same
command goes on where it was stopped.

    python benchmarks/folder.py [--work /tmp/folder] [--epochs 24] [--seeds 0 1 2] [--methods kd]
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from _common import RESULTS
from tutelage.errors import UserError
from tutelage.export import OFFER
from tutelage.export.formats import FORMATS, chosen

HERE = Path(__file__).parent
WEIGHTS = "imagenet_tf_efficientnet_lite0.safetensors"


def main() -> None:
    """Runs the study and writes docs/results/folder.json and folder.txt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("/tmp/folder"), help="photos and runs")
    parser.add_argument("--images", type=int, default=1000, help="of each class")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["kd"])
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    work = given.work.resolve()
    if not (work / "photos").exists():
        make = [sys.executable, str(HERE / "make_photos.py"), str(work / "photos"), "--images", str(given.images)]
        subprocess.run(make, check=True)
    if not (work / "weights").exists():
        (work / "weights").symlink_to(Path(os.environ["TUTELAGE_WEIGHTS"]).resolve())
    session = Session(work)
    session.say("data", "check", "photos")
    budget = ("--views", "4", "--fit.epochs", str(given.epochs), "--engine.threads", str(given.threads))
    session.say(
        *("distill", "photos", "--methods", *given.methods, "--teacher", "timm:tf_efficientnet_lite0"),
        *("--teacher.model.weights", f"weights/{WEIGHTS}", "--teacher.model.size", "96", "--data.size", "64"),
        *(*budget, "--seeds", *map(str, given.seeds)),
    )
    study = max((work / "runs").glob("study-photos-*/results.json"), key=lambda path: path.stat().st_mtime).parent
    told = json.loads((study / "results.json").read_text())
    run = f"runs/{told['export']['run']}"
    session.say("export", run, "--format", ",".join(installed()), "--force")
    exported: dict[str, Any] = json.loads((work / run / "export.json").read_text())
    static = exported["onnx-int8"]
    if static["drop"] > OFFER:
        session.say("export", run, "--format", "onnx-int8", "--finish", "3", "--force")
        exported = json.loads((work / run / "export.json").read_text())
    session.say("bench", run)
    pictures = [f"photos/{name}/{name}_0000.jpg" for name in told["data"]["classes"]]
    session.say("predict", f"{run}/student-int8.onnx", *pictures)
    checked = json.loads(session.told("data", "check", "photos", "--json"))
    study_without_pictures = {name: value for name, value in told.items() if name != "gallery"}
    result = {"check": checked, "study": study_without_pictures, "export": exported, "static_int8": static}
    result["bench"] = json.loads((work / run / "bench.json").read_text())
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "folder.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "folder.txt").write_text(session.text)


def installed() -> list[str]:
    """The formats whose packages are here."""
    names = []
    for name in FORMATS:
        try:
            chosen([name])
        except UserError as missing:
            print(missing.message, file=sys.stderr)
            continue
        names.append(name)
    return names


class Session:
    """What is typed in a folder, and what comes back."""

    def __init__(self, work: Path):
        self.work, self.text = work, ""

    def say(self, *words: str) -> None:
        """Runs a tutelage command; the command and what it printed are added to the text."""
        added = f"$ tutelage {shlex.join(words)}\n{self.told(*words)}\n"
        print(added, flush=True)
        self.text += added

    def told(self, *words: str) -> str:
        """What a tutelage command prints on stdout."""
        command = [sys.executable, "-m", "tutelage.cli", *words]
        environment = os.environ | {"COLUMNS": "160", "TUTELAGE_CACHE": str(self.work / "cache")}
        done = subprocess.run(command, cwd=self.work, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout


if __name__ == "__main__":
    main()
