"""What is read of the processor: its instructions, and whether TensorFlow is to use oneDNN."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from trialmaker.platform import processor

AVX2, AVX512 = "fpu sse4_2 avx2 fma", "avx2 avx512f avx512bw"
VARIABLES = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file that says what the processor has, with no variable that changes it."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # as before its import
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    ("flags", "instructions", "setting", "uses_onednn", "has_bfloat16"),
    [
        ("fpu sse4_2", "x86_64", {}, False, False),
        (AVX2, "AVX2", {"TF_ENABLE_ONEDNN_OPTS": "1"}, True, False),
        (f"{AVX2} avx_vnni", "AVX2", {}, True, False),
        (AVX512, "AVX-512", {"TF_ENABLE_ONEDNN_OPTS": "1"}, True, False),
        (f"{AVX512} avx512_vnni", "AVX-512", {}, True, False),
        (f"{AVX512} avx512_vnni avx512_bf16", "AVX-512 with bfloat16", {}, True, True),
        (f"{AVX512} avx512_bf16 amx_tile amx_bf16", "AMX with bfloat16", {}, True, True),
    ],
)
def test_onednn_is_on_where_it_pays(
    flags: str, instructions: str, setting: dict[str, str], uses_onednn: bool, has_bfloat16: bool, machine: Path
) -> None:
    machine.write_text(f"model name\t: a processor\nflags\t\t: {flags}\n")
    told = (processor.instructions(), processor.onednn_setting(), processor.uses_onednn())
    assert (*told, processor.computes_in_bfloat16()) == (instructions, setting, uses_onednn, has_bfloat16)
    assert ("TF_ENABLE_ONEDNN_OPTS=1" in processor.description()) == bool(setting)  # before it is set as after it


@pytest.mark.parametrize(
    ("variable", "value", "uses_onednn", "has_bfloat16"),
    [
        ("TF_ENABLE_ONEDNN_OPTS", "0", False, False),
        ("TF_ENABLE_ONEDNN_OPTS", "1", True, True),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", True, False),
    ],
)
def test_what_a_person_set_counts(
    variable: str, value: str, uses_onednn: bool, has_bfloat16: bool, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write_text(f"flags : {AVX512} avx512_bf16\n")
    monkeypatch.setenv(variable, value)
    assert (processor.uses_onednn(), processor.computes_in_bfloat16()) == (uses_onednn, has_bfloat16)
    assert f"{variable}={value}" in processor.description()


def test_a_setting_counts_only_if_tensorflow_was_imported_with_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write_text(f"flags : {AVX2}\n")
    assert processor.onednn_text() == "oneDNN on"
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert processor.onednn_text() == "oneDNN off"
    assert "TF_ENABLE_ONEDNN_OPTS" not in processor.description()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    assert processor.onednn_text() == "oneDNN on"


@pytest.mark.usefixtures("machine")
def test_a_machine_that_does_not_say_has_nothing() -> None:
    assert processor.onednn_text() == ""  # as on ARM
    assert not (processor.uses_onednn() or processor.computes_in_bfloat16() or processor.onednn_setting())
