"""The one exception that a user sees, and the error for a name that is in no table."""

import pytest

from tutelage.errors import Diverged, UserError, unknown


def test_an_error_prints_what_is_wrong_and_what_to_do():
    assert str(UserError("views = -1", "choose 1 or more")) == "views = -1\n\nhint: choose 1 or more"
    assert str(UserError("views = -1")) == "views = -1"


def test_a_search_can_step_over_divergence_alone():
    with pytest.raises(UserError):
        raise Diverged("the loss is not finite")
    assert not isinstance(UserError("a typing mistake"), Diverged)


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("resnet21", ["resnet20", "convnet"], 'did you mean "resnet20"?'),
        ("RESNET20", ["resnet20", "convnet"], 'did you mean "resnet20"?'),
        ("xyz", ["kd", "at"], "known: at, kd"),
        ("xyz", [], "there is none to choose from"),
        ("xyz", [f"network{i}" for i in range(13)], "there is nothing of a similar name"),
    ],
    ids=["near", "case", "few", "none", "many"],
)
def test_an_unknown_name_is_told_with_its_neighbours(name, known, hint):
    error = unknown("model", name, known)
    assert error.message == f'unknown model "{name}"'
    assert error.hint == hint
    assert unknown("model", name, known, "tutelage list models").hint == f"{hint} (tutelage list models lists them all)"
