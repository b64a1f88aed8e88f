"""The rows of a study, as the words of a command line ask for them."""

from dataclasses import replace

import pytest

import small
from tutelage.cli.distilling import rows, with_methods
from tutelage.cli.flags import DistillFlags, parsed
from tutelage.errors import UserError
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.run.builtin import photos

STUDENT = ("--student", "timm:resnet18")


@pytest.fixture
def folder(tmp_path):
    return str(small.photos(tmp_path / "colours"))


def of(*words):
    flags = parsed(DistillFlags, "distill", list(words))
    return rows(flags, of_photos=words[0] != "digits")


def test_methods_of_a_folder_are_at_what_suits_it_and_others_at_their_defaults(folder):
    kd, dkd = of(folder, *STUDENT, "--methods", "kd", "dkd")
    assert kd.method == photos.suited(KD(), kd) != KD()
    assert dkd.method == DKD()
    assert [one.method for one in of(folder, "--student", "resnet8", "--methods", "kd")] == [KD()]
    assert [one.method for one in of("digits", "--methods", "kd")] == [KD()]


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("digits kd,dkd --seeds 0 1", "digits --seeds 0 1 --methods kd dkd"),
        ("digits kd,my.py:Mine --help", "digits --help --methods kd my.py:Mine"),
        ("digits kd --augment.a 1,2", "digits kd --augment.a 1,2"),
        ("digits --data.splits a=b,c=d", "digits --data.splits a=b,c=d"),
        ("digits", "digits"),
    ],
)
def test_methods_with_commas_between_them_are_compared(words, read):
    assert with_methods(words.split()) == read.split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("digits kd,dkd --methods rkd", "kd,dkd and --methods both name methods"),
        ("digits kd --methods rkd", "kd and --methods both name methods"),
        ("digits --methods --views 2", "--methods has no value behind it"),
        ("digits --methods kd dkd --method.alpha 0.5", "--method.alpha would have no effect"),
        ("digits kd,dkd --method.alpha=0.5", "--method.alpha would have no effect"),
    ],
)
def test_what_would_have_no_effect_is_refused(words, message):
    with pytest.raises(UserError) as error:
        with_methods(words.split())
    assert error.value.message.startswith(message)


def test_before_a_row_with_unlabelled_images_comes_the_same_without(folder, tmp_path):
    small.photos(tmp_path / "more", images=2)
    more = str(tmp_path / "more")
    alone, taught = of(folder, *STUDENT, "--data.unlabeled", more)
    assert taught.data.unlabeled == more
    assert alone == replace(taught, data=replace(taught.data, unlabeled=""))
    assert len(of(folder, *STUDENT)) == 1
    *before, started = of(folder, *STUDENT, "--data.unlabeled", more, "--start_epochs", "3")
    assert (before, started) == ([alone, taught], replace(taught, start_epochs=3))
    unstarted, _ = of(folder, *STUDENT, "--start_epochs", "3")
    assert unstarted == alone
