"""What is said of the methods: in their files, on the page, in the terminal."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from tutelage import methods
from tutelage.cli.flags import TrainFlags, parsed
from tutelage.errors import UserError
from tutelage.methods import METHODS, method_class
from tutelage.methods.base import ranges
from tutelage.methods.explain import HEADINGS, describe, explain, field_texts, header, page

ROOT = Path(__file__).parents[3]
FOLDER = Path(methods.__file__).parent


def source(name):
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def test_the_committed_page_is_current():
    committed = (ROOT / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
    assert committed == page(), "python -m tutelage.methods.explain > docs/reference/methods.md"


@pytest.mark.parametrize("name", METHODS)
def test_every_file_says_source_departures_and_when(name):
    title, said = header(source(name))
    assert title.endswith(".")
    assert tuple(said) == HEADINGS
    assert all(text.endswith(".") for text in said.values()), said
    if name != "baseline":
        assert str(METHODS[name].year) in said["Source"], "the year in METHODS"
        assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi:10\.|ICLR|CVPR", said["Source"])
        for author in re.findall(r"[A-Z][a-z]+", METHODS[name].paper):
            assert author in said["Source"], "the authors in METHODS"


@pytest.mark.parametrize("name", METHODS)
def test_every_field_says_what_it_is(name):
    cls = method_class(name)
    documented = field_texts(source(name), cls.__name__)
    assert list(documented) == [field.name for field in fields(cls)]
    for field, text in documented.items():
        assert text.endswith("."), field


@pytest.mark.parametrize("name", METHODS)
def test_every_number_has_a_range(name):
    cls = method_class(name)
    numbers = {field.name for field in fields(cls) if type(field.default) in (int, float)}
    assert numbers <= ranges(cls).keys()


@pytest.mark.parametrize("name", METHODS)
def test_the_formula_names_every_weight_of_the_method(name):
    """A weight that the formula forgets is one that nobody understands."""
    cls = method_class(name)
    for name in (field.name for field in fields(cls)):
        if name.endswith("weight") or name in ("alpha", "smoothing", "gamma", "warm_up"):
            assert re.search(rf"\b{name}\b", cls.__doc__), name


def test_text_is_ascii_and_fits_the_page():
    for line in page().splitlines():
        assert line.isascii()
        assert len(line) <= 124, line
        assert not re.match(r"\s+[->+]", line) or line.startswith("    "), line


EXAMPLE = '''
"""Twice as good: two lines
of title.

Source: a book,
    page 3.
Departures: none.
When: never.
"""


class Twice(Method):
    """2 CE(labels, student).

    A second line.
    """

    alpha: Share = 0.9
    """Share of something."""
    temperature: Temperature = 4.0
    """T > 0, divides
    both logits."""
    standardize: bool = False
    """Or not."""
    teacher_weight: float = 1.0
    """As heavy."""
'''


def test_describe_puts_together_what_the_file_says():
    kd = method_class("kd")
    twice = type("Twice", (kd,), {"__doc__": ast.get_docstring(ast.parse(EXAMPLE).body[1], clean=False)})
    assert (
        describe("twice", twice, EXAMPLE, ("twice_loss", "once"))
        == """\
## twice

Twice as good: two lines of title.

    2 CE(labels, student).

    A second line.

- Source: a book, page 3.
- Departures: none.
- When: never.
- Reads of the teacher: logits; its cached answers are enough
- Reads of the student: logits
- Adds to the student: nothing
- Couples the batch: no: its loss is a mean over samples
- Mixed labels: yes
- Functions: `twice_loss`, `once`

Fields:

- `temperature` = 4.0. T > 0, divides both logits.
- `alpha` = 0.9, in [0, 1]. Share of something.
- `standardize` = False. Or not.
- `teacher_weight` = 1.0, in [0, inf). As heavy.
"""
    )


def test_explain_says_what_a_method_costs_and_refuses():
    assert "Reads of the teacher: nothing, there is none" in explain("baseline")
    assert "Reads of the teacher: features (the maps of its stages); it is asked at every step" in explain("at")
    assert "Reads of the student: logits and regions (logits of 16 parts of the image)" in explain("sdd")
    assert "Mixed labels: no" in explain("dkd")
    assert "Couples the batch: yes: pairs of samples are compared" in explain("cc")
    assert "parts of its own (adapters), dropped at the end" in explain("ctkd")
    assert "parts of its own (adapters), which stay" in explain("simkd")


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("kd", {"temperature": 2.0, "teacher_weight": 10.0}),
        ("dkd", {"temperature": 2.0, "target_weight": 9.0, "others_weight": 72.0}),
        ("ctkd", {"teacher_weight": 10.0}),
    ],
)
def test_explain_shows_the_line_of_standardised_logits_and_it_can_be_typed(name, published):
    [typed] = re.findall(r"`(--[^`\n]*)`", explain(name))
    flags = parsed(TrainFlags, "train", ["digits", name, *typed.split()])
    assert flags.recipe.method == method_class(name)(standardize=True, **published)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mlkd", {"batch_weight": 0.45 / 20, "class_weight": 0.45 / 400}),
        ("cat_kd", {"teacher_weight": 1.5}),
        ("wkd_l", {"others_weight": 60.0}),
    ],
)
def test_explain_shows_the_line_for_ten_classes_and_it_can_be_typed(name, weights):
    [line] = re.findall(r"(?s)- Published weight: (.*?)\n- ", explain(name))
    [typed] = re.findall(r"`(--[^`\n]*)`", line)
    method = parsed(TrainFlags, "train", ["digits", name, *typed.split()]).recipe.method
    assert {field: getattr(method, field) for field in weights} == pytest.approx(weights, rel=0.03)


def test_explain_of_an_unknown_name_names_the_nearest():
    with pytest.raises(UserError, match='"dkt"') as error:
        explain("dkt")
    assert "dkd" in error.value.hint


def test_explain_reads_a_method_of_the_users_own():
    text = explain(f"{ROOT / 'examples' / 'new_method.py'}:Cosine")
    assert ":Cosine" in text.splitlines()[0]
    assert "- `teacher_weight` = " in text
