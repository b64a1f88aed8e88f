"""Types and reads results.json, which holds everything that the report of a study shows.

The measures on a split are `Measured`: each under its name in `MEASURES`.
"""

from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from tutelage import sealed
from tutelage.data.leaks import Leakage
from tutelage.errors import Damaged, UserError
from tutelage.measure.findings import Bin, Fidelity
from tutelage.measure.measures import Measured
from tutelage.measure.statistics import Gain, Judged, McNemar
from tutelage.run.conditions import Apart
from tutelage.run.record import kept

RESULTS_FILE = "results.json"
"""In a study's folder."""
SCHEMA = 1
"""The version of what is described here. It grows when a name changes or goes, not when a measure is added."""

Split = Literal["val", "test"]
Latency = dict[str, float]
"""Milliseconds of one image: "p50" and "p90"."""


class Seed(TypedDict):
    """One run of a row."""

    run: str
    seed: int
    val: Measured
    test: Measured
    best_val: dict[str, Any] | None
    """`top1` and `epoch`; not the result."""
    seconds: float
    images_per_second: float
    curves: dict[Literal["val_top1", "train_loss"], list[list[float]]]
    """(epoch, value)."""
    interval: NotRequired[dict[Split, list[float]]]
    """The interval of top-1 over the images, on the splits whose logits were kept; so is `mcnemar`."""
    mcnemar: NotRequired[dict[Split, McNemar]]
    """Against the baseline of the same seed; not in the baseline's own row."""


class Npu(TypedDict):
    """What Arm's compiler Vela estimates of a student's file for an NPU."""

    npu: str
    """Which, ethos-u55-128 for example."""
    cycles: int
    ms: float
    sram: int
    """Bytes."""


class Needs(TypedDict):
    """What a student takes of a microcontroller, in 8 bits."""

    flash: int
    """Bytes of the model, and of the code that runs it: the latter are an estimate."""
    ram: int
    """Bytes of the tensor arena."""
    how: str
    """By what it is known: "its file", "the ladder's table", "its initial weights"."""
    npu: NotRequired[Npu]
    """Where its file was compiled for one."""


class Row(TypedDict):
    """The runs of one recipe."""

    label: str
    method: dict[str, Any]
    parameters: int
    macs: int
    latency_ms: Latency
    seeds: list[Seed]
    gain: NotRequired[dict[Split, Judged]]
    """Over the baseline; not in the baseline's own row, which is the first."""
    fidelity: NotRequired[dict[Split, Fidelity]]
    """On the splits whose logits were kept."""
    microcontroller: NotRequired[Needs]
    """Where it is known."""


class Teacher(TypedDict):
    """Who taught; several are one, that answers with their mean."""

    name: str
    parameters: int
    macs: int
    latency_ms: Latency
    val: Measured
    val_held_out: bool
    """Whether it was trained without the images of val."""
    test: Measured | None
    reliability: NotRequired[dict[Split, list[Bin]]]


class DataFacts(TypedDict):
    """The data set, and how many images each part of it has."""

    name: str
    classes: list[str]
    train: int
    val: int
    unlabeled: int


class Network(TypedDict):
    """The student."""

    name: str
    parameters: int
    macs: int


class Cost(TypedDict):
    """What a study took."""

    wall_seconds: float
    """On the clock, of all commands that worked on it, from their first moment on; killed ones are not counted."""
    commands: NotRequired[int]
    own_seconds: NotRequired[dict[Literal["students", "teachers"], float]]
    """Seconds of training within these commands."""
    found_done: NotRequired[dict[Literal["students", "teachers"], int]]
    """Runs that other commands had trained."""
    training_seconds: float
    teacher_training_seconds: float
    teacher_passes_paid: int
    teacher_passes_saved: int


class Exported(TypedDict):
    """The run that is handed over: the best seed on val of the method that is best there."""

    run: str
    onnx: dict[str, Any] | None
    """Its file as it was measured; None where it was not exported."""
    method: NotRequired[str]
    seed: NotRequired[int]
    val: NotRequired[float]
    """Its top-1; of the method the mean over the seeds is claimed."""
    doubt: NotRequired[str]
    """Why it should not be handed over; empty where nothing speaks against it."""


class Openings(TypedDict):
    """How often this test split was opened: by the study, each with `time`, `run` and `reason`, and in all."""

    study: list[dict[str, str]]
    all: int
    unnamed: NotRequired[int]
    """How many of all are in a record from before data sets were written down: they may have been of another one."""
    until: NotRequired[str]
    """When it was counted."""


class TriedOut(TypedDict):
    """One trial of a search."""

    number: int
    state: str
    """complete, pruned, running or diverged."""
    method: str
    defaults: bool
    """Whether its values are the method's defaults."""
    values: dict[str, float]
    """By field of the method."""
    early: float | None
    """Top-1 on val at the end of its first run; None where there was none."""
    val: float | None
    """Top-1 on val of its whole run, where it is complete."""
    run: str


class Tuning(TypedDict):
    """The search that a study closes, and what fresh seeds left of its winner's gain over the defaults."""

    search: dict[str, Any]
    trials: list[TriedOut]
    best: int
    folder: NotRequired[str]
    """The search's folder, beside the study's."""
    defaults_row: str
    tuned_row: str
    fresh: dict[Split, Gain]


class FoldedRow(TypedDict):
    """A row of a study over the folds of a cross-validation; intervals are corrected for what folds share."""

    label: str
    top1: list[float]
    """On each fold, division by division."""
    mean: float
    interval: list[float] | None
    gain: float
    """Mean paired difference to the baseline; 0 for the baseline itself."""
    gain_interval: list[float] | None


class Folded(TypedDict):
    """A cross-validation of a study's rows, on all images but those of test."""

    folds: int
    repeats: int
    images: int
    rows: list[FoldedRow]


class Results(TypedDict):
    """The whole file."""

    schema: int
    study: str
    data: DataFacts
    student: Network
    teacher: Teacher | None
    rows: list[Row]
    gallery: dict[str, Any] | None
    tuning: Tuning | None
    cost: Cost
    export: Exported
    test_openings: Openings
    conditions: NotRequired[list[Apart]]
    """In what the runs differ besides their recipes."""
    machine: dict[str, Any]
    environment: dict[str, Any]
    recipes: list[dict[str, Any]]
    """One a row, every field."""
    seeds: list[int]
    budget: NotRequired[dict[Literal["flash", "ram"], int]]
    """Bytes that the microcontroller has, where one was named."""
    leakage: NotRequired[Leakage | None]
    """Images of val and test with a copy in training; None for a built-in set, absent where nobody looked."""
    folds: NotRequired[Folded]
    """Where the rows were cross-validated."""


def read(folder: Path) -> Results:
    """The results of a study.

    Args:
        folder: Of the study.

    Raises:
        UserError: there are none yet, the file is damaged, or another version of tutelage wrote it otherwise.
    """
    path = Path(folder) / RESULTS_FILE
    if not path.is_file():
        raise UserError(f"{folder} has no results yet", "tutelage distill with the same recipe goes on")
    try:
        results: Any = kept(path.parent, path.stem)
    except Damaged as damaged:
        raise Damaged.of(path, damaged.reason, _again(path.parent)) from None
    schema = results.get("schema")
    if schema != SCHEMA:
        holds = "results without a schema version" if schema is None else f"results of schema {schema!r}"
        is_newer = isinstance(schema, int) and schema > SCHEMA
        raise UserError(
            f"{path} holds {holds}; this version of tutelage reads schema {SCHEMA}",
            "a newer tutelage has written it: update this one" if is_newer else _again(path.parent),
        )
    return results


def _again(folder: Path) -> str:
    """How the file is written anew: nothing that is trained is trained again."""
    command = "tutelage distill with the study's recipe and seeds"
    try:
        made_by = sealed.read_json(folder / "environment.json")["command"]
        command = made_by if made_by.startswith("tutelage ") else command
    except (Damaged, LookupError, AttributeError):
        pass  # It says no command: the general one will do.
    return f"this writes it anew and trains nothing again: {command}"
