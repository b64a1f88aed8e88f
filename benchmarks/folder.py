"""From a folder of photos to int8: make_photos.py, then data check, distill, export, bench and predict.

The teacher is EfficientNet-lite0 with its published ImageNet weights, of which only the head is trained, shown the
photos at 96 pixels; the student sees 64. Exported is the run that the study hands over, in every format whose packages
are installed; where 8 bits lose more than half a point on val, three more epochs in 8 bits follow. TUTELAGE_DATA names
the folder of CIFAR-10, TUTELAGE_WEIGHTS that of the weights (imagenet_tf_efficientnet_lite0.safetensors). The same
command goes on where it was stopped.

    python benchmarks/folder.py [--work /tmp/folder] [--epochs 24] [--seeds 0 1 2] [--methods kd]

With --fit-in the student is the largest that fits a microcontroller, and one command goes from the photos to C. It
needs tutelage[mcu] and the converters' environment, and writes docs/results/folder_mcu.json, folder_mcu.txt and mcu.md.
The time is that of this call alone: of all of it where nothing was there before. --force hands over also what is no
better taught than alone; the page says so.

    python benchmarks/folder.py --fit-in 512k/256k [--epochs 12]
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import mcu_page
from _common import RESULTS, write
from tutelage.cli import fitting
from tutelage.edge.bytes import budget
from tutelage.errors import UserError
from tutelage.export import OFFER
from tutelage.export.formats import FORMATS, chosen
from tutelage.models import ladder
from tutelage.report.claim import claim
from tutelage.report.results import Results

HERE = Path(__file__).parent
SIZE = 64
"""Of the student's pixels."""
WEIGHTS = "imagenet_tf_efficientnet_lite0.safetensors"


def main() -> None:
    """Runs the study and writes its files into docs/results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("/tmp/folder"), help="photos and runs")
    parser.add_argument("--images", type=int, default=1000, help="of each class")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["kd"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fit-in", default="", metavar="FLASH/RAM")
    given = parser.parse_args()
    work = given.work.resolve()
    if not (work / "photos").exists():
        make = [sys.executable, str(HERE / "make_photos.py"), str(work / "photos"), "--images", str(given.images)]
        subprocess.run(make, check=True)
    if not (work / "weights").exists():
        (work / "weights").symlink_to(Path(os.environ["TUTELAGE_WEIGHTS"]).resolve())
    length = ("--views", "4", "--fit.epochs", str(given.epochs), "--engine.threads", str(given.threads))
    distill = (
        *("distill", "photos", "--methods", *given.methods, "--teacher", "timm:tf_efficientnet_lite0"),
        *("--teacher.model.weights", f"weights/{WEIGHTS}", "--teacher.model.size", "96", "--data.size", str(SIZE)),
        *(*length, "--seeds", *map(str, given.seeds)),
    )
    if given.fit_in:
        to_a_chip(Session(work), (*distill, "--fit-in", given.fit_in, "--force"), given)
    else:
        to_int8(Session(work), distill)


def to_a_chip(session: "Session", distill: tuple[str, ...], given: argparse.Namespace) -> None:
    """One command, from the photos to C, and the same again as numbers."""
    begun = time.monotonic()
    session.say(*distill)
    wall = time.monotonic() - begun
    study = latest_study(session.work)
    run = session.work / "runs" / study["export"]["run"]
    row = next(row for row in study["rows"] if run.name in [seed["run"] for seed in row["seeds"]])
    room, classes = budget(given.fit_in, fitting.FLAG), study["data"]["classes"]
    result = {
        "fit_in": given.fit_in,
        "images": given.images,
        "epochs": given.epochs,
        "command": shlex.join(("tutelage", *distill)),
        "choice": fitting.in_words(ladder.choose(room, SIZE, len(classes)), room, SIZE),
        "wall_s": wall,
        "student": study["student"],
        "run": run.name,
        "handed_over": row["label"],
        "rows": [
            {"label": each["label"]}
            | {"top1": {split: [seed[split]["top1"] for seed in each["seeds"]] for split in ("val", "test")}}
            for each in study["rows"]
        ],
        "test_images": row["seeds"][0]["test"]["images"],
        "doubt": json.loads(doubt.read_text())["why"] if (doubt := run / "doubt.json").exists() else "",
        "claim": claim(cast(Results, study)),
        "export": json.loads((run / "export.json").read_text()),
        "c": sorted(path.name for path in (run / "c").iterdir()),
    }
    write("folder_mcu", result)
    (RESULTS / "folder_mcu.txt").write_text(session.text)
    mcu_page.write()


def latest_study(work: Path) -> dict[str, Any]:
    """The results of the study that was written last."""
    found = max((work / "runs").glob("study-photos-*/results.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(found.read_text())


def to_int8(session: "Session", distill: tuple[str, ...]) -> None:
    """The study, and what is typed after it."""
    work = session.work
    session.say("data", "check", "photos")
    session.say(*distill)
    study = latest_study(work)
    run = f"runs/{study['export']['run']}"
    session.say("export", run, "--format", ",".join(installed()), "--force")
    exported: dict[str, Any] = json.loads((work / run / "export.json").read_text())
    static = exported["onnx-int8"]
    if static["drop"] > OFFER:
        session.say("export", run, "--format", "onnx-int8", "--finish", "3", "--force")
        exported = json.loads((work / run / "export.json").read_text())
    session.say("bench", run)
    pictures = [f"photos/{name}/{name}_0000.jpg" for name in study["data"]["classes"]]
    session.say("predict", f"{run}/student-int8.onnx", *pictures)
    checked = json.loads(session.told("data", "check", "photos", "--json"))
    study_without_pictures = {name: value for name, value in study.items() if name != "gallery"}
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
