"""What a computation's last bits depend on beside the code: the kind of processor, and how many cores there are."""

import os
import platform as machine
from collections.abc import Iterator
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
GPU_INFO = Path("/proc/driver/nvidia/gpus")  # a folder a GPU, with a file ``information``
CPU_FIELDS = ("model name", "CPU implementer", "CPU part")  # of x86; of ARM
TENSORFLOW_SWITCHES = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")  # environment variables


def description() -> str:
    """Return the kind of processor, the number of cores that this process may use, GPUs, and switches of TensorFlow."""
    kinds = [_field(CPU_INFO, name) for name in CPU_FIELDS]
    cpu = " ".join(kind for kind in kinds if kind) or machine.processor() or machine.machine()
    gpus = [_field(path / "information", "Model") for path in sorted(GPU_INFO.glob("*"))]
    switches = [f"{name}={os.environ[name]}" for name in TENSORFLOW_SWITCHES if name in os.environ]
    return ", ".join([cpu, f"{len(os.sched_getaffinity(0))} cores", *filter(None, gpus), *switches])


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
