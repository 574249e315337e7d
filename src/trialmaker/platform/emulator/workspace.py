"""The directories of a rehearsed job: its code, data, other inputs, and the folder that keeps its output."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from trialmaker.errors import UserError, one_line
from trialmaker.platform import git


class EmulationError(Exception):
    """A failure of the platform itself: it could not prepare a job, or keep its output. The message says why."""


@contextmanager
def new_version(output: Path) -> Iterator[Path]:
    """Create the next free folder ``V0001``, ``V0002``, … for a job's output, which is locked within the context.

    This comes before the training, so that an output that can't be written to is found then. A job that was killed
    leaves its folder empty and without a lock: it is removed first.

    Raises:
        UserError: the folder can't be created.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        for version in _versions(output):
            _remove_abandoned(version)
        number = max((int(path.name[1:]) for path in _versions(output)), default=0) + 1
        while (lock := _claim(output / f"V{number:04}")) is None:
            number += 1
    except OSError as error:
        raise UserError(f"--output {output}: {error.strerror}: it must be a folder that can be written to") from error
    try:
        yield output / f"V{number:04}"
    finally:
        os.close(lock)


def _versions(output: Path) -> list[Path]:
    return [path for path in output.glob("V*") if path.name[1:].isdecimal()]


def _claim(version: Path) -> int | None:
    """Create and lock a folder; return the lock's file descriptor, or None where another job has the folder."""
    try:
        version.mkdir()
        lock = os.open(version, os.O_RDONLY)
    except FileExistsError:
        return None
    with suppress(OSError):  # a file system without locks
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _remove_abandoned(version: Path) -> None:
    """Remove a folder, if it is empty and no job has its lock."""
    with suppress(OSError):
        lock = os.open(version, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            version.rmdir()
        finally:
            os.close(lock)


def discard(scratch: Path, version: Path, code: int) -> int:
    """Remove the scratch folder, and the version's folder if it is empty; return the exit code."""
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        version.rmdir()
    return code


def save_outputs(outputs: Sequence[Path], version: Path) -> None:
    """Copy the first instance's output to the version's folder, the others' to ``instance-2``, … in it.

    Raises:
        EmulationError: a file can't be copied.
    """
    with _emulation_errors():
        for instance, output in enumerate(outputs, start=1):
            target = version if instance == 1 else version / f"instance-{instance}"
            shutil.copytree(output, target, dirs_exist_ok=True, symlinks=True)


def check(code: Path) -> None:
    """Check that a folder holds the code of a job.

    Raises:
        UserError: there is no such folder, it is not a git checkout, or git does not track a ``train.py`` in it.
    """
    if not code.is_dir():
        raise UserError(f"--code {code}: there is no such folder")
    if not git.files(code):
        raise UserError(f"{code}: expected a git checkout, since the job gets the files that git tracks; try git add")
    if "train.py" not in git.files(code) or not (code / "train.py").is_file():
        raise UserError(f"{code}: there is no train.py that git tracks, the boot file of a job")


def copy_code(code: Path, targets: Sequence[Path]) -> Iterator[str]:
    """Copy the files that git tracks, with their uncommitted changes, to each target; yield warnings.

    The warnings name the files and folders that were left out. Nothing is copied before the first one is asked for.

    Raises:
        EmulationError: a file can't be copied.
    """
    names = git.files(code)
    with _emulation_errors():
        for target in targets:
            for name in names:
                if (code / name).is_file() or (code / name).is_symlink():
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(code / name, target / name, follow_symlinks=False)
    missing = [name for name in names if not os.path.lexists(code / name)]
    for omissions, reason in ((missing, "they are gone"), (git.untracked(code), "git does not track them")):
        if omissions:
            more = ", …" if len(omissions) > 10 else ""
            yield f"left out, since {reason}: {', '.join(map(_display_name, omissions[:10]))}{more}"


def copy_inputs(inputs: Mapping[str, Path], root: Path) -> None:
    """Copy each folder to ``input/<name>/``, a single file into it; create the other directories of a job.

    Raises:
        EmulationError: a file can't be copied.
    """
    with _emulation_errors():
        for name, source in inputs.items():
            target = root / "input" / name
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.mkdir(parents=True)
                shutil.copy2(source, target)
    for name in ("input/data", "config", "output"):
        (root / name).mkdir(parents=True, exist_ok=True)


def install(requirements: Path, target: Path, is_stopped: Callable[[], bool]) -> Path:
    """Create a virtual environment and install the requirements into it.

    Args:
        requirements: a ``requirements.txt``.
        target: the environment's folder.
        is_stopped: called about every 0.05 s; the installation is killed when it returns True.

    Returns:
        the environment's Python.

    Raises:
        EmulationError: pip failed, or the installation was stopped.
    """
    python = target / "bin" / "python"
    _run([sys.executable, "-P", "-m", "venv", str(target)], target, is_stopped)
    command = [str(python), "-P", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["-r", str(requirements)]
    _run(command, target, is_stopped)
    return python


def environment(root: Path) -> dict[str, str]:
    """Return the environment variables of a job's process; none are inherited."""
    return {"PATH": os.defpath, "HOME": str(root), "LANG": "C.UTF-8", "AI_ROOT": str(root)}


@contextmanager
def _emulation_errors() -> Iterator[None]:
    """Raise errors of files as ``EmulationError``."""
    try:
        yield
    except (OSError, shutil.Error) as error:
        raise EmulationError(_reason(error)) from error


def _reason(error: OSError | shutil.Error) -> str:
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(f"{source}: {reason}" for source, _, reason in error.args[0][:3])
    return one_line(error)


def _run(command: Sequence[str], target: Path, is_stopped: Callable[[], bool]) -> None:
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | {"AI_ROOT": f"{target}/"},  # by which the job's watchdog knows it
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while process.poll() is None:
            if is_stopped():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise EmulationError("stopped, as requested")
            time.sleep(0.05)
        if process.returncode:
            output.seek(0)
            raise EmulationError(f"could not install {Path(command[-1]).name}:\n{output.read().rstrip()}")


def _display_name(name: str) -> str:
    return name if name.isprintable() else ascii(name)
