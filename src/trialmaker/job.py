"""``python -m trialmaker job``: the platform, emulated on this machine, to rehearse a job before it is sent off."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker import monitors, sandbox

GRACE_SECONDS = 30.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Job:
    """What the platform's form holds.

    Args:
        code: a git checkout, with ``train.py`` at its root.
        arguments: the runtime parameters, as words.
        inputs: folders (or files) by name; ``data`` is the data set.
        max_seconds: the longest training time; None for no limit.
        output: gets a folder ``V0001``, ``V0002``, … a job.
        install: whether to install ``requirements.txt`` into a new environment; else this Python runs the job.
    """

    code: Path
    arguments: Sequence[str]
    inputs: Mapping[str, Path]
    instances: int
    max_seconds: float | None
    output: Path
    install: bool


def run(job: Job) -> int:
    """Do what the platform does, and print what its page shows: the states, the log, the curves.

    Returns:
        0 for FINISH, else the exit code of the first training process that failed, or 1.

    Raises:
        UserError: the code directory holds no job.
    """
    with tempfile.TemporaryDirectory(prefix="trialmaker-job-") as scratch, _Requests() as requests:
        roots = [Path(scratch, f"instance-{number}") for number in range(1, job.instances + 1)]
        try:
            python = _start(job, roots)
        except sandbox.Failed as error:
            _say(f"STARTING_FAIL: {error}")
            return 1
        _say("DOWNLOAD_DATA")
        for root in roots:
            sandbox.copy_inputs(job.inputs, root)
        sandbox.write_instances(roots)
        _say("TRAINING")
        processes = [_Process(python, job.arguments, root) for root in roots]
        _wait(processes, job.max_seconds, requests)
        return _finish(processes, _save([root / "output" for root in roots], job.output))


def _start(job: Job, roots: Sequence[Path]) -> Path:
    _say("STARTING")
    for root in roots:
        left_out = sandbox.copy_code(job.code, root / "src")
    if left_out:
        print(f"left out, since git does not track them: {', '.join(left_out[:10])}{', …' * (len(left_out) > 10)}")
    if not job.install:
        return Path(sys.executable)
    return sandbox.install(roots[0] / "src" / "requirements.txt", roots[0].parent / "venv")


class _Process:
    """One instance: its log is printed, and kept."""

    def __init__(self, python: Path, arguments: Sequence[str], root: Path) -> None:
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [python, "train.py", *arguments],
            cwd=root / "src",
            env=sandbox.environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is the person's "stop this job": SIGTERM, as from the platform
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> int:
        """Wait for the last line; the exit code."""
        self.reader.join(timeout=5)  # a grandchild may hold the pipe
        return self.process.wait()

    def _read(self) -> None:
        if self.process.stdout:
            with self.process.stdout as lines:
                for line in lines:
                    self.log.append(line.rstrip("\n"))
                    print(line, end="", flush=True)


def _wait(processes: Sequence[_Process], max_seconds: float | None, requests: "_Requests") -> None:
    """Until all have ended; SIGTERM at the limit or on request, SIGKILL a while later or on a second request."""
    began = time.monotonic()
    stopped: float | None = None
    while any(process.runs for process in processes):
        now = time.monotonic()
        late = max_seconds is not None and now - began >= max_seconds
        if stopped is None and (late or requests.count):
            stopped = now
            _say(f"STOPPING: {f'max_seconds={max_seconds:g} are over' if late else 'as requested'}; SIGTERM")
            _send(processes, signal.SIGTERM)
        elif stopped is not None and (now - stopped >= GRACE_SECONDS or requests.count > 1):
            _say("STOPPING: SIGKILL")
            _send(processes, signal.SIGKILL)
            stopped = float("inf")
        time.sleep(0.02)


def _send(processes: Sequence[_Process], number: int) -> None:
    for process in processes:
        if process.runs:
            process.send(number)


def _save(outputs: Sequence[Path], target: Path) -> Path:
    """Copy the output to the next free version; those of other instances than the first into folders of their own."""
    target.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name[1:]) for path in target.glob("V*") if path.name[1:].isdigit()), default=0)
    while True:
        number += 1
        version = target / f"V{number:04}"
        with suppress(FileExistsError):
            version.mkdir()
            break
    for instance, output in enumerate(outputs, start=1):
        shutil.copytree(output, version if instance == 1 else version / f"instance-{instance}", dirs_exist_ok=True)
    return version


def _finish(processes: Sequence[_Process], version: Path) -> int:
    codes = [process.end() for process in processes]
    curves = monitors.curves(processes[0].log)
    if any(curves.values()):
        print("monitored metrics, last values:", *monitors.last_values(curves), sep="\n")
    failed = next((code for code in codes if code), 0)
    _say(f"TRAINING_FAIL: {_cause(version, failed)}" if failed else "FINISH")
    print(f"output: {version}", flush=True)
    return 128 - failed if failed < 0 else failed


def _cause(version: Path, code: int) -> str:
    """Why it failed, in a line."""
    found = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    with suppress(OSError):
        lines = (version / "failure").read_text(encoding="utf-8").splitlines()
        found += f", {lines[0]}" if lines else ""
    return found


class _Requests:
    """While entered, Ctrl-C and SIGTERM are counted."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "_Requests":
        self.previous = {number: signal.signal(number, self._add) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _add(self, *_: object) -> None:
        self.count += 1


def _say(state: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {state}", flush=True)
