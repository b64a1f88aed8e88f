"""Writes shares as people read them, one way everywhere."""


def percent(share: float | None, places: int = 1) -> str:
    """A share as a percentage, "-" where there is none.

    >>> percent(0.76323), percent(None)
    ('76.3 %', '-')
    """
    return "-" if share is None else f"{100 * share:.{places}f} %"
