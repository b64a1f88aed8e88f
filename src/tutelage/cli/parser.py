"""Reads the words of the commands that take no recipe, and tells a mistake in them as every other mistake is told."""

import argparse
import re
from typing import Any, NoReturn

from tutelage.errors import UserError, unknown
from tutelage.names import shown

SENTENCES = (
    (r"argument (\S+): expected (one argument|at least one argument)", r"\1 has no value behind it"),
    (r"argument (\S+): invalid int value: (.*)", r"\1 = \2 is not a whole number"),
    (r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)", r"\1 = \2 is none of \3"),
    (r"argument (\S+): invalid float value: (.*)", r"\1 = \2 is not a number"),
    (r"argument (\S+): (.*)", r"\1: \2"),
)
"""What argparse says, and the same as our messages say it."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UserError, and knows the nearest flag to one that does not exist."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Reads all words.

        Raises:
            UserError: one is missing, unknown, or no value of its flag.
        """
        chosen, left = self.parse_known_args(args, namespace)
        flag = next((word.partition("=")[0] for word in left if word.startswith("-")), "")
        if flag:
            known = set(self._option_string_actions) - {"-h", "--help"}
            raise UserError(f"unknown flag {shown(flag)}", unknown("flag", flag, known, f"{self.prog} --help").hint)
        if left:
            raise UserError(f"{shown(left[0])} is one word too many", self._help)
        return chosen

    def error(self, message: str) -> NoReturn:
        """Raises what argparse would print."""
        missing = re.fullmatch("the following arguments are required: (.*)", message)
        if missing:
            raise UserError(f"{self.prog} needs {missing[1].replace(', ', ' and ')}", self._help)
        for pattern, sentence in SENTENCES:
            if re.fullmatch(pattern, message, re.DOTALL):
                message = re.sub(pattern, sentence, message, flags=re.DOTALL)
                break
        raise UserError(shown(message), self._help)

    @property
    def _help(self) -> str:
        return f"{self.prog} --help shows what it takes"
