"""What a processor says of itself, as Linux tells it; nothing elsewhere."""

import platform

import pytest

from tutelage.edge import processor

X86 = """processor\t: 0
model name\t: A CPU of 2017
flags\t\t: fpu sse2 avx avx2 avx512bw avx512_vnni avx_vnni_int16 amx_int8

processor\t: 1
model name\t: A CPU of 2017
flags\t\t: fpu
"""
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("told", "name", "sets"),
    [
        (X86, "A CPU of 2017", ["avx2", "avx512bw", "avx512_vnni", "amx_int8"]),
        (ARM, platform.machine(), ["asimd", "asimddp", "i8mm"]),
        (None, platform.machine(), []),
    ],
)
def test_name_and_instruction_sets(told, name, sets, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    if told is not None:
        (tmp_path / "cpuinfo").write_text(told)
    assert processor.name() == name
    assert processor.instruction_sets() == sets
