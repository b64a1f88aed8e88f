"""Asks for the space of decoded photos before they are written, and says what they would take."""

import logging

from tutelage import files, progress
from tutelage.data import Keep
from tutelage.errors import UserError

log = logging.getLogger(__name__)

SHARE = 1 / 4
"""Of the free disk: what takes more is kept only where that is asked for."""


def is_there(needed: int, keep: Keep, what: str) -> bool:
    """Whether photos are to be written; a sentence where they would take too much unasked.

    Args:
        needed: Their bytes.
        keep: "file": asked for; "auto": not.
        what: Begins the sentence: "decoding train".

    Raises:
        UserError: it is asked for, and the disk has no room.
    """
    free, place = files.room(files.cache_folder())
    if keep == "file" and needed > free:
        raise UserError(
            f"{what}: kept photos take {progress.size(needed)}, and {progress.size(free)} are free in {place}",
            "let TUTELAGE_CACHE name a folder with space, or set data.keep = none: they are decoded anew each time",
        )
    if keep == "auto" and needed > SHARE * free:
        log.info(
            "%s anew each time: kept photos would take %s of the %s that are free in %s; --data.keep file keeps them",
            *(what, progress.size(needed), progress.size(free), place),
        )
        return False
    return True
