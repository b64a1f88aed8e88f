"""results.json is read whole or refused with a sentence."""

import json

import pytest

from studies import study
from tutelage.errors import UserError
from tutelage.report import results


def written(folder, text):
    (folder / "results.json").write_text(text)
    return folder


def test_what_was_written_is_read(tmp_path):
    assert results.read(written(tmp_path, json.dumps(study()))) == study()


@pytest.mark.parametrize("schema", [None, 0, 2, "1", [1]])
def test_another_schema_is_refused(tmp_path, schema):
    (tmp_path / "environment.json").write_text('{"command": "tutelage tune cats.toml kd"}')
    plain = study() | {"schema": schema}
    if schema is None:
        del plain["schema"]
    with pytest.raises(UserError, match="this version of tutelage reads schema 1") as refused:
        results.read(written(tmp_path, json.dumps(plain)))
    assert ("without a schema version" if schema is None else f"of schema {schema!r}") in refused.value.message
    newer = schema == 2
    assert refused.value.hint.endswith("update this one" if newer else "tutelage tune cats.toml kd")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"schema"', '{"schema": 1}{', "\x00\x01"])
def test_what_is_no_results_file_is_refused(tmp_path, text):
    with pytest.raises(UserError):
        results.read(written(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "results.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(UserError, match="is not JSON"):
        results.read(tmp_path)


@pytest.mark.parametrize("made_by", ["", "[]", "{}", '{"command": 3}', '{"command": "study.py"}'])
def test_without_the_command_that_made_it_one_is_named_all_the_same(tmp_path, made_by):
    (tmp_path / "environment.json").write_text(made_by)
    with pytest.raises(UserError) as refused:
        results.read(written(tmp_path, "{}"))
    assert "tutelage distill" in refused.value.hint


def test_a_study_without_results_is_told_what_goes_on(tmp_path):
    with pytest.raises(UserError, match="has no results yet"):
        results.read(tmp_path)
