"""Says why a student is not to be handed over: it guesses on val, or is worse there than the same student untaught."""

from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.measure.fidelity import right
from tutelage.measure.statistics import LEVEL, better_than
from tutelage.methods.finding import is_baseline
from tutelage.run.folder import Run
from tutelage.run.workspace import Workspace
from tutelage.training.predictions import on_val


def doubt(run: Run, dataset: DataSet) -> str:
    """Why a finished run's student should stay where it is; empty where nothing speaks against it.

    Args:
        run: The baseline of the same seed is looked for beside it.
        dataset: Its data.
    """
    answers = on_val(run, dataset)
    hits, images = int(right(*answers).sum()), len(answers.labels)
    commonest = int(answers.labels.bincount().max())
    p = better_than(commonest / images, hits, images)
    if p > LEVEL:
        return (
            f"it is right on {hits:,} of {images:,} validation images, which is not shown to be better than always "
            f"naming the commonest class, right on {commonest:,} (binomial test, p = {p:.2g})"
        )
    alone = _baseline(run)
    of_alone = int(right(*on_val(alone, dataset)).sum()) if alone else 0
    if alone and of_alone > hits:
        return (
            f"it is right on {hits:,} of {images:,} validation images, and the same student without a teacher, "
            f"{alone.path.name}, on {of_alone:,}: better alone, and tutelage export makes files of that run, too"
        )
    return ""


def keep(run: Run, why: str) -> None:
    """Writes down, for the run's card, why its student was handed over by force; or that nothing speaks against it."""
    if why:
        run.keep("doubt", {"why": why})
    else:
        (run.path / "doubt.json").unlink(missing_ok=True)


def _baseline(run: Run) -> Run | None:
    """The finished run of the same seed without a teacher, where there is one."""
    if is_baseline(run.recipe.method):
        return None
    try:
        alone = Run(Workspace(run.path.parent).folder(run.recipe.as_baseline))
    except UserError:  # a file that the recipe names is gone, and with it the name of its baseline
        return None
    return alone if alone.done else None
