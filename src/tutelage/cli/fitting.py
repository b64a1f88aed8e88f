"""Chooses a student by what a microcontroller has, says what one takes, and lists who fits; lists import no torch."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tutelage.edge.bytes import Budget, budget
from tutelage.errors import UserError
from tutelage.models import ladder
from tutelage.models.ladder import Choice, Rung

if TYPE_CHECKING:
    from tutelage.cli.flags import DistillFlags
    from tutelage.run.recipe import Recipe
    from tutelage.run.workspace import Workspace

FLAG = "--fit-in"


def fitted(flags: "DistillFlags", arguments: Iterable[str]) -> "DistillFlags":
    """The flags with the largest student of the ladder that fits; as they are without --fit-in.

    Args:
        flags: What was written, as a recipe.
        arguments: What was written, as words.

    Raises:
        UserError: it is no budget, nothing fits, or a student is named too.
    """
    if not flags.fit_in:
        return flags
    from tutelage import data, progress

    room = budget(flags.fit_in, FLAG)
    if any(word.partition("=")[0] in ("--student", "--student.name", "--student.options") for word in arguments):
        raise UserError(f"--student and {FLAG} both choose the student", "leave one of them out")
    dataset = data.load(flags.recipe.data, flags.data_root)
    _, height, width = dataset.train.shape
    choice = ladder.choose(room, max(height, width), len(dataset.classes))
    for line in in_words(choice, room, max(height, width)):
        progress.say(line)
    _say_what_is_missing()
    model = choice.rung.model
    student = dataclasses.replace(flags.recipe.student, name=model.name, options=model.options, stages=())
    return dataclasses.replace(flags, recipe=dataclasses.replace(flags.recipe, student=student))


def _say_what_is_missing() -> None:
    """Before anything is trained: without its packages a study ends without the file."""
    from tutelage import progress
    from tutelage.export.formats import chosen

    try:
        chosen(["mcu"])
    except UserError as missing:
        progress.say(f"warning: there will be no file for the microcontroller: {missing.message}; {missing.hint}")


def room_of(flags: "DistillFlags") -> Budget | None:
    """What --fit-in says; None without it."""
    return budget(flags.fit_in, FLAG) if flags.fit_in else None


def in_words(choice: Choice, room: Budget, size: int) -> list[str]:
    """The choice, and the rungs on either side of it."""
    rung, smaller, larger = choice
    sizes = f"at {rung.size} pixels" if rung.size == size else f"at {rung.size} pixels; of {size} it takes at most that"
    lines = [f"{FLAG} {room}: {rung.name}, {_needs(rung)} {sizes}"]
    if smaller:
        lines.append(f"  next smaller: {smaller.name}, {_needs(smaller)}")
    if larger:
        lines.append(f"  next larger: {larger.name}, {_needs(larger)}: {_excess(larger, room)}")
    return lines


def say_what_it_takes(recipe: "Recipe", workspace: "Workspace") -> None:
    """Prints the flash and RAM of a recipe's student, which may be untrained."""
    from tutelage import data, progress
    from tutelage.export import untrained
    from tutelage.models import DataSpec

    dataset = data.load(recipe.data, workspace.data_root)
    channels, height, _ = dataset.train.shape
    spec = DataSpec(len(dataset.classes), channels, height, dataset.mean, dataset.std)
    try:
        needs = untrained.in_words(untrained.taken(recipe.student, spec))
    except UserError as lacking:
        needs = lacking.message
    progress.say(f"check: student {recipe.student.name}: {needs}")


def listed(text: str, size: int, classes: int) -> list[tuple[str, ...]]:
    """A heading and the rungs that fit, the largest first.

    Args:
        text: FLASH/RAM.
        size: Side of the images in pixels; 0: of each network the largest that fits.
        classes: How many.

    Raises:
        UserError: it is no budget, or nothing fits.
    """
    room = budget(text, FLAG)
    if size:
        ladder.choose(room, size, classes)
        fitting = [rung for rung in ladder.rungs(size, classes) if rung.fits(room)]
    else:
        ladder.choose(room, ladder.SIZES[0], classes)
        all_sizes = (rung for pixels in ladder.SIZES for rung in ladder.rungs(pixels, classes))
        by_name = {rung.name: rung for rung in all_sizes if rung.fits(room)}
        fitting = sorted(by_name.values(), key=lambda rung: rung.macs)
    rows = [("model", "options", "pixels", "flash", "RAM", "multiply-adds")]
    return rows + [
        (rung.model.name, _options(rung), str(rung.size), f"{rung.flash:,}", f"{rung.ram:,}", f"{rung.macs:,}")
        for rung in reversed(fitting)
    ]


def _options(rung: Rung) -> str:
    return "".join(f'{{"{name}": {value:g}}}' for name, value in rung.model.options.items())


def _needs(rung: Rung) -> str:
    return f"flash {rung.flash:,}, RAM {rung.ram:,} bytes, {rung.macs / 1e6:.3g} M multiply-adds"


def _excess(rung: Rung, room: Budget) -> str:
    over = {"flash": rung.flash - room.flash, "RAM": rung.ram - room.ram}
    return "too much " + " and ".join(name for name, bytes_over in over.items() if bytes_over > 0)
