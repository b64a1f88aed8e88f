"""Runs `python -m tutelage.cli`, the command line where the `tutelage` command is not on the path."""

from tutelage.cli import main

main()
