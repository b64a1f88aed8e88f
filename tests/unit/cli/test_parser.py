"""Commands without a recipe tell a mistake as all others: what was written, what to do next, no usage around it."""

import pytest

from tutelage.cli import main


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("report", "tutelage report needs STUDY", "tutelage report --help shows what it takes"),
        ("push", "tutelage push needs RUN and REPO_ID", "tutelage push --help shows what it takes"),
        ("report a b", "b is one word too many", "tutelage report --help shows what it takes"),
        ("export a --formt onnx", "unknown flag --formt", 'did you mean "--format" or "--force"?'),
        ("cache prune --olde 3", "unknown flag --olde", "known: --all, --runs"),
        ("export a --flash", "--flash has no value behind it", "tutelage export --help"),
        ("compare --columns --json", "--columns has no value behind it", "tutelage compare --help"),
        ("predict a.onnx b.png --top x", "--top = 'x' is not a whole number", "tutelage predict --help"),
        ("export a --input int9", "--input = 'int9' is none of 'int8', 'uint8'", "tutelage export --help"),
    ],
)
def test_a_mistake_in_the_words(words, message, hint, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith(f"error: {message}\n\nhint: ")
    assert hint in err
    assert "usage" not in err


def test_a_name_from_outside_is_shown_and_moves_no_cursor(capsys):
    with pytest.raises(SystemExit):
        main(["report", "a", "b\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err
