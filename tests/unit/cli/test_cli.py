"""The command line as a whole: which command runs, and how each kind of end is told and numbered."""

import io
import logging
import shlex
import sys
from contextlib import suppress

import pytest
from rich.console import Console

from tutelage import __version__, cli, progress
from tutelage.errors import UserError


def raising(error):
    def command(name):
        def run(arguments):
            raise error

        return run

    return command


def ended(capsys, *words):
    """The exit code and both streams of a command."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(words))
    return stopped.value.code, *capsys.readouterr()


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["help"]])
def test_help_names_every_command(words, capsys):
    cli.main(words)
    out = capsys.readouterr().out
    assert all(f"  {form}" in out for form, _ in cli.COMMANDS.values())


def test_the_version_is_printed(capsys):
    cli.main(["--version"])
    assert capsys.readouterr().out == f"tutelage {__version__}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_function(name):
    assert callable(cli.command(name))


@pytest.mark.parametrize("words", [["train", ""], ["data", "check", ""], ["compare", "a", "", "b"]])
def test_an_empty_word_is_not_taken_for_this_folder(words, capsys):
    code, _, err = ended(capsys, *words)
    assert code == 2
    assert "a word of the command is empty" in err
    assert "write . where this folder is meant" in err


def test_an_empty_value_of_a_flag_is_its_own(capsys):
    cli.main(["list", "methods", "--filter", ""])
    assert "kd" in capsys.readouterr().out


def test_an_unknown_command_is_told_with_the_nearest(capsys):
    code, out, err = ended(capsys, "distil")
    assert (code, out) == (2, "")
    assert err.startswith('error: unknown command "distil"\n\nhint: did you mean "distill"')


@pytest.mark.parametrize("word", ["digits", "my photos"])
def test_a_recipe_or_a_folder_in_the_place_of_the_command_is_told_what_comes_first(word, capsys, tmp_path, monkeypatch):
    (tmp_path / "my photos").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = ended(capsys, word, "distill")
    assert (code, err.splitlines()[-1]) == (2, f"hint: the command comes first: tutelage distill {shlex.quote(word)}")


@pytest.mark.parametrize("name", ["distill", "export", "explain", "data"])
def test_help_of_a_command_is_that_commands_help(name, capsys):
    for words in (["help", name], [name, "--help"]):
        with suppress(SystemExit):
            cli.main(words)
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]
    assert out.startswith(f"usage: tutelage {name} ")


def test_a_hub_that_does_not_answer_is_told_once(monkeypatch):
    """Its client asks six times for each of two files, and logs every try and every wait."""
    from huggingface_hub.utils._http import logger

    told = io.StringIO()
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(told)])
    cli._log_to_stderr()
    for seconds in (1, 2):
        logger.warning("'[Errno -2] Name or service not known' thrown while requesting HEAD https://hub/file")
        logger.warning(f"Retrying in {seconds}s [Retry {seconds}/5].")
    logger.warning("something else")
    assert told.getvalue().splitlines() == [
        "the Hugging Face hub does not answer; it is asked again for up to a minute",
        "something else",
    ]


@pytest.mark.parametrize(
    ("error", "code", "first", "last"),
    [
        (UserError("no such thing", "look elsewhere"), 2, "error: no such thing", "hint: look elsewhere"),
        (KeyboardInterrupt(), 130, "", "stopped; the same command goes on from there"),
        (KeyboardInterrupt("stopped after step 7 of 9"), 130, "", "stopped after step 7 of 9; the same command"),
        (
            OSError(28, "No space left on device", "/full/file"),
            2,
            "error: there is no room left to write /full/file",
            "hint: ",
        ),
    ],
    ids=["mistake", "Ctrl-C", "Ctrl-C with a step", "full disk"],
)
def test_every_end_has_its_words_and_code(error, code, first, last, capsys, monkeypatch):
    monkeypatch.setattr(cli, "command", raising(error))
    number, out, err = ended(capsys, "list")
    assert (number, out) == (code, "")
    lines = err.rstrip().split("\n")
    assert lines[0] == first
    assert lines[-1].startswith(last)
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--help"], ["list", "models"], ["list", "recipes"], ["list", "methods"]])
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_what_is_listed_fits_a_narrow_terminal(words, columns, monkeypatch, capsys):
    cli.main(words)
    whole = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", str(columns))
    cli.main(words)
    assert capsys.readouterr().out == whole, "a pipe is no terminal"
    monkeypatch.setattr(cli.sys.stdout, "isatty", lambda: True)
    cli.main(words)
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= columns
    assert {line.split()[0] for line in whole.splitlines()[1:] if line} <= set(narrow.split())


def test_a_line_of_the_log_goes_above_a_bar(monkeypatch):
    """Written straight to the terminal it would be a part of the bar's line."""
    shown, straight = io.StringIO(), io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=True, width=100, highlight=False))
    handler = cli.BesideBars(straight)
    with progress.several("run", 4) as at:
        at(1, 0)
        handler.emit(logging.LogRecord("tutelage", logging.INFO, "", 0, "val 97.92 %", (), None))
    assert ("val 97.92 %" in shown.getvalue(), straight.getvalue()) == (True, "")
    monkeypatch.delitem(sys.modules, "tutelage.progress")
    handler.emit(logging.LogRecord("tutelage", logging.INFO, "", 0, "no bar is there", (), None))
    assert straight.getvalue() == "no bar is there\n"
