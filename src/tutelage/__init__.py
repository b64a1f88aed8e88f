"""tutelage distils knowledge into convolutional image classifiers, and measures what was gained.

The public names are imported when first used: `import tutelage` costs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "Augment": "data.augment",
    "Data": "data",
    "Engine": "run.engine",
    "Outcome": "study.outcome",
    "Recipe": "run.recipe",
    "Run": "run.folder",
    "Study": "study.study",
    "TeacherCache": "teacher.cache",
    "UserError": "errors",
    "Workspace": "run.workspace",
    "evaluate": "study.verbs",
    "export_student": "study.verbs",
    "train": "training.loop",
}

__all__ = ["__version__", "methods", *_PUBLIC]

if TYPE_CHECKING:
    from tutelage import methods as methods
    from tutelage.data import Data as Data
    from tutelage.data.augment import Augment as Augment
    from tutelage.errors import UserError as UserError
    from tutelage.run.engine import Engine as Engine
    from tutelage.run.folder import Run as Run
    from tutelage.run.recipe import Recipe as Recipe
    from tutelage.run.workspace import Workspace as Workspace
    from tutelage.study.outcome import Outcome as Outcome
    from tutelage.study.study import Study as Study
    from tutelage.study.verbs import evaluate as evaluate
    from tutelage.study.verbs import export_student as export_student
    from tutelage.teacher.cache import TeacherCache as TeacherCache
    from tutelage.training.loop import train as train


def __getattr__(name: str) -> Any:
    if name == "methods":
        return importlib.import_module("tutelage.methods")
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"tutelage.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
