"""Exports a study's student for a microcontroller, and notes what every student takes of one."""

from tutelage import progress
from tutelage.data.splits import DataSet
from tutelage.edge.bytes import Budget
from tutelage.errors import UserError
from tutelage.export import export, exported
from tutelage.export.formats import chosen
from tutelage.export.task import Micro
from tutelage.export.untrained import Taken, taken
from tutelage.methods.base import Extended
from tutelage.models import DataSpec
from tutelage.models.ladder import LARGEST
from tutelage.report.results import Npu, Results
from tutelage.run.folder import Run
from tutelage.study.finished import Finished


def export_for(run: Run, dataset: DataSet, budget: Budget, *, force: bool = False) -> None:
    """Writes a run's file for a chip, once; where that cannot be done, says why and goes on.

    Args:
        run: Finished.
        dataset: Its data.
        budget: What the chip has.
        force: As of `export`.
    """
    if "mcu" in exported(run):
        return
    try:
        chosen(["mcu"])
        export(run, dataset, ("mcu",), force=force, micro=Micro(flash=budget.flash, ram=budget.ram))
    except UserError as refused:
        progress.say(f"warning: no file for the microcontroller: {refused.message}; {refused.hint}")


def with_needs(results: Results, study: Finished, budget: Budget | None) -> Results:
    """The results with what every row's student takes, as far as it is known, and the budget.

    Args:
        results: Of the study.
        study: Its runs.
        budget: What --fit-in said.
    """
    for number, row in enumerate(results["rows"]):
        found = _of_row(study, number) if row["parameters"] <= LARGEST else None
        if found is not None:
            row["microcontroller"] = {"flash": found.flash, "ram": found.ram, "how": found.how}
            if npu := found.npu:
                measured = Npu(npu=npu["npu"], cycles=npu["cycles"], ms=npu["ms"], sram=npu["sram_bytes"])
                row["microcontroller"]["npu"] = measured
    if budget is None:
        return results
    return {**results, "budget": {"flash": budget.flash, "ram": budget.ram}}


def _of_row(study: Finished, number: int) -> Taken | None:
    for run in study.of_row(number):
        if file := exported(run).get("mcu"):
            flash, ram = file["flash_bytes"]["total"], file["ram_bytes"]["arena"]
            return Taken(flash, ram, "its file", file.get("npu"))
    recipe, dataset = study.rows[number], study.dataset
    if isinstance(recipe.method, Extended):  # its network is another one than the recipe's
        return None
    channels, height, _ = dataset.train.shape
    try:
        return taken(recipe.student, DataSpec(len(dataset.classes), channels, height, dataset.mean, dataset.std))
    except UserError:  # an operator that the runtime lacks
        return None
