"""The package itself: its public names, and what importing it costs."""

import subprocess
import sys

import pytest


def test_importing_the_package_imports_no_torch():
    units = ("cli", "data", "methods", "models", "run.builtin", "cli.listing")
    code = "import sys; " + "; ".join(f"import tutelage.{u}" for u in units) + "; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_public_names_are_there():
    import tutelage

    for name in tutelage.__all__:
        assert getattr(tutelage, name) is not None
    from tutelage import train

    assert callable(train)
    with pytest.raises(AttributeError):
        _ = tutelage.nothing


def test_completion_shows_the_public_names_and_no_others():
    import tutelage
    from tutelage import methods

    assert dir(tutelage) == sorted(tutelage.__all__)
    assert {"KD", "kd_loss", "DKD", "dkd_loss", "METHODS", "Method"} <= set(dir(methods))
    for name in dir(methods):
        assert getattr(methods, name) is not None
