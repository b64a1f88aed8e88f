"""Runs `python -m tutelage`: the command line, as launchers such as torchrun start it."""

from tutelage.cli import main

main()
