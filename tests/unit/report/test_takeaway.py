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
    # LaTeX companion, 2nd edition, section 1.4: the first ten characters are special. In a font of TeX's own encoding
    # < and > are other signs; [ and * behind the end of a line are its options.
    lines = as_latex([{"a_b": "\\input{x} # $ % & _ ~ ^ <>|", "b": 1.5}, {"a_b": "[2cm]* x", "b": -1e-7}]).splitlines()
    assert lines[1] == r"\begin{tabular}{@{}lr@{}}"
    assert lines[3] == r"\shortstack[l]{a\\b} & \shortstack[r]{b} \\"
    assert lines[5] == (
        r"\textbackslash{}input\{x\} \# \$ \% \& \_ \textasciitilde{} \textasciicircum{}"
        r" \textless{}\textgreater{}\textbar{} & 1.5 \\"
    )
    assert lines[6] == r"{[}2cm]{*} x & $-1 \times 10^{-7}$ \\"


def test_people_read_what_fits_a_page(capsys):
    names = ["method", "n", "val_top1", "val_top1_sd", "test_nll", "test_top1", "gain_test", "gain_test_low"]
    row = dict.fromkeys(names, 1)
    take([row], "md", None)
    assert capsys.readouterr().out.splitlines()[0] == "| method | n | test_top1 | gain_test | gain_test_low |"
    take([row], "csv", None)
    assert capsys.readouterr().out.splitlines()[0].split(",") == names
    take([{name: 1 for name in ("runs", "val_nll", "val_top1", "difference", "difference_n")}], "md", None)
    assert capsys.readouterr().out.splitlines()[0] == "| runs | val_top1 | difference |"


def test_columns_are_those_that_were_named(capsys):
    take(RECORDS, "csv", None, ("sd", "method"))
    assert capsys.readouterr().out.splitlines()[0] == "sd,method"
    with pytest.raises(UserError, match='unknown column "top2"') as error:
        take(RECORDS, "csv", None, ("top2",))
    assert '"top1"' in error.value.hint
    with pytest.raises(UserError, match='unknown column "accuracy"') as error:
        take(RECORDS, "csv", None, ("accuracy",))
    assert '"top1"' in error.value.hint


def test_a_file_is_what_the_terminal_would_show(tmp_path, capsys):
    for name in ("csv", "json", "md", "latex"):
        take(RECORDS, name, None, ["method", "top1"])
        take(RECORDS, name, tmp_path / name, ["method", "top1"])
        assert (tmp_path / name).read_text() == capsys.readouterr().out


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(UserError, match="unknown format") as error:
        take(RECORDS, "latx", None)
    assert "latex" in error.value.hint


def test_the_flags_offer_what_there_is():
    from tutelage.cli.taking import FORMATS as OFFERED

    assert tuple(FORMATS) == OFFERED
