"""A container as bare as they come: all of the disk read-only but one folder, no HOME, no account, no environment."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.entry import PROJECT

ROOT = Path("/mnt")  # where the folder lies inside
ACCOUNT = "12345"  # which no passwd entry names
# Python may lie where root alone may look; the capability lets the account look, and write nothing more.
LOOK = "--inh-caps +dac_read_search --ambient-caps +dac_read_search"
SCRIPT = f"""
set -e
mount --make-rprivate /
mount --bind "$1" {ROOT}
shift
for place in $(findmnt -rno TARGET | grep -vE '^({ROOT}|/proc.*|/sys.*)$'); do
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done
exec env -i AI_ROOT={ROOT} PYTHONPATH={PROJECT / "src"} \\
    setpriv --reuid {ACCOUNT} --regid {ACCOUNT} --clear-groups {LOOK} "$@"
"""


def bare_container(folder: Path, *words: str) -> list[str]:
    """Return the command line of ``python WORDS`` in such a container, whose ``AI_ROOT`` is the folder.

    The test is skipped where this machine does not let it have one.
    """
    if reason := _obstacle(folder):
        pytest.skip(f"needs a container with a read-only root: {reason}")
    return [*_container(folder), sys.executable, *words]


def _container(folder: Path) -> list[str]:
    return ["unshare", "--mount", "bash", "-c", SCRIPT, "bash", str(folder)]


@cache
def _obstacle(folder: Path) -> str:
    """Return why there can be no container; "" where there can."""
    probe = f"test $UID = {ACCOUNT} && touch {ROOT}/probe && rm {ROOT}/probe && ! touch /tmp/probe /dev/shm/probe"
    try:
        subprocess.run(["chown", ACCOUNT, folder], check=True, capture_output=True, text=True)
        done = subprocess.run([*_container(folder), "bash", "-c", probe], capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or "its disk can be written to"
