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

from trialmaker import checkout, monitors, sandbox
from trialmaker.errors import UserError

GRACE_SECONDS = 30.0  # between SIGTERM and SIGKILL
LEFTOVER_SECONDS = 10.0  # for what a job's process started, after its own end


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
        0 for FINISH, else the exit code of the first training process that failed, or 1; 130 when stopped before it.

    Raises:
        UserError: the code directory holds no job, or the output can't be written to.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    sandbox.check(job.code)
    version = _next_version(job.output)
    scratch = Path(tempfile.mkdtemp(prefix="trialmaker-job-"))
    roots = [scratch / f"instance-{number}" for number in range(1, job.instances + 1)]
    with _Requests() as requests:
        try:
            python = _prepare(job, roots, requests)
        except sandbox.Failed as error:
            _say(f"STARTING_FAIL: {error}")
            return _give_up(scratch, version, 1)
        if requests.count:
            _say("stopped before TRAINING, as requested")
            return _give_up(scratch, version, 130)
        processes = _train(job, python, roots, requests)
    if not _save([root / "output" for root in roots], version, scratch):
        return 1
    shutil.rmtree(scratch, ignore_errors=True)
    return _finish(processes, version)


def _prepare(job: Job, roots: Sequence[Path], requests: "_Requests") -> Path:
    """Everything before TRAINING; the Python that will run it."""
    found = checkout.state(job.code)
    _say(f"STARTING: {job.code}, commit {found.commit[:10]}{' with uncommitted changes' if found.changes else ''}")
    for text in sandbox.copy_code(job.code, [root / "src" for root in roots]):
        print(text, flush=True)
    python = Path(sys.executable)
    if job.install:
        python = sandbox.install(roots[0] / "src" / "requirements.txt", roots[0].parent / "venv", requests)
    _say("DOWNLOAD_DATA")
    for root in roots:
        sandbox.copy_inputs(job.inputs, root)
    sandbox.write_instances(roots)
    return python


def _train(job: Job, python: Path, roots: Sequence[Path], requests: "_Requests") -> "list[_Process]":
    _say("TRAINING")
    processes: list[_Process] = []
    try:
        for root in roots:
            processes.append(_Process(python, job.arguments, root))
        _wait(processes, job.max_seconds, requests)
    finally:
        for process in processes:
            process.clear_away()
    return processes


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

    @property
    def code(self) -> int:
        return self.process.wait()

    def send(self, number: int) -> None:
        """To it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def clear_away(self) -> None:
        """End what is left of it and of what it started, after a while, and read its last line."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not self.runs and self._has_group() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.send(signal.SIGKILL)
        self.process.wait()
        self.reader.join(timeout=5)

    def _has_group(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _read(self) -> None:
        if self.process.stdout:
            with self.process.stdout as lines:
                for line in lines:
                    self.log.append(line.rstrip("\n"))
                    with suppress(OSError):  # whoever read this has gone; the training goes on
                        print(self.log[-1], flush=True)


def _wait(processes: Sequence[_Process], max_seconds: float | None, requests: "_Requests") -> None:
    """Until all have ended; SIGTERM at the limit or on request, SIGKILL a while later or on the next request."""
    began = time.monotonic()
    stopped: float | None = None
    while any(process.runs for process in processes):
        now = time.monotonic()
        late = max_seconds is not None and now - began >= max_seconds
        if stopped is None and (late or requests.count):
            stopped = now
            requests.count = 0
            _say(f"STOPPING: {f'max_seconds={max_seconds:g} are over' if late else 'as requested'}; SIGTERM")
            _send(processes, signal.SIGTERM)
        elif stopped is not None and (now - stopped >= GRACE_SECONDS or requests.count):
            _say("STOPPING: SIGKILL")
            _send(processes, signal.SIGKILL)
            stopped = float("inf")
            requests.count = 0
        time.sleep(0.02)


def _send(processes: Sequence[_Process], number: int) -> None:
    for process in processes:
        if process.runs:
            process.send(number)


def _next_version(output: Path) -> Path:
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


def _give_up(scratch: Path, version: Path, code: int) -> int:
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        version.rmdir()
    return code


def _save(outputs: Sequence[Path], version: Path, scratch: Path) -> bool:
    """Copy the output; those of other instances than the first into folders of their own."""
    try:
        for instance, output in enumerate(outputs, start=1):
            target = version if instance == 1 else version / f"instance-{instance}"
            shutil.copytree(output, target, dirs_exist_ok=True, symlinks=True)
    except (OSError, shutil.Error) as error:
        _say(f"TRAINING_FAIL: the output could not be copied to {version}: {sandbox.reason(error)}; see {scratch}")
        return False
    return True


def _finish(processes: Sequence[_Process], version: Path) -> int:
    curves = monitors.curves(processes[0].log)
    if any(curves.values()):
        print("monitored metrics, last values:", *monitors.last_values(curves), sep="\n")
    failed = [(number, process.code) for number, process in enumerate(processes, start=1) if process.code]
    if failed:
        instance, code = failed[0]
        _say(f"TRAINING_FAIL: {_cause(version if instance == 1 else version / f'instance-{instance}', code)}")
    else:
        _say("FINISH")
    print(f"output: {version}", flush=True)
    code = failed[0][1] if failed else 0
    return 128 - code if code < 0 else code


def _cause(output: Path, code: int) -> str:
    """Why it failed, in a line."""
    found = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    with suppress(OSError):
        lines = (output / "failure").read_text(encoding="utf-8").splitlines()
        found += f", {lines[0]}" if lines else ""
    return found


class _Requests:
    """While entered, Ctrl-C, SIGTERM and the closing of the terminal are counted."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "_Requests":
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self.previous = {number: signal.signal(number, self._add) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.count > 0

    def _add(self, *_: object) -> None:
        self.count += 1


def _say(state: str) -> None:
    with suppress(OSError):
        print(f"[{time.strftime('%H:%M:%S')}] {state}", flush=True)
