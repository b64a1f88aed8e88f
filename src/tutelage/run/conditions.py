"""Says on what a run was computed: the same recipe gives the same numbers where these are the same."""

import logging
from collections.abc import Iterable
from typing import Any, TypedDict

from tutelage.errors import Damaged
from tutelage.run.folder import Run

log = logging.getLogger(__name__)


class Apart(TypedDict):
    """A condition in which runs differ."""

    condition: str
    values: list[str]
    runs: list[list[str]]
    """Their names, by value."""


def conditions(environment: dict[str, Any]) -> dict[str, str]:
    """What the bits of a run depend on besides its recipe, in words, from its environment.json; what it says of it."""
    machine, engine = environment.get("machine", {}), environment.get("engine", {})
    device = environment.get("device")
    named = {
        "processor": machine.get("processor"),
        "instruction sets": machine.get("int8_instructions"),
        "threads": machine.get("threads"),
        "device": device,
        "GPU": machine.get("gpu") if device == "cuda" else None,
        "processes": environment.get("world"),
        "precision": engine.get("precision"),
        "compiled": engine.get("compile"),
        "torch": environment.get("versions", {}).get("torch"),
    }
    return {name: _words(value) for name, value in named.items() if value is not None}


def of_run(run: Run) -> list[dict[str, str]]:
    """The conditions that a run was trained under: several where it was stopped and gone on with on another machine."""
    try:
        environment = run.result("environment") or {}
    except Damaged as damaged:
        log.warning("%s; on what that run was computed is not known", damaged.message)
        return []
    return [conditions(environment), *environment.get("earlier", [])]


def apart(runs: Iterable[Run]) -> list[Apart]:
    """The conditions in which runs differ from each other; what a run does not say is no difference."""
    by_condition: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for named in of_run(run):
            for name, value in named.items():
                names = by_condition.setdefault(name, {}).setdefault(value, [])
                if run.path.name not in names:
                    names.append(run.path.name)
    return [
        {"condition": name, "values": list(values), "runs": list(values.values())}
        for name, values in by_condition.items()
        if len(values) > 1
    ]


def in_words(differing: list[Apart]) -> list[str]:
    """One warning for each condition.

    >>> named = in_words([{"condition": "threads", "values": ["1", "2"], "runs": [["a"], ["b", "c"]]}])
    >>> print(named[0])  # doctest: +NORMALIZE_WHITESPACE
    warning: not all runs had the same threads: 1 (a), 2 (2 runs);
    the same recipe gives the same numbers only where they are the same
    """
    return [
        f"warning: not all runs had the same {condition['condition']}: "
        + ", ".join(
            f"{value} ({runs[0] if len(runs) == 1 else f'{len(runs)} runs'})"
            for value, runs in zip(condition["values"], condition["runs"], strict=True)
        )
        + "; the same recipe gives the same numbers only where they are the same"
        for condition in differing
    ]


def _words(value: Any) -> str:
    return ", ".join(value) or "none of note" if isinstance(value, list) else str(value)
