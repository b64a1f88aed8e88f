"""When test images may be read: by the door, and never while somebody has shut it, however deep."""

import pytest

from tutelage.data.turnstile import no_test_split, passing, refuse_inside, require_passing
from tutelage.errors import UserError


def test_only_what_comes_through_the_door_passes():
    with pytest.raises(UserError, match=r"^a reader was asked for test images"):
        require_passing("a reader")
    with passing("a study"):
        require_passing("a reader")
    with pytest.raises(UserError):
        require_passing("a reader")


def test_shut_it_stays_shut_for_the_door_too_and_says_inside_what():
    @no_test_split("a search")
    def search():
        with no_test_split("a training run"), passing("a module"):
            raise AssertionError("it let somebody pass")

    with pytest.raises(UserError, match=r"^a module tried to open .* inside a training run, inside a search\n"):
        search()
    refuse_inside("a study")  # what failed inside has left nothing shut behind


def test_what_passes_before_it_is_shut_reads_no_more():
    with passing("a study"), no_test_split("a training run"), pytest.raises(UserError, match="inside a training run"):
        require_passing("a reader")
