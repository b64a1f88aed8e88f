"""Does with a finished run what the commands do: measures it, and writes its student as files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tutelage import data
from tutelage.export import export
from tutelage.run.folder import Run
from tutelage.training.predictions import Evaluation, evaluate_run


def evaluate(run: Run, data_root: Path | None = None) -> Evaluation:
    """A finished run on val, and its teacher beside it: measured once, then read from its folder.

    Args:
        run: As `train` returns it, or `Run.open(folder)`.
        data_root: As the recipe's data needs it.

    Returns:
        "val" and "teacher" (None without one): `images`, `per_class`, and each measure by its name, shares in [0, 1].

    Raises:
        UserError: the run is not finished, or its data cannot be had.
    """
    return evaluate_run(run, data.load(run.recipe.data, data_root))


def export_student(
    run: Run, formats: Iterable[str] = ("onnx",), data_root: Path | None = None, *, force: bool = False, finish: int = 0
) -> dict[str, dict[str, Any]]:
    """Writes a finished run's student into its folder as files for devices, each measured by running it on val.

    Args:
        run: As `train` returns it, or `Run.open(folder)`.
        formats: Names of `tutelage.export.formats.FORMATS`.
        data_root: As the recipe's data needs it.
        force: Hand over a student that is no better than guessing, too.
        finish: Epochs of a last distillation in 8 bits, for int8 files; kept where it helps on val.

    Returns:
        By format what was measured: `file`, `size_bytes`, val accuracy and latency among it.

    Raises:
        UserError: the run is not finished, a format's packages are missing, or a file is not worth handing over.
    """
    return export(run, data.load(run.recipe.data, data_root), formats, force=force, finish=finish)
