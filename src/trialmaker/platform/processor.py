"""What a computation's last bits depend on beside the code: the kind of processor, and how many cores there are."""

import os
import platform as machine
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
GPU_INFO = Path("/proc/driver/nvidia/gpus")  # a folder a GPU, with a file ``information``
CPU_FIELDS = ("model name", "CPU implementer", "CPU part")  # of x86; of ARM
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
LARGEST_ISA = "ONEDNN_MAX_CPU_ISA"
TENSORFLOW_SWITCHES = (ONEDNN, LARGEST_ISA, "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")  # environment variables
INSTRUCTIONS = {
    "amx_bf16": "AMX with bfloat16",
    "avx512_bf16": "AVX-512 with bfloat16",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}  # by the kernel's flag, best first
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
ISAS_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2")  # oneDNN's names, in any case
# with one of these TensorFlow 2.21 uses oneDNN by itself
ONEDNN_BY_DEFAULT = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}


def description() -> str:
    """Return the kind of processor, the number of cores that this process may use, GPUs, and switches of TensorFlow."""
    kinds = [_field(CPU_INFO, name) for name in CPU_FIELDS]
    cpu = " ".join(kind for kind in kinds if kind) or machine.processor() or machine.machine()
    gpus = [_field(path / "information", "Model") for path in sorted(GPU_INFO.glob("*"))]
    values = _environment()
    switches = [f"{name}={values[name]}" for name in TENSORFLOW_SWITCHES if name in values]
    return ", ".join([cpu, f"{len(os.sched_getaffinity(0))} cores", *filter(None, gpus), *switches])


def computes_in_bfloat16() -> bool:
    """Return whether there are instructions for bfloat16, and TensorFlow uses them, by oneDNN."""
    return uses_onednn() and LARGEST_ISA not in os.environ and not _flags().isdisjoint(BFLOAT16_FLAGS)


def setting_without_bfloat16() -> str:
    """Return the setting with which oneDNN ends a process that computes in bfloat16, as ``name=value``; "" for none."""
    value = os.environ.get(LARGEST_ISA, "")
    return f"{LARGEST_ISA}={value}" if value.upper() in ISAS_WITHOUT_BFLOAT16 and uses_onednn() else ""


def onednn_setting() -> dict[str, str]:
    """Return the environment variable that has TensorFlow use oneDNN, for a processor where it pays.

    TensorFlow 2.21 leaves oneDNN off on processors with AVX2 alone, where its own gradients of convolutions take two
    to three times as long.
    """
    flags = _flags()
    return {ONEDNN: "1"} if "avx2" in flags and flags.isdisjoint(ONEDNN_BY_DEFAULT) else {}


def uses_onednn() -> bool:
    """Return whether TensorFlow uses oneDNN, as it was imported, or will be with ``onednn_setting``."""
    value = _environment().get(ONEDNN, "")
    return value.lower() in ("1", "true") if value else not _flags().isdisjoint(ONEDNN_BY_DEFAULT)


def onednn_text() -> str:
    """Return ``oneDNN on`` or ``oneDNN off``; "" on other processors than x86, where it is not known."""
    return f"oneDNN {'on' if uses_onednn() else 'off'}" if _flags() else ""


def instructions() -> str:
    """Return the widest instructions of the processor, such as ``AVX2``."""
    return next((name for flag, name in INSTRUCTIONS.items() if flag in _flags()), machine.machine())


def _environment() -> dict[str, str]:
    """Return the environment variables with which TensorFlow was imported, or will be."""
    return (onednn_setting() if "tensorflow" not in sys.modules else {}) | dict(os.environ)


@lru_cache
def _flags_in(path: Path) -> frozenset[str]:
    return frozenset(_field(path, "flags").split())


def _flags() -> frozenset[str]:
    return _flags_in(CPU_INFO)


def _field(path: Path, name: str) -> str:
    """Return the first value of a field of ``name : value`` lines; "" where there is none."""
    return next((value for key, value in _fields(path) if key == name), "")


def _fields(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()
