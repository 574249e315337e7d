"""The directories of a rehearsed job: its code, data, other inputs, and the folder that keeps its output."""

import json
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

from trialmaker.errors import UserError
from trialmaker.platform import git


def next_version(output: Path) -> Path:
    """A new folder, made now: that it can't be made is better known before the training than after it."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        numbers = (int(path.name[1:]) for path in output.glob("V*") if path.name[1:].isdecimal())
        number = max(numbers, default=0)
        while True:
            number += 1
            version = output / f"V{number:04}"
            with suppress(FileExistsError):
                version.mkdir()
                return version
    except OSError as error:
        raise UserError(f"--output {output}: {error.strerror}: it must be a folder that can be written to") from error


def discard(scratch: Path, version: Path, code: int) -> int:
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        version.rmdir()
    return code


def save_outputs(outputs: Sequence[Path], version: Path) -> None:
    """Copy the outputs to the version's folder, those of other instances than the first into folders of their own.

    Raises:
        EmulationError: a file can't be copied.
    """
    with _failing():
        for instance, output in enumerate(outputs, start=1):
            target = version if instance == 1 else version / f"instance-{instance}"
            shutil.copytree(output, target, dirs_exist_ok=True, symlinks=True)


FIRST_PORT = 10100


class EmulationError(Exception):
    """The platform could not prepare a job, or keep its output; the message says why, in a line."""


def check(code: Path) -> None:
    """Raise UserError unless the folder holds the code of a job."""
    if not code.is_dir():
        raise UserError(f"--code {code}: there is no such folder")
    if not git.files(code):
        raise UserError(f"{code}: expected a git checkout, since the job gets the files that git tracks; try git add")
    if "train.py" not in git.files(code) or not (code / "train.py").is_file():
        raise UserError(f"{code}: there is no train.py that git tracks, the boot file of a job")


def copy_code(code: Path, targets: Sequence[Path]) -> Iterator[str]:
    """Copy the files that git tracks, as they are now; tell, a text each, what a person might miss.

    Raises:
        EmulationError: a file can't be read.
    """
    tracked = git.files(code)
    with _failing():
        for target in targets:
            for name in tracked:
                if (code / name).is_file() or (code / name).is_symlink():
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(code / name, target / name, follow_symlinks=False)
    gone = [name for name in tracked if not os.path.lexists(code / name)]
    for names, why in ((gone, "they are gone"), (git.untracked(code), "git does not track them")):
        if names:
            more = ", …" if len(names) > 10 else ""
            yield f"left out, since {why}: {', '.join(map(_printable, names[:10]))}{more}"


def copy_inputs(inputs: Mapping[str, Path], root: Path) -> None:
    """Copy each folder to ``input/<name>/``, a single file into it; make the other directories of a job.

    Raises:
        EmulationError: a file can't be read.
    """
    with _failing():
        for name, source in inputs.items():
            target = root / "input" / name
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.mkdir(parents=True)
                shutil.copy2(source, target)
    for name in ("input/data", "config", "output"):
        (root / name).mkdir(parents=True, exist_ok=True)


def write_instances(roots: Sequence[Path]) -> None:
    """``config/resource.json``, the same for all. The platform does not document its form."""
    addresses = [{"ip": "127.0.0.1", "port": FIRST_PORT + number} for number in range(len(roots))]
    for root in roots:
        (root / "config" / "resource.json").write_text(json.dumps({"instances": addresses}, indent=2) + "\n")


def install(requirements: Path, target: Path, is_stopped: Callable[[], bool]) -> Path:
    """Make a virtual environment and install into it.

    Returns:
        its Python.

    Raises:
        EmulationError: pip did, or the person stopped it.
    """
    python = target / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(target)], is_stopped)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", str(requirements)]
    _run(command, is_stopped)
    return python


def environment(root: Path) -> dict[str, str]:
    """What a process of the job has in its environment: none of the person's own."""
    return {"PATH": os.defpath, "HOME": str(root), "LANG": "C.UTF-8", "AI_ROOT": str(root)}


def _reason(error: OSError | shutil.Error) -> str:
    """In a line."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(f"{source}: {why}" for source, _, why in error.args[0][:3])
    return " ".join(str(error).split())


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except (OSError, shutil.Error) as error:
        raise EmulationError(_reason(error)) from error


def _run(command: Sequence[str], is_stopped: Callable[[], bool]) -> None:
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True)
        while process.poll() is None:
            if is_stopped():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise EmulationError("stopped, as requested")
            time.sleep(0.05)
        if process.returncode:
            printed.seek(0)
            raise EmulationError(f"could not install {Path(command[-1]).name}:\n{printed.read().rstrip()}")


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)
