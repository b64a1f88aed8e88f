"""Files for Arm's NPU: Vela's table is read as it writes it; what it refuses leaves nothing."""

import subprocess
from types import SimpleNamespace

import pytest

from tutelage.errors import UserError
from tutelage.export import npu

TABLE = """network,core_clock,inference_time,sram_memory_used,off_chip_flash_memory_used,cycles_total
student-int8,500000000.0,0.000625038,52.671875,77.40625,312519
"""
"""Of MLPerf Tiny's ResNet-8, by Vela 5.2.0."""
SAID = "Warning (supported operators) operator: MEAN, ofm: ''\nWarning (supported operators) operator: MEAN, ofm: ''\n"


@pytest.fixture
def vela(monkeypatch):
    """What it was asked; it writes what it wrote once."""
    asked = []

    def run(command, cwd, **more):
        asked.append(command)
        folder = command[command.index("--output-dir") + 1]
        with open(f"{folder}/student-int8_vela.tflite", "wb") as file:
            file.write(b"compiled")
        with open(f"{folder}/student-int8_summary_X.csv", "w") as file:
            file.write(TABLE)
        return SimpleNamespace(returncode=0, stdout=SAID, stderr="")

    monkeypatch.setattr(npu.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(npu, "version", lambda name: "5.2.0")
    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_its_estimates_are_read_and_its_file_stands_beside(vela, tmp_path):
    found = npu.compiled(tmp_path / "student-int8.tflite", "ethos-u55-128")
    assert "ethos-u55-128" in vela[0]
    assert (tmp_path / "student-int8-ethos-u55-128.tflite").read_bytes() == b"compiled"
    assert found["ms"] == pytest.approx(0.625038)
    assert found | {"ms": 0} == {
        "npu": "ethos-u55-128",
        "file": "student-int8-ethos-u55-128.tflite",
        "cycles": 312_519,
        "ms": 0,
        "clock_hz": 5e8,
        "sram_bytes": 53_936,
        "flash_bytes": 79_264,
        "on_cpu": ["MEAN"],
        "vela": "5.2.0",
    }
    assert npu.in_words(found) == (
        "ethos-u55-128: 312,519 cycles, 0.625 ms at 500 MHz, 53,936 bytes of SRAM, by the estimate of Vela 5.2.0; "
        "on the controller: MEAN; student-int8-ethos-u55-128.tflite"
    )


def test_its_files_are_known_by_their_names(tmp_path):
    for name in ("a-ethos-u55-32.tflite", "a-ethos-u85-2048.tflite", "a-ethos-u99-1.tflite", "b-ethos-u55-32.tflite"):
        (tmp_path / name).touch()
    found = [path.name for path in npu.files_beside(tmp_path / "a.tflite")]
    assert found == ["a-ethos-u55-32.tflite", "a-ethos-u85-2048.tflite"]


def test_what_it_refuses_leaves_nothing(vela, tmp_path, monkeypatch):
    def refuse(command, cwd, **more):
        return SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nRuntimeError: no networks\n\n")

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(UserError, match=r"Vela cannot compile a.tflite for ethos-u55-32: RuntimeError: no networks"):
        npu.compiled(tmp_path / "a.tflite", "ethos-u55-32")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_processor_is_refused_before_anything_else():
    with pytest.raises(UserError, match='unknown NPU "ethos-u55-100"'):
        npu.check("ethos-u55-100")


def test_without_vela_the_command_is_said(monkeypatch):
    monkeypatch.setattr(npu.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs ethos-u-vela") as raised:
        npu.check("ethos-u55-128")
    assert raised.value.hint == "pip install ethos-u-vela"
