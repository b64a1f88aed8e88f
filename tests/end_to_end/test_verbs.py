"""A finished run measured and exported in one call each."""

import tutelage


def test_a_run_is_measured_on_val(finished_run):
    assert tutelage.evaluate(finished_run)["val"]["images"] == 144


def test_a_run_is_exported_and_measured(finished_run):
    (measured,) = tutelage.export_student(finished_run, ["torch"], force=True).values()
    assert (finished_run.path / measured["file"]).is_file()
