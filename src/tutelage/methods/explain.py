"""Prints `tutelage explain NAME`, gathered from the files of the methods themselves and written nowhere else.

`python -m tutelage.methods.explain` prints the page of all methods.
"""

import ast
import re
from collections.abc import Collection
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from textwrap import TextWrapper, dedent

from tutelage.methods import COMBINATIONS, METHODS, method_class
from tutelage.methods.base import PARTS, Adapted, Extended, Method, ranges
from tutelage.methods.finding import find_method

WIDTH = 100
"""The width of the text, in characters."""
IN_WORDS = {
    "embedding": "what goes into the last layer",
    "features": "the maps of its stages",
    "regions": "logits of 16 parts of the image",
    "rotations": "its answers to the image rotated",
    "head": "its last layer",
}
"""Those parts whose names do not say it."""
FEW, BATCH = 10, 128
"""Classes and images a step of the example for weights that were published for others."""
HEADINGS = ("Source", "Departures", "Defaults", "When")
"""What the docstring of a method's file says after its title, each after "Heading:"."""


def explain(name: str) -> str:
    """All that is known of a method: formula, source, fields and their ranges, what it reads, when to use it.

    The text is Markdown that can be read as it is.

    Raises:
        UserError: there is no such method.
    """
    if ":" in name:
        return describe(name, find_method(name), Path(name.rpartition(":")[0]).expanduser().read_text("utf-8"))
    cls = method_class(name)
    if name in COMBINATIONS:
        return _sections(name, cls, _source("combine"), {})
    return describe(name, cls, _source(name), METHODS[name].functions)


def describe(name: str, cls: type[Method], source: str, functions: tuple[str, ...] = ()) -> str:
    """`explain` for any method, listed or not.

    Args:
        name: What it is called in a recipe.
        cls: Its class.
        source: The text of the file that holds the class.
        functions: Public pure functions in the same file.
    """
    headings = header(source)[1]
    facts = {
        "Source": headings.get("Source", ""),
        "Departures": headings.get("Departures", ""),
        "Defaults": headings.get("Defaults", ""),
        "Published weight": _published(cls),
        "When": headings.get("When", ""),
        "Reads of the teacher": _teacher(cls),
        "Reads of the student": _read(cls.student_needs),
        "Adds to the student": _added(cls),
        "Couples the batch": _coupled(cls),
        "Mixed labels": "yes" if cls.mixable else "no: it singles out one true class",
        "Functions": ", ".join(f"`{function}`" for function in functions),
    }
    return _sections(name, cls, source, facts)


def page() -> str:
    """The reference page of all methods."""
    top = "# Methods\n\n" + _filled(
        "Made by `python -m tutelage.methods.explain` from the methods' own files; "
        "`tutelage explain NAME` prints one of them. alpha is always the share of the teacher's term; "
        "ranges are those that a recipe accepts. The curves are the sum of a method's terms over 100 steps "
        "of a fixed small problem (`python benchmarks/curves.py`)."
    )
    curve = "\n![loss on a fixed small problem](curves/{}.svg)\n"
    return "\n".join(
        [top + "\n", *(explain(name) + curve.format(name) for name in METHODS), *map(explain, COMBINATIONS)]
    )


def header(source: str) -> tuple[str, dict[str, str]]:
    """The title of a method's file, and what stands after each of HEADINGS, each on one line.

    >>> header('"Two: things.\\\\n\\\\nSource: a book,\\\\n    page 3.\\\\nDepartures: none.\\\\n"')
    ('Two: things.', {'Source': 'a book, page 3.', 'Departures': 'none.'})
    """
    title, *rest = re.split(
        rf"^({'|'.join(HEADINGS)}):", ast.get_docstring(ast.parse(source)) or "", flags=re.MULTILINE
    )
    texts = {key: " ".join(text.split()) for key, text in zip(rest[::2], rest[1::2], strict=True)}
    return " ".join(title.split()), texts


def field_texts(source: str, name: str) -> dict[str, str]:
    """The strings under the fields of the class `name`, each on one line."""
    body = next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    found = {}
    for statement, below in pairwise(body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                found[field] = " ".join(text.split())
    return found


def _source(name: str) -> str:
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")


def _sections(name: str, cls: type[Method], source: str, facts: dict[str, str]) -> str:
    parts = [f"## {name}", _filled(header(source)[0]), _indented(cls.__doc__ or "")]
    items = [_item(f"{key}: {value}") for key, value in facts.items() if value]
    documented, allowed = field_texts(source, cls.__name__), ranges(cls)
    lines = []
    for field in fields(cls):
        default = "" if field.default is MISSING else f" = {field.default!r}"
        text = documented.get(field.name, "")
        within = str(allowed.get(field.name, ""))
        within = f", in {within}" if within and within not in text and ">" not in text else ""
        lines.append(_item(f"`{field.name}`{default}{within}. {text}"))
    parts += ["\n".join(items)] if items else []
    parts += ["Fields:", "\n".join(lines)] if lines else []
    return "\n\n".join(parts) + "\n"


def _teacher(cls: type[Method]) -> str:
    if not cls.needs:
        return "nothing, there is none"
    read = _read(cls.needs)
    how = "it is asked at every step" if "features" in cls.needs else "its cached answers are enough"
    return f"{read}; {how}"


def _read(needs: Collection[str]) -> str:
    return _and([f"{part} ({IN_WORDS[part]})" if part in IN_WORDS else part for part in PARTS if part in needs])


def _added(cls: type[Method]) -> str:
    if not issubclass(cls, Adapted):
        return "nothing"
    if not issubclass(cls, Extended):
        return "parts of its own (adapters), dropped at the end of training"
    return "parts of its own (adapters), which stay in the network that is evaluated and exported"


def _published(cls: type[Method]) -> str:
    if not cls.claims.published:
        return ""
    grow, times, typed = [], [], []
    for weight in cls.claims.published:
        powers = {f"({weight.classes} / C)": weight.by_classes, f"(B / {weight.batch})": weight.by_batch}
        growth = [base if power == 1 else f"{base}^{power:g}" for base, power in powers.items() if power]
        grow.append(f"`{weight.field}` counts {' '.join(growth)} times")
        heavier = weight.times(FEW, BATCH)
        times.append(f"{heavier:g}")
        typed.append(f"--method.{weight.field} {getattr(cls, weight.field) / heavier:.2g}")
    return (
        f"for {weight.condition()}. With C classes in batches of B images, {_and(grow)} as much beside the labels: "
        f"with {FEW} in batches of {BATCH}, {_and(times)} times. There a student learns less than alone, or nothing; "
        f"to undo that: `{' '.join(typed)}`."
    )


def _coupled(cls: type[Method]) -> str:
    why, normed = cls.claims.couples_batch, cls.claims.batch_norm
    if why:
        return f"yes: {why}; several processes each compute the loss of all their images, fit.accumulate is refused"
    return f"by batch norm in {normed} alone" if normed else "no: its loss is a mean over samples"


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _filled(text: str, first: str = "", later: str = "") -> str:
    # A line must not begin with an operator: Markdown would take it for a quotation or a list.
    glued = re.sub(r" ([-+>]=?) ", "\0\\1 ", text)
    # What is to be typed stays in one line.
    glued = re.sub(r"`--[^`]*`", lambda typed: typed[0].replace(" ", "\0"), glued)
    lines = TextWrapper(
        WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    )
    return lines.fill(glued).replace("\0", " ")


def _item(text: str) -> str:
    return _filled(text, "- ", "  ")


def _indented(text: str) -> str:
    first, _, rest = text.partition("\n")
    lines = (first.strip() + "\n" + dedent(rest)).strip().splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines)


if __name__ == "__main__":
    print(page(), end="")
