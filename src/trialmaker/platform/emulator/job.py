"""A rehearsed job, from the copied code to the kept output."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker.platform import git, monitored_metrics
from trialmaker.platform.emulator import workspace
from trialmaker.platform.emulator.process import JobProcess, StopRequests
from trialmaker.platform.emulator.workspace import discard, next_version, save_outputs

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
        0 for FINISH, else the exit code of the first training process that failed, or 1; 130 when stopped before it.

    Raises:
        UserError: the code directory holds no job, or the output can't be written to.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    workspace.check(job.code)
    version = next_version(job.output)
    scratch = Path(tempfile.mkdtemp(prefix="trialmaker-job-"))
    roots = [scratch / f"instance-{number}" for number in range(1, job.instances + 1)]
    with StopRequests() as requests:
        try:
            python = _prepare(job, roots, requests)
        except workspace.EmulationError as error:
            print_state(f"STARTING_FAIL: {error}")
            return discard(scratch, version, 1)
        if requests.count:
            print_state("stopped before TRAINING, as requested")
            return discard(scratch, version, 130)
        processes = _train(job, python, roots, requests)
    try:
        save_outputs([root / "output" for root in roots], version)
    except workspace.EmulationError as error:
        print_state(f"TRAINING_FAIL: the output could not be copied to {version}: {error}; see {scratch}")
        return 1
    shutil.rmtree(scratch, ignore_errors=True)
    return _finish(processes, version)


def _prepare(job: Job, roots: Sequence[Path], requests: "StopRequests") -> Path:
    """Everything before TRAINING; the Python that will run it."""
    found = git.state(job.code)
    print_state(
        f"STARTING: {job.code}, commit {found.commit[:10]}{' with uncommitted changes' if found.changes else ''}"
    )
    for text in workspace.copy_code(job.code, [root / "src" for root in roots]):
        print(text, flush=True)
    python = Path(sys.executable)
    if job.install:
        python = workspace.install(roots[0] / "src" / "requirements.txt", roots[0].parent / "venv", requests)
    print_state("DOWNLOAD_DATA")
    for root in roots:
        workspace.copy_inputs(job.inputs, root)
    workspace.write_instances(roots)
    return python


def _train(job: Job, python: Path, roots: Sequence[Path], requests: "StopRequests") -> "list[JobProcess]":
    print_state("TRAINING")
    processes: list[JobProcess] = []
    try:
        for root in roots:
            processes.append(JobProcess(python, job.arguments, root))
        _wait(processes, job.max_seconds, requests)
    finally:
        for process in processes:
            process.clear_away()
    return processes


def _wait(processes: Sequence[JobProcess], max_seconds: float | None, requests: "StopRequests") -> None:
    """Until all have ended; SIGTERM at the limit or on request, SIGKILL a while later or on the next request."""
    began = time.monotonic()
    stopped: float | None = None
    while any(process.runs for process in processes):
        now = time.monotonic()
        late = max_seconds is not None and now - began >= max_seconds
        if stopped is None and (late or requests.count):
            stopped = now
            requests.count = 0
            print_state(f"STOPPING: {f'max_seconds={max_seconds:g} are over' if late else 'as requested'}; SIGTERM")
            _send(processes, signal.SIGTERM)
        elif stopped is not None and (now - stopped >= GRACE_SECONDS or requests.count):
            print_state("STOPPING: SIGKILL")
            _send(processes, signal.SIGKILL)
            stopped = float("inf")
            requests.count = 0
        time.sleep(0.02)


def _send(processes: Sequence[JobProcess], number: int) -> None:
    for process in processes:
        if process.runs:
            process.send(number)


def _finish(processes: Sequence[JobProcess], version: Path) -> int:
    curves = monitored_metrics.curves(processes[0].log)
    if any(curves.values()):
        print("monitored metrics, last values:", *monitored_metrics.last_values(curves), sep="\n")
    failed = [(number, process.code) for number, process in enumerate(processes, start=1) if process.code]
    if failed:
        instance, code = failed[0]
        print_state(f"TRAINING_FAIL: {_cause(version if instance == 1 else version / f'instance-{instance}', code)}")
    else:
        print_state("FINISH")
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


def print_state(state: str) -> None:
    """Print a state as the platform's page shows it; the job goes on when nobody reads it any more."""
    with suppress(OSError):
        print(f"[{time.strftime('%H:%M:%S')}] {state}", flush=True)
