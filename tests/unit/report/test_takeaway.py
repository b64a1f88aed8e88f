"""Records in five formats, each read back by somebody else."""

import io
import json

import pandas
import pytest

from tutelage.errors import UserError
from tutelage.report.takeaway import FORMATS, as_csv, as_json, as_latex, as_markdown, take

RECORDS = [
    {"method": "teacher A_1 & 100 %", "n": 1, "top1": 0.9339000000000001, "sd": None},
    {"method": 'kd, "T" | 4', "n": 3, "top1": 1 / 3, "sd": 0.0056},
]


def test_csv_comes_back_to_the_last_bit():
    frame = pandas.read_csv(io.StringIO(as_csv(RECORDS)))
    assert frame.top1.tolist() == [row["top1"] for row in RECORDS]
    assert frame.method.tolist() == [row["method"] for row in RECORDS]
    assert frame.sd.isna().tolist() == [True, False]


def test_json_comes_back_whole():
    assert json.loads(as_json(RECORDS)) == RECORDS


def test_parquet_comes_back_whole(tmp_path):
    take(RECORDS, "parquet", tmp_path / "table.parquet")
    frame = pandas.read_parquet(tmp_path / "table.parquet")
    assert frame.top1.tolist() == [row["top1"] for row in RECORDS]
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_markdown_is_a_table_whatever_a_name_holds():
    assert as_markdown(RECORDS).splitlines() == [
        "| method | n | top1 | sd |",
        "| --- | ---: | ---: | ---: |",
        "| teacher A_1 & 100 % | 1 | 0.9339 |  |",
        '| kd, "T" \\| 4 | 3 | 0.33333 | 0.0056 |',
    ]


def test_latex_escapes_what_latex_would_obey():
    # LaTeX companion, 2nd edition, section 1.4: these ten characters are special.
    text = as_latex([{"a": "\\input{x} # $ % & _ ~ ^", "b": 1.5}])
    row = text.splitlines()[5]
    assert row == (r"\textbackslash{}input\{x\} \# \$ \% \& \_ \textasciitilde{} \textasciicircum{} & 1.5 \\")
    assert text.splitlines()[1] == r"\begin{tabular}{lr}"


def test_a_file_is_what_the_terminal_would_show(tmp_path, capsys):
    for name in ("csv", "json", "md", "latex"):
        take(RECORDS, name, None)
        take(RECORDS, name, tmp_path / name)
        assert (tmp_path / name).read_text() == capsys.readouterr().out


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(UserError, match="unknown format") as error:
        take(RECORDS, "latx", None)
    assert "latex" in error.value.hint


def test_the_flags_offer_what_there_is():
    from tutelage.cli.taking import FORMATS as OFFERED

    assert tuple(FORMATS) == OFFERED
