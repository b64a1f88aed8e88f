"""What is wrong with --to, --columns and --output is said before anything is read."""

import pytest

from tutelage.cli import main


@pytest.mark.parametrize("command", ["compare", "report"])
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--output", "table.csv"], "--output table.csv without --to"),
        (["--columns", "n", "method"], "--columns n method without --to"),
        (["--to", "parquet"], "a Parquet file is no text for a terminal"),
        (["--to", "latx"], 'did you mean "latex"?'),
        (["--to", "markdown"], "known: csv, json, latex, md, parquet"),
    ],
)
def test_mistakes_are_told_first(command, flags, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "no-such-folder", *flags])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
