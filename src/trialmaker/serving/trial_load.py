"""A first load of a model in a process of its own, which may crash.

LiteRT checks that a file is well-formed, but not that it makes sense: an operation that refers to a wrong tensor ends
the process. So does a model that takes more memory than there is. The service would end with them, without a word.
"""

import signal
import subprocess
import sys
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import LITERT_FILE, Version
from trialmaker.platform.child_environment import bare_environment

PROCESS_MODULE = "trialmaker.serving.trial_process"
SECONDS = 60  # until a model that does not answer is given up
REFUSED = 2  # exit code; the reason is on standard output


_begun: dict[Path, subprocess.Popen[bytes]] = {}


def begin(version: Version) -> None:
    """Begin the load that ``check`` will wait for, so that this process can do something else meanwhile."""
    _begun[version.directory] = subprocess.Popen(
        [sys.executable, "-P", "-m", PROCESS_MODULE, str(version.directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=bare_environment(),
    )


def check(version: Version) -> None:
    """Load a version with LiteRT, and have it answer once, in a process of its own.

    Raises:
        UserError: it cannot, or the process ended.
    """
    if version.directory not in _begun:
        begin(version)
    process = _begun.pop(version.directory)
    output, _ = process.communicate()
    code = process.returncode
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
