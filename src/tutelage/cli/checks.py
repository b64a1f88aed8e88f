"""Refuses names that nobody has, and files of weights for other networks, before anything is read or trained."""

from pathlib import Path
from typing import Any

from tutelage.data import DATASETS
from tutelage.methods.declared import declarations
from tutelage.methods.finding import method_at_defaults
from tutelage.models.libraries import check_name
from tutelage.run.recipe import Recipe


def check_names(flags: Any) -> None:
    """Refuses names of data, networks and methods that do not exist, before anything is imported to look for them."""
    chosen = flags.recipe
    chosen.data.check_name()
    for model in (chosen.student, *(spec.model for spec in chosen.taught_by)):
        if ".py:" not in model.name:
            check_name(model.name)
    check_methods([*getattr(flags, "methods", ()), *getattr(flags, "beside", ())])


def check_methods(names: list[str]) -> None:
    """Refuses names of methods that do not exist."""
    with declarations():
        for name in names:
            method_at_defaults(name)


def check_weights(chosen: Recipe) -> None:
    """Files of weights for other networks are refused before the images are looked at."""
    row = DATASETS.get(chosen.data.name)
    models = [chosen.student, *(spec.model for spec in chosen.taught_by)]
    if any(Path(model.weights or "-").is_file() for model in models):
        from tutelage.models.building import check_file

        for model in models:
            check_file(model, row.channels if row else 3)
