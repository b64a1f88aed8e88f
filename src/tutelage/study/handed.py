"""Notes which student of a study is handed over, for its results and beside its runs."""

import statistics

from tutelage import export
from tutelage.export.doubt import doubt
from tutelage.export.modelcard import HANDED_OVER, keep_test, write_model_card
from tutelage.report.results import Exported, Results, Row, Split
from tutelage.run.folder import Run
from tutelage.study.finished import Finished

SPLITS: tuple[Split, Split] = ("val", "test")


def exported(study: Finished, rows: list[Row]) -> Exported:
    """The run that is handed over, its file, and why it may not be."""
    number, shown = study.shown
    return {
        "run": shown.path.name,
        "onnx": export.exported(shown).get("onnx"),
        "method": rows[number]["label"],
        "seed": shown.recipe.seed,
        "val": shown.result("evaluation")["val"]["top1"],
        "doubt": doubt(shown, study.dataset),
    }


def keep(study: Finished, results: Results) -> None:
    """Keeps beside the runs what the study knows of them, and in the cards of those that are exported."""
    number, shown = study.shown
    row = results["rows"][number]
    mean = {split: statistics.mean(seed[split]["top1"] for seed in row["seeds"]) for split in SPLITS}
    record = {"study": results["study"], "method": row["label"], "seed": shown.recipe.seed, "seeds": len(row["seeds"])}
    shown.keep(HANDED_OVER, record | {"mean": mean})
    for row in results["rows"]:
        for seed in row["seeds"]:
            keep_test(Run(study.workspace.runs / seed["run"]), seed["test"])
    if shown.result("export"):
        write_model_card(shown)
