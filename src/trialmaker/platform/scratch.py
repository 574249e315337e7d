"""A process's own folder for temporary files, and a home, also where the machine has none that can be written to.

A container may have no ``/tmp``, no ``HOME`` and no account, and a read-only root: then all lies in ``AI_ROOT``.
A killed process leaves its folder, and the kernel releases the lock on it; the next process that starts removes it.
"""

import atexit
import fcntl
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from trialmaker.platform import paths

FOLDER_PREFIX = "trialmaker-"
FOLDER_LOCK = ".lock"  # in a folder, locked while its process lives
SYSTEM_FOLDERS = ("/tmp", "/var/tmp")
FALLBACK_ATTEMPTS = 3  # another process that ends may remove it meanwhile
# What libraries keep in a home that can be written to.
CACHES = {"MPLCONFIGDIR": "matplotlib", "KERAS_HOME": "keras", "XDG_CACHE_HOME": "cache"}
USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")  # Python's, where there is no account


@contextmanager
def process_folder() -> Iterator[None]:
    """Give this process a folder for its temporary files within the context, and a home if it has none.

    The folder lies where the environment or the system has temporary files, else in ``tmp/`` of the platform's root,
    which child processes then learn from ``TMPDIR``. Where nothing can be written to, nothing changes. What killed
    processes left is removed first.
    """
    created = next(filter(None, map(_create, _bases())), None)
    if created is None:
        yield
        return
    folder, lock = created
    base, is_fallback = folder.parent, folder.parent == fallback_base()
    former = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        with _environment(_account(folder) | ({"TMPDIR": str(base)} if is_fallback else {})):
            yield
    finally:
        tempfile.tempdir = former
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        if is_fallback:
            with suppress(OSError):  # other processes have folders there
                base.rmdir()


def begin() -> None:
    """Do as ``process_folder``, until the process ends: after what libraries do then, who remove folders of theirs."""
    context = process_folder()
    context.__enter__()
    atexit.register(context.__exit__, None, None, None)


def fallback_base() -> Path:
    """Return the folder in the platform's root that has the temporary files where the system has no place for them."""
    return paths.root() / "tmp"


def keep(folder: Path) -> Path:
    """Move a temporary folder to where the end of the process leaves it; return its new path.

    Raises:
        OSError: it cannot be moved.
    """
    base = folder.parent.parent if (folder.parent / FOLDER_LOCK).exists() else folder.parent
    return folder.rename(Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}kept-", dir=base)) / folder.name)


def _bases() -> Iterator[Path]:
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))  # Python's order
    yield from (Path(name).absolute() for name in (*named, *SYSTEM_FOLDERS) if name)
    for _ in range(FALLBACK_ATTEMPTS):
        with suppress(OSError):
            fallback_base().mkdir(parents=True, exist_ok=True)
        yield fallback_base()


def _create(base: Path) -> tuple[Path, int] | None:
    """Create a folder, which has its name once it is locked; return it and the lock's file descriptor.

    Where nothing can be written or locked, return None.
    """
    with suppress(OSError):
        _remove_abandoned(base)
        new = Path(tempfile.mkdtemp(prefix=f".{FOLDER_PREFIX}", dir=base))
        lock = os.open(new / FOLDER_LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.write(lock, b"1")  # there is space
            fcntl.flock(lock, fcntl.LOCK_EX)
            return new.rename(base / new.name.removeprefix(".")), lock
        except OSError:
            os.close(lock)
            shutil.rmtree(new, ignore_errors=True)
    return None


def _remove_abandoned(base: Path) -> None:
    """Remove this account's folders whose processes are gone."""
    for lock in base.glob(f"{FOLDER_PREFIX}*/{FOLDER_LOCK}"):
        with suppress(OSError):  # it has just been removed, or is another account's
            status = lock.parent.lstat()  # anyone may have put a link there
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                _remove_unless_locked(lock)


def _remove_unless_locked(lock: Path) -> None:
    descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
    finally:
        os.close(descriptor)


def _account(folder: Path) -> dict[str, str]:
    """Return the variables that stand for what is missing of a home and an account; their folders are in ``folder``."""
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        account = None
    home = Path(os.environ.get("HOME") or (account.pw_dir if account else "/nonexistent"))
    variables = {}
    if not home.is_dir() or _is_temporary(str(home)):
        (folder / "home").mkdir()
        variables["HOME"] = str(folder / "home")
    elif not os.access(home, os.W_OK | os.X_OK):  # it may hold settings and keys, so it stays
        missing = [name for name in CACHES if name not in os.environ or _is_temporary(os.environ[name])]
        variables |= {name: str(folder / CACHES[name]) for name in missing}
    if account is None and not any(map(os.environ.get, USER_VARIABLES)):
        variables["USER"] = str(os.getuid())
    return variables


def _is_temporary(path: str) -> bool:
    """Return whether a path lies in the folder of another process, which may end before this one."""
    return Path(path).parent.name.startswith(FOLDER_PREFIX)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
