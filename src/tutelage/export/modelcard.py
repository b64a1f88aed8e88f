"""Writes README.md for an exported student, as the hub reads it: what it is, what it is worth, how far to trust it."""

import logging
from pathlib import Path, PurePath
from typing import Any

from tutelage import files, sealed
from tutelage.errors import Damaged
from tutelage.export import npu
from tutelage.measure.measures import MEASURES, Measured, taken
from tutelage.measure.statistics import binomial_interval
from tutelage.names import added_up, in_markdown, shown
from tutelage.progress import size
from tutelage.run.folder import Run
from tutelage.shares import percent

log = logging.getLogger(__name__)

HANDED_OVER = "handed_over"
"""The run's result that says which of a study's students it is: `study`, `method`, `seed`, `seeds`, `mean` by split."""
LEAKAGE = "leakage"
"""The run's result that says how many of its val and test images have a copy in training: `sentence`, `found`."""
SPLITS = {"val": "validation", "test": "test"}


TEST = "test"
"""The run's result that holds its measures on the test split: there once the split was opened for it."""


def keep_test(run: Run, measured: Measured) -> None:
    """Keeps what was measured on the test split beside a run, and in its card where it has one."""
    try:
        tested = run.result(TEST)
    except Damaged as damaged:
        log.warning("%s; it is written again", damaged.message)
        tested = None
    if (merged := {**measured, **(tested or {})}) != tested:
        run.keep(TEST, merged)
    if run.result("export") and (run.path / "README.md").exists():
        write_model_card(run)


def write_model_card(run: Run) -> Path:
    """Writes README.md beside student.onnx, from what is measured and lies in the run's folder.

    Args:
        run: Exported and evaluated; on test, where the split was opened for it.
    """
    from huggingface_hub import ModelCard, ModelCardData

    recipe = sealed.read_json(run.path / "recipe.json", run.what("recipe.json"))
    card, exported, evaluated = (run.result(name) for name in ("card", "export", "evaluation"))
    test, handed = run.result(TEST), run.result(HANDED_OVER)
    measured: dict[str, Measured] = {"val": evaluated["val"]} | ({"test": test} if test else {})
    data = ModelCardData(
        library_name="onnx",
        pipeline_tag="image-classification",
        tags=["image-classification", "knowledge-distillation", "onnx", "tutelage", *_methods(recipe["method"])],
        model_name=shown(run.path.name),
        eval_results=_eval_results(shown(_last(card["data"])), measured),
    )
    body = "\n\n".join(
        [
            f"# {in_markdown(run.path.name)}",
            _what(recipe, card),
            "## How to use",
            _use(card, next(iter(exported.values()))["file"]),
            "## What it is worth",
            *_leakage(run),
            _worth(measured, evaluated["teacher"], _taught_by(recipe)),
            *([_handed_over(handed)] if handed else []),
            "## Size and speed",
            _size(card, exported),
            "## How it was trained",
            _training(recipe, run),
            "## Limits",
            _limits(card, measured, recipe, (run.result("doubt") or {}).get("why", "")),
        ]
    )
    path = run.path / "README.md"
    with files.appearing(path) as beside:
        beside.write_text(str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n")), encoding="utf-8")
    return path


def _handed_over(handed: dict[str, Any]) -> str:
    """Which of a study's students this is: the best of several is lucky."""
    means = f"{percent(handed['mean']['val'], 2)} on validation and {percent(handed['mean']['test'], 2)} on test images"
    method, study = in_markdown(handed["method"]), in_markdown(handed["study"])
    if handed["seeds"] == 1:
        return f"The one student of {method} in the study {study}: nothing is known of other seeds."
    return (
        f"Of {handed['seeds']} students of {method} in the study {study}, this one (seed {handed['seed']}) is the "
        f"best on the validation images, so it is lucky there. What is claimed of {method} is the mean of all: {means}."
    )


def _leakage(run: Run) -> list[str]:
    """What of the images below was in training too, where a study looked for it."""
    leakage = run.result(LEAKAGE)
    return [leakage["sentence"][0].upper() + leakage["sentence"][1:] + "."] if leakage else []


def _eval_results(data: str, measured: dict[str, Measured]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=data,
            dataset_name=data,
            dataset_split=SPLITS[split],
            metric_type=MEASURES[name].hub,
            metric_name=MEASURES[name].title,
            metric_value=round(value, 4),
        )
        for split, of_split in measured.items()
        for name, value in taken(of_split).items()
        if MEASURES[name].hub
    ]


def _what(recipe: dict[str, Any], card: dict[str, Any]) -> str:
    taught = (
        f", taught by {_teacher(recipe)} with `{'+'.join(_methods(recipe['method']))}`"
        if _taught_by(recipe)
        else ", trained alone"
    )
    channels, height, width = card["input"]["shape"]
    classes = card["classes"]
    named = ", ".join(map(in_markdown, classes[:20])) + (
        f" and {len(classes) - 20} more (`card.json` has all)" if len(classes) > 20 else ""
    )
    student, data = (in_markdown(_last(name)) for name in (recipe["student"]["name"], card["data"]))
    return (
        f"A {student} for {data}{taught}. It sorts images of {height} x {width} "
        f"pixels ({channels} channel{'s' if channels > 1 else ''}) into {len(classes)} classes: {named}."
    )


def _use(card: dict[str, Any], file: str) -> str:
    channels, height, width = card["input"]["shape"]
    return f"""```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
pixels = np.zeros((1, {channels}, {height}, {width}), np.float32)  # in [0, 1]; normalised inside the network
logits = session.run(["logits"], {{"pixels": pixels}})[0]  # one column a class, in the order above
```"""


def _worth(measured: dict[str, Measured], teacher: Measured | None, specs: list[dict[str, Any]]) -> str:
    present = {name for of_split in measured.values() for name in taken(of_split)}
    shown = {name: row for name, row in MEASURES.items() if name in present}
    heads = ["split", "images", *(row.title for row in shown.values()), "top-1 on other images, 95 % interval"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for split, of_split in measured.items():
        low, high = binomial_interval(of_split["top1"], of_split["images"])
        cells = [row.text(taken(of_split).get(name)) for name, row in shown.items()]
        lines.append(
            f"| {SPLITS[split]} | {of_split['images']:,} | {' | '.join(cells)} "
            f"| {percent(low, 2)} to {percent(high, 2)} |"
        )
    lines += [
        "",
        *(f"- {row.title}: {row.words}{f' ({row.direction})' if row.direction else ''}" for row in shown.values()),
    ]
    if teacher and specs:
        known = ", which it may have been trained on" if any(spec["tune"] == "none" for spec in specs) else ""
        lines.append(f"\nThe teacher reaches {MEASURES['top1'].text(teacher['top1'])} on the validation images{known}.")
    return "\n".join(lines)


def _size(card: dict[str, Any], exported: dict[str, Any]) -> str:
    where = " and ".join(dict.fromkeys(_machine(file) for file in exported.values()))
    lines = [
        f"{card['parameters']:,} parameters, {card['macs']:,} multiply-adds an image. Each file was run on the "
        f"validation images, on their picture files, and one image at a time on one thread of {where}.\n",
        "| file | size | top-1 accuracy | from files | PyTorch's answers | ms an image, median | 90th percentile |",
        "|---|---|---|---|---|---|---|",
    ]
    for file in exported.values():
        latency, again = file["latency_ms"], file.get("from_files")
        from_files = f"{percent(again['top1'], 2)} of {again['images']:,}" if again else "not measured"
        lines.append(
            f"| `{file['file']}` | {size(file['bytes'])} | {percent(file['val_top1'], 2)} | "
            f"{from_files} | {percent(file['same_predictions'], 2)} | {latency['p50']:.3g} | {latency['p90']:.3g} |"
        )
    for file in exported.values():
        if "flash_bytes" in file:
            flash, ram = file["flash_bytes"], file["ram_bytes"]
            lines.append(
                f"\nOn a microcontroller `{file['file']}` takes {size(flash['total'])} of flash (the code in it is an "
                f"estimate) and {size(ram['arena'])} of RAM for its tensor arena."
            )
        if "npu" in file:
            found = file["npu"]
            lines.append(f"\nCompiled for Arm's {found['npu']} as `{found['file']}`: {npu.estimate(found)}.")
    return "\n".join(lines)


def _machine(file: dict[str, Any]) -> str:
    """Where a file was measured; with the instruction sets, by which 8-bit products may differ."""
    sets = ", ".join(file.get("int8_instructions", ()))
    return file.get("processor", "a machine that was not noted") + (f" (8-bit products by {sets})" if sets else "")


def _training(recipe: dict[str, Any], run: Run) -> str:
    fit, cost = recipe["fit"], run.result("cost")
    lines = [
        f"- {fit['epochs']} epochs in batches of {fit['batch_size']}, {fit['optimizer']}, learning rate "
        f"{fit['learning_rate']:g}, seed {recipe['seed']}; the weights after the last epoch, not the best",
        f"- method `{'+'.join(_methods(recipe['method']))}`: "
        f"{', '.join(_fields(recipe['method'])) or 'nothing to set'}",
    ]
    if _taught_by(recipe):
        lines.append(f"- teacher {_teacher(recipe)}")
    lines.append(f"- {cost['seconds']:,.0f} s of training; every field is in `recipe.json`")
    lines += [
        f"- `{file['file']}`: {file['finish']['epochs']} more epochs, computing in 8 bits"
        for file in (run.result("export") or {}).values()
        if "finish" in file and file["finish"]["after"] > file["finish"]["before"]
    ]
    return "\n".join(lines)


def _limits(card: dict[str, Any], measured: dict[str, Measured], recipe: dict[str, Any], doubt: str) -> str:
    best = measured.get("test", measured["val"])
    over = best["confidence"] - best["top1"]
    worst = min(
        (share, name) for name, share in zip(card["classes"], best["per_class"], strict=True) if share is not None
    )
    lines = [
        f"- It knows {len(card['classes'])} classes and answers one of them whatever it is shown.",
        f"- Weakest class on these images: {in_markdown(worst[1])}, {percent(worst[0])}.",
        f"- Its mean confidence is {abs(100 * over):.1f} points {'above' if over > 0 else 'below'} its accuracy: "
        "do not read its probabilities as chances without calibrating them.",
        "- One training run. What the method gains over training alone needs paired seeds: see the report of a study.",
    ]
    if doubt:
        lines.append(f"- **Exported by force**: {in_markdown(doubt)}.")
    if "test" not in measured:
        lines.append("- Never measured on test images. The validation images may have served to choose settings.")
    if recipe["data"]["part"]:
        lines.append(f"- Trained on a part of the data: {recipe['data']['part']:,} images.")
    return "\n".join(lines)


def _taught_by(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    return [recipe["teacher"]] if recipe["teacher"] else recipe.get("teachers", [])


def _teacher(recipe: dict[str, Any]) -> str:
    teachers = [spec for spec in _taught_by(recipe) for _ in range(spec.get("folds", 0) or 1)]
    return added_up(in_markdown(_last(spec["model"]["name"])) for spec in teachers)


def _methods(method: dict[str, Any]) -> list[str]:
    """The names of a method, or of a composition's parts."""
    parts = [name for part in method.values() if isinstance(part, dict) and "name" in part for name in _methods(part)]
    return parts or [shown(_last(method["name"]))]


def _fields(method: dict[str, Any], where: str = "") -> list[str]:
    """A method's numbers in words, those of a composition's parts under their names."""
    words = []
    for name, value in method.items():
        if isinstance(value, dict):
            words += _fields(value, f"{where}{name}.")
        elif name != "name":
            words.append(f"{where}{name} {value}")
    return words


def _last(name: str) -> str:
    """A name without the folders of the machine it was trained on."""
    return PurePath(name).name
