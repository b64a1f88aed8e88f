"""ARCHITECTURE.md says it, this test executes it."""

import ast
import doctest
import graphlib
import importlib
import re
from pathlib import Path

from tutelage.models import MODELS

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "tutelage"
FILES = sorted(SOURCE.rglob("*.py"))


def layers() -> dict[str, int]:
    """The height of every folder of the table in ARCHITECTURE.md, the ground's modules among them."""
    table = re.search(r"## 2\. Layers.*?```\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert table is not None
    places = {}
    for height, line in enumerate(reversed(table[1].splitlines())):
        units = re.split(r" {2,}", line)[0]
        places |= dict.fromkeys(re.findall(r"[a-z_]+", units), height)
    return places


def unit(file: Path) -> str:
    """What a file belongs to: its folder below tutelage, or itself."""
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def name_of(file: Path) -> str:
    """A file's dotted name."""
    return ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in FILES}


def imported(file: Path, *, at_start: bool = False) -> set[str]:
    """The modules of the project that a file imports, dotted: wherever in it, or when it is itself imported."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if at_start else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tutelage":
            names = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= names or {str(node.module)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("tutelage.")}
    return found - {"tutelage"}


def test_the_table_names_every_unit():
    assert set(layers()) == {unit(file) for file in FILES} - {"__init__", "__main__"}


def test_imports_point_down():
    places = layers()
    for name, file in MODULES.items():
        own = unit(file)
        others = set() if own in ("__init__", "__main__") else {other.split(".")[1] for other in imported(file)} - {own}
        for other in others:
            ground = places[other] == places[own] == 0
            assert ground or places[other] < places[own], f"{name} imports {other}"


def test_no_imports_run_in_a_circle():
    at_start = {name: imported(file, at_start=True) - {name} for name, file in MODULES.items()}
    graphlib.TopologicalSorter(at_start).prepare()  # raises CycleError, which names the circle


def test_a_module_is_ascii_and_documented():
    for file in FILES:
        _is_ascii_and_documented(file)


def _is_ascii_and_documented(file):
    text = file.read_text()
    assert text.isascii(), file
    tree = ast.parse(text)
    assert ast.get_docstring(tree), file
    in_methods = file.parent.name == "methods"
    for node in tree.body:
        # A network's function is documented by its row in MODELS.
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and node.name not in MODELS
        ):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.ClassDef) and not in_methods and not node.name.startswith("_"):
            for part in node.body:
                inherited = {"forward", "answer", "expect", "losses", "adapters"}
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_") and part.name not in inherited:
                    assert ast.get_docstring(part), f"{node.name}.{part.name}"


def test_the_loop_is_one_and_fits_a_screen():
    """Every function of it, and the step, whole: signature, docstring and body."""
    for file in ("loop.py", "step.py"):
        for node in ast.walk(ast.parse((SOURCE / "training" / file).read_text())):
            if isinstance(node, ast.FunctionDef) and node.name != "train":
                assert node.end_lineno - node.lineno <= 30, node.name
    backward = [name for name, file in MODULES.items() if re.search(r"\bfabric\.backward\(", file.read_text())]
    assert backward == ["tutelage.training.step"]
    taking = [name for name, file in MODULES.items() if "take_step(" in file.read_text()]
    assert taking == ["tutelage.training.loop"]


def test_examples_in_docstrings_print_what_they_say():
    run = 0
    for file in FILES:
        if ">>>" in file.read_text():
            name = name_of(file)
            result = doctest.testmod(importlib.import_module(name))
            assert result.failed == 0, name
            run += result.attempted
    assert run >= 10


def test_every_markdown_link_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_a_recipe_has_few_fields():
    from tutelage.run.builtin import built_in

    def leaves(value):
        return sum(map(leaves, value.values())) if isinstance(value, dict) else 1

    plain = built_in("cifar10").to_dict()
    plain["student"]["options"] = plain["teacher"]["model"]["options"] = 0
    assert leaves(plain) <= 87
