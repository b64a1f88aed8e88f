"""Runs `tutelage data wake-words`: a table of photos with and without a person from COCO's annotations."""

from pathlib import Path

from tutelage.cli.parser import Parser
from tutelage.data.wake_words import write_table
from tutelage.errors import UserError


def wake_words(arguments: list[str]) -> None:
    """`tutelage data wake-words ANNOTATIONS PHOTOS [--test ANNOTATIONS PHOTOS]`."""
    parser = Parser(
        "tutelage data wake-words",
        description="Photos with and without an object, from annotations as COCO has them: a table for "
        "tutelage distill visual_wake_words --data.name TABLE.",
    )
    parser.add_argument("annotations", type=Path, help="of training: instances_train2017.json")
    parser.add_argument("photos", type=Path, help="the folder of its photos")
    parser.add_argument("--test", type=Path, nargs=2, metavar=("ANNOTATIONS", "PHOTOS"), help="the test split")
    parser.add_argument("--object", default="person", help="a category of the annotations; default: person")
    parser.add_argument("--out", type=Path, default=Path("visual_wake_words.csv"), help="default: %(default)s")
    chosen = parser.parse_args(arguments)
    if chosen.out.exists():
        raise UserError(f"{chosen.out} is there already", "name another --out, or remove it")
    parts = {"train": (chosen.annotations, chosen.photos)} | ({"test": tuple(chosen.test)} if chosen.test else {})
    counts = write_table(chosen.out, parts, chosen.object)
    for split, labels in counts.items():
        print(f"{split}: {', '.join(f'{count:,} {label}' for label, count in labels.items())}")
    print(f"{chosen.out}: tutelage distill visual_wake_words --data.name {chosen.out}")
