"""README.md of an exported student: every number from the run's folder, no folder of this machine."""

import shutil

import pytest
from huggingface_hub import ModelCard

import small
from tutelage.errors import Damaged
from tutelage.export.modelcard import keep_test, write_model_card
from tutelage.run.folder import Run
from tutelage.training.predictions import evaluate_run


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    runs = tmp_path_factory.mktemp("card") / "runs"
    shutil.copytree(finished_run.path.parent, runs)
    run = Run(runs / finished_run.path.name)
    evaluate_run(run, small.digits())
    row = {"file": "student.onnx", "bytes": 5000, "val_top1": 0.875, "same_predictions": 0.99}
    row["latency_ms"] = {"p50": 0.125, "p90": 0.25}
    run.keep("export", {"onnx": row})
    return run


def test_the_hub_reads_what_was_measured(run):
    card = ModelCard.load(write_model_card(run))
    val = run.result("evaluation")["val"]
    told = {r.metric_type: r.metric_value for r in card.data.eval_results}
    assert told["accuracy"] == round(val["top1"], 4)
    assert told["ece"] == round(val["ece"], 4)
    assert {r.dataset_split for r in card.data.eval_results} == {"validation"}
    assert "kd" in card.data.tags


def test_files_and_limits_are_told(run):
    text = write_model_card(run).read_text()
    assert "| `student.onnx` | " in text
    assert "| 87.50 % | not measured | 99.00 % | 0.125 | 0.25 |" in text
    assert "Never measured on test images" in text
    assert "taught by convnet with `kd`" in text
    assert "temperature 4.0" in text


def test_what_a_chip_and_its_npu_take_is_told(run):
    plain = run.result("export")
    npu = {"npu": "ethos-u55-128", "file": "x-ethos.tflite", "cycles": 312_519, "ms": 0.625, "clock_hz": 5e8}
    npu |= {"sram_bytes": 53_936, "on_cpu": ["MEAN"], "vela": "5.2.0"}
    chip = {"flash_bytes": {"total": 132_000}, "ram_bytes": {"arena": 58_432}, "npu": npu}
    run.keep("export", {"mcu": plain["onnx"] | chip})
    text = write_model_card(run).read_text()
    run.keep("export", plain)
    assert "takes 132 kB of flash" in text
    assert "Compiled for Arm's ethos-u55-128 as `x-ethos.tflite`: 312,519 cycles, 0.625 ms at 500 MHz" in text
    assert "53,936 bytes of SRAM, by the estimate of Vela 5.2.0; on the controller: MEAN." in text


def test_test_numbers_stand_where_the_split_was_opened(run):
    test = run.result("evaluation")["val"] | {"top1": 0.5}
    keep_test(run, test)
    card = ModelCard.load(write_model_card(run))
    assert {(r.dataset_split, r.metric_value) for r in card.data.eval_results if r.metric_type == "accuracy"} >= {
        ("test", 0.5)
    }
    assert "Never measured on test" not in card.text


def test_damaged_numbers_on_test_are_named_and_written_again(run, caplog):
    test = run.result("evaluation")["val"] | {"top1": 0.5}
    keep_test(run, test)
    (run.path / "test.json").write_text((run.path / "test.json").read_text().replace("0.5", "0.9"))
    with pytest.raises(Damaged) as damaged:
        write_model_card(run)
    assert damaged.value.hint == "tutelage distill with the study's recipe writes it again"
    keep_test(run, test)
    assert "test.json is damaged" in caplog.text
    assert run.result("test") == test


def test_no_folder_of_this_machine_is_in_it(run, tmp_path_factory):
    assert str(tmp_path_factory.getbasetemp()) not in write_model_card(run).read_text()
