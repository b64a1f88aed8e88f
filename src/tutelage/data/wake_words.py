"""Makes a table of photos with and without an object from COCO's annotations: visual wake words.

Source: Chowdhery et al. 2019, arXiv:1906.05721, section 3: a photo has the object where one of its boxes covers more
than half a percent of the photo. MLPerf Tiny's second vision task is that of persons at 96 x 96 pixels.
Departures: none. Crowds count, as their boxes do.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tutelage import files
from tutelage.errors import UserError, unknown

SHARE = 0.005
"""Of the photo's area that a box has to exceed."""
HINT = "it is a JSON file of COCO's form: images, annotations, categories"


def write_table(out: Path, parts: dict[str, tuple[Path, Path]], wanted: str = "person") -> dict[str, dict[str, int]]:
    """Writes path,label,split; photos lie beside the table, or are named by absolute paths.

    Args:
        out: The table, a .csv file.
        parts: By split ("train", "test"): the annotations, and the folder of their photos.
        wanted: The object, a category of the annotations.

    Returns:
        How many photos of each label every split has.

    Raises:
        UserError: annotations are damaged or lack something; a photo is not there; the object is in none or in all.
    """
    if out.suffix != ".csv":
        raise UserError(f"{out} is no .csv file", "name the table that shall be written: wake_words.csv")
    lines, counts = [], {}
    for split, (annotations, folder) in parts.items():
        labels = dict.fromkeys((wanted, f"no {wanted}"), 0)
        for name, present in photos(annotations, wanted):
            path = folder / name
            if not path.is_file() or ".." in Path(name).parts or not path.is_relative_to(folder):
                raise UserError(f"{annotations} names {name}: not in {folder}", "name the folder of its photos")
            label = wanted if present else f"no {wanted}"
            labels[label] += 1
            lines.append((_from(path, out), label, split))
        if not all(labels.values()):
            raise UserError(
                f"{annotations}: {labels[wanted]} photos with {wanted}, {labels[f'no {wanted}']} without",
                "there have to be both",
            )
        counts[split] = labels
    with files.appearing(out) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "split"), *lines])
    return counts


def photos(annotations: Path, wanted: str) -> Iterator[tuple[str, bool]]:
    """Every photo of an annotation file by name, and whether the object is in it.

    Args:
        annotations: A JSON file as COCO's instances_train2017.json.
        wanted: A category's name.

    Raises:
        UserError: it is no such file, or has no such category.
    """
    try:
        coco: Any = json.loads(annotations.read_text(encoding="utf-8"))
        categories = {category["name"]: category["id"] for category in coco["categories"]}
        images = {image["id"]: (image["file_name"], image["width"] * image["height"]) for image in coco["images"]}
        boxes = [(box["image_id"], box["category_id"], box["bbox"][2] * box["bbox"][3]) for box in coco["annotations"]]
        areas = {number: area for number, (_, area) in images.items()}
        shown = [(number, category, box > SHARE * areas[number]) for number, category, box in boxes]
    except OSError:
        raise UserError(f"there is no file {annotations}", HINT) from None
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{annotations} cannot be read: {type(error).__name__} {error}", HINT) from None
    if wanted not in categories:
        raise unknown("object", wanted, categories)
    with_it = {number for number, category, large in shown if large and category == categories[wanted]}
    yield from ((name, number in with_it) for number, (name, _) in images.items())


def _from(path: Path, table: Path) -> str:
    """A photo as the table names it."""
    folder = table.parent.resolve()
    path = path.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
