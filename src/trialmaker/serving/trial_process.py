"""The process of a trial load: ``python -m trialmaker.serving.trial_process VERSION``."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import find_version
from trialmaker.platform.memory import free_memory
from trialmaker.serving import predictor
from trialmaker.serving.trial_load import REFUSED, SECONDS

with suppress(ImportError):  # then the load says so
    import ai_edge_litert.interpreter  # noqa: F401  # before a fork


def load(directory: Path) -> int:
    """Load a version with LiteRT; return the exit code, and write why it cannot be loaded."""
    signal.alarm(
        SECONDS
    )  # whose default action ends the process, whatever it is in, and whether or not it has a parent
    _limit_memory()
    try:
        predictor.start_litert_model(find_version(directory))
    except UserError as error:
        os.write(1, str(error).encode())  # past what a fork has not written of sys.stdout
        return REFUSED
    return 0


def _limit_memory() -> None:
    """Have what takes more memory than is free fail, instead of having the kernel end other processes."""
    held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + free_memory(), hard))


if __name__ == "__main__":
    sys.exit(load(Path(sys.argv[1])))
