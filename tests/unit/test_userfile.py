"""A Python file of the user's own: run by its path, told what is wrong with it."""

import pytest

from tutelage import userfile
from tutelage.errors import UserError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text("width = 7\n\ndef make_net():\n    return width\n")
    return path


def test_the_named_object_comes_back(file):
    assert userfile.load(f"{file}:make_net")() == 7
    assert userfile.load(f"{file}:width") == 7


@pytest.mark.parametrize(
    ("content", "name", "message", "hint"),
    [
        (None, "make_net", "there is no file", "FILE.py:NAME"),
        ("def make_net(:", "make_net", "fails when imported: SyntaxError", "mend the file"),
        ("import no_such_package_here", "make_net", "fails when imported: ModuleNotFoundError", "mend the file"),
        ("1 / 0", "make_net", "fails when imported: ZeroDivisionError", "mend the file"),
        ("def make_net(): ...", "makenet", 'unknown name in .*net.py "makenet"', '"make_net"'),
    ],
    ids=["absent", "syntax", "import", "error", "name"],
)
def test_what_is_wrong_is_told(content, name, message, hint, tmp_path):
    if content is not None:
        (tmp_path / "net.py").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        userfile.load(f"{tmp_path / 'net.py'}:{name}")
    assert hint in error.value.hint
