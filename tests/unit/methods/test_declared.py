"""What is read of a method's file without torch is what the file says."""

import dataclasses
import inspect
import subprocess
import sys

import pytest

from tutelage.methods import COMBINATIONS, METHODS, method_class, method_name
from tutelage.methods.base import Adapted, Extended, ranges
from tutelage.methods.declared import declarations
from tutelage.methods.finding import method_at_defaults


@pytest.mark.parametrize("name", [*METHODS, *COMBINATIONS])
def test_a_declaration_is_that_of_the_class(name):
    real = method_class(name)
    with declarations():
        read = method_class(name)
    assert read is not real
    fields = [[(f.name, f.default) for f in dataclasses.fields(cls)] for cls in (real, read)]
    assert fields[0] == fields[1]
    assert ranges(read) == ranges(real)
    for said in ("needs", "student_needs", "mixable", "claims"):
        assert getattr(read, said) == getattr(real, said)
    assert [issubclass(read, kind) for kind in (Adapted, Extended)] == [
        issubclass(real, kind) for kind in (Adapted, Extended)
    ]
    assert inspect.getdoc(read) == inspect.getdoc(real)
    # What checks shapes in the tests decorates the real class once more: to Python 3.13 its source begins after that.
    sources = [inspect.getsource(cls) for cls in (real, read)]
    assert sources[0][sources[0].index("class ") :] == sources[1][sources[1].index("class ") :]


def test_a_declared_method_has_its_name_and_its_range():
    with declarations():
        both = method_at_defaults("kd+at")
        kd = method_class("kd")
        assert method_name(both) == "sum"
        assert both.needs == {"logits", "features"}
        with pytest.raises(Exception, match="temperature = 0 is outside"):
            kd(temperature=0)
    assert method_class("kd") is not kd


def test_declarations_import_no_torch():
    code = (
        "import sys\n"
        "from tutelage.methods.finding import method_at_defaults\n"
        "from tutelage.methods.declared import declarations\n"
        "with declarations():\n"
        f"    [method_at_defaults(name) for name in {list(METHODS)!r}]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
