"""A run's final weights beside the card that says their checksum."""

import pytest

from tutelage import files, sealed
from tutelage.errors import Damaged
from tutelage.models.delivered import STUDENT, check_student


@pytest.fixture
def student(tmp_path):
    path = tmp_path / STUDENT
    path.write_bytes(b"weights")
    sealed.write_json(tmp_path / "card.json", {"weights_sha256": files.file_digest(path)}, "run-0123abcd/card.json")
    return path


def test_the_weights_that_were_written_pass(student):
    check_student(student)


def test_other_weights_and_none_are_named(student):
    student.write_bytes(b"weightz")
    with pytest.raises(Damaged, match=r"checksum is not the one in card\.json"):
        check_student(student)
    student.unlink()
    with pytest.raises(Damaged, match="it is gone") as error:
        check_student(student)
    assert str(student.parent) in error.value.hint


def test_a_damaged_card_is_named(student):
    card = student.with_name("card.json")
    card.write_text(card.read_text().replace("0123abcd", "0123abce"))
    with pytest.raises(Damaged, match=r"card\.json is damaged"):
        check_student(student)


def test_files_of_others_and_of_versions_that_wrote_no_checksum_are_not_looked_at(student):
    other = student.rename(student.with_name("teacher.safetensors"))
    check_student(other)
    files.write_json(student.with_name("card.json"), {"classes": []})
    check_student(student)
