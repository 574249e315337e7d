"""A first load of a model in a process of its own, which may crash.

LiteRT checks that a file is well-formed, but not that it makes sense: an operation that refers to a wrong tensor ends
the process. So does a model that takes more memory than there is. The service would end with them, without a word.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import LITERT_FILE, Version
from trialmaker.platform.child_environment import bare_environment

PROCESS_MODULE = "trialmaker.serving.trial_process"
SECONDS = 60  # until a model that does not answer is given up
REFUSED = 2  # exit code; the reason is on standard output

_forks: dict[Path, tuple[int, int]] = {}  # process and end of its pipe, of loads that have begun


def begin(version: Version, load: Callable[[Path], int]) -> None:
    """Begin the load that ``check`` will wait for, in a fork of this process, which must have no threads yet.

    A fork has imported already what the load needs, so that the service is ready as soon as without it.

    Args:
        version: what is loaded.
        load: ``trial_process.load``.
    """
    reader, writer = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        code = 1
        try:
            os.dup2(writer, 1)
            os.closerange(3, max(reader, writer, *(int(file.name) for file in Path("/dev/fd").iterdir())) + 1)
            code = load(version.directory)
        finally:
            os._exit(code)
    os.close(writer)
    _forks[version.directory] = (process_id, reader)


def check(version: Version) -> None:
    """Load a version with LiteRT, and have it answer once, in a process of its own.

    Raises:
        UserError: it cannot, or the process ended.
    """
    output, code = _end_of_fork(version) if version.directory in _forks else _run(version)
    if code == REFUSED:
        raise UserError(output.decode(errors="replace").strip())
    if code:
        cause = f"it ends with {code}"
        if code == -signal.SIGALRM:
            cause = f"it does not answer within {SECONDS} s"
        elif code < 0:
            cause = f"the process that runs it is ended by {signal.Signals(-code).name}"
        raise UserError(
            f"{version.directory / LITERT_FILE}: cannot be run by LiteRT: {cause}: it is damaged, or hostile"
        )


def _end_of_fork(version: Version) -> tuple[bytes, int]:
    """Return what the load that has begun writes, and its exit code, as ``subprocess`` has it."""
    process_id, reader = _forks.pop(version.directory)
    with os.fdopen(reader, "rb") as pipe:
        output = pipe.read()
    return output, os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def _run(version: Version) -> tuple[bytes, int]:
    """Load a version in a process that starts anew, since this one may have threads; return as ``_end_of_fork``."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", PROCESS_MODULE, str(version.directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=bare_environment(),
        check=False,
    )
    return done.stdout, done.returncode
