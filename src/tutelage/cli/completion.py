"""Runs `tutelage completion`, which prints what a shell needs to complete commands, names and flags."""

import argparse
import contextlib
import io
import re
from collections.abc import Iterable
from pathlib import Path

from tutelage.cli import COMMANDS, command
from tutelage.cli.parser import Parser
from tutelage.data import DATASETS
from tutelage.methods import METHODS
from tutelage.models import MODELS
from tutelage.run.builtin import RECIPES

SHELLS = {
    "bash": """_tutelage() {
    local IFS=$'\\n'
    COMPREPLY=($(tutelage completion --candidates "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tutelage tutelage
""",
    "zsh": """#compdef tutelage
_tutelage() {
    local -a found
    found=(${(f)"$(tutelage completion --candidates "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _tutelage tutelage
""",
    "fish": """function __tutelage
    set -l words (commandline -opc) (commandline -ct)
    tutelage completion --candidates $words[2..-1] 2>/dev/null
end
complete -c tutelage -a '(__tutelage)'
""",
}
"""By shell: what it has to read once."""
HOW = """once in a shell, or in the file that it reads when it begins:
  bash  source <(tutelage completion bash)                ~/.bashrc
  zsh   source <(tutelage completion zsh)                 ~/.zshrc, after compinit
  fish  tutelage completion fish | source                 ~/.config/fish/config.fish"""
TAKE_RECIPES = ("distill", "train", "tune", "check")
SECOND = {
    "cache": ("list", "fill", "verify", "prune"),
    "data": ("check",),
    "list": ("methods", "models", "datasets", "recipes"),
    "completion": tuple(SHELLS),
    "explain": METHODS,
    "recipe": RECIPES,
} | dict.fromkeys(TAKE_RECIPES, RECIPES)
"""What may stand after a command, of what has a name."""
THIRD = {"cache": RECIPES, "data": DATASETS} | dict.fromkeys(TAKE_RECIPES, METHODS)
VALUES = {"--student": MODELS, "--teacher": MODELS, "--methods": METHODS, "--beside": METHODS, "--data.name": DATASETS}
"""By flag."""


def completion(arguments: list[str]) -> None:
    """The script of a shell; or, for that script, what the last word of a line may be."""
    if arguments[:1] == ["--candidates"]:
        print("\n".join(candidates(arguments[1:])))
        return
    parser = Parser(
        "tutelage completion",
        description="What a shell needs to complete tutelage's commands, names and flags.",
        epilog=HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    print(SHELLS[parser.parse_args(arguments).shell], end="")


def candidates(words: list[str]) -> list[str]:
    """What the last of some words may become; empty: a path, or nothing that is known.

    >>> candidates(["dis"]), candidates(["distill", "cifar1"]), candidates(["train", "digits", "rk"])
    (['distill'], ['cifar10', 'cifar100'], ['rkd'])
    """
    *before, last = words or [""]
    return sorted({name for name in _known(before, last) if name.startswith(last)})


def _known(before: list[str], last: str) -> Iterable[str]:
    if not before:
        return COMMANDS
    if before[0] not in COMMANDS:
        return ()
    if last.startswith("-"):
        return _flags(before)
    flag = next((word for word in reversed(before) if word.startswith("-")), None)
    if flag is not None:
        return VALUES.get(flag, ())
    return {1: SECOND, 2: THIRD}.get(len(before), {}).get(before[0], ())


def _flags(before: list[str]) -> list[str]:
    """Those that the command's own help names."""
    named = before[1 : next((i for i, word in enumerate(before) if word.startswith("-")), len(before))]
    takes_recipe = before[0] in TAKE_RECIPES or named[:1] in (["fill"], ["verify"])
    if before[0] in TAKE_RECIPES and not (named and (named[0] in RECIPES or Path(named[0]).exists())):
        named = []
    if before[0] == "cache" and takes_recipe:
        named = named[:1]
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        command(before[0])([*named, "--help", *(["all"] if takes_recipe else [])])
    shortcuts = ["--student", "--teacher"] if takes_recipe else []
    return re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text.getvalue()) + shortcuts
