"""The process of a trial load: ``python -m trialmaker.serving.trial_process VERSION``."""

import resource
import signal
import sys
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import find_version
from trialmaker.platform.memory import free_memory
from trialmaker.serving import predictor
from trialmaker.serving.trial_load import REFUSED, SECONDS


def main() -> int:
    """Load a version with LiteRT; return the exit code, and print why it cannot be loaded."""
    signal.alarm(
        SECONDS
    )  # whose default action ends the process, whatever it is in, and whether or not it has a parent
    _limit_memory()
    try:
        predictor.start_litert_model(find_version(Path(sys.argv[1])))
    except UserError as error:
        print(error)
        return REFUSED
    return 0


def _limit_memory() -> None:
    """Have what takes more memory than is free fail, instead of having the kernel end other processes."""
    held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + free_memory(), hard))


if __name__ == "__main__":
    sys.exit(main())
