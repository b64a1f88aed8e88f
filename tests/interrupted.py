"""The command line, where the second of several processes gets a signal: `python interrupted.py SIGNAL STEP WORDS ...`.

Processes that are started by spawning import this file again, as they would no other script, and are changed alike.
"""

import atexit
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from tutelage.training import launch
from tutelage.training.book import Book

launch.without_the_script = nullcontext


@atexit.register  # before all others, so it is called after them
def tell_of_threads():
    """Names gloo's threads that are still there at the end: they would use the interpreter when it has gone."""
    left = [name for task in Path("/proc/self/task").glob("*/comm") if "gloo" in (name := task.read_text())]
    os.write(1, f"left: {left}\n".encode())  # in one piece: several processes end at once


if sys.argv[1] != "none":
    number, step, note = signal.Signals[sys.argv[1]], int(sys.argv[2]), Book.note

    def noted(book, at, terms):
        """Notes the losses of a step."""
        note(book, at, terms)
        if (at + 1, os.environ.get("LOCAL_RANK")) == (step, "1"):
            signal.raise_signal(number)

    Book.note = noted

if __name__ == "__main__":
    from tutelage.cli import main

    main(sys.argv[3:])
