"""A rehearsal of a job, from the copy of its code to the copy of its output."""

import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker.platform import git, monitored_metrics, scratch
from trialmaker.platform.bilingual_texts import split_line
from trialmaker.platform.emulator import instances, workspace
from trialmaker.platform.emulator.process import JobProcess, StopRequests
from trialmaker.platform.emulator.states import print_state, text
from trialmaker.platform.emulator.workspace import discard, new_version, save_outputs
from trialmaker.platform.run_result import run_results
from trialmaker.platform.watchdog import Watchdog

GRACE_SECONDS = 30.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Job:
    """The entries of the platform's form.

    Args:
        code: a git checkout with ``train.py`` at its root.
        arguments: the runtime parameters, as words of a command line.
        inputs: folders or files by name; ``data`` is the data set.
        instances: the number of instances, at least 1.
        max_seconds: the longest training time, seconds; None for no limit.
        output: the folder that gets a new folder ``V0001``, ``V0002``, … for each job.
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
    """Run a job as the platform does, and print what its page shows: states, log and monitored metrics.

    Returns:
        0 for FINISH, else the exit code of the first training process that failed, or 1 if there is none; 130 for a
        job that was stopped before TRAINING.

    Raises:
        UserError: the code directory holds no job, or the output can't be written to.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    workspace.check(job.code)
    with new_version(job.output) as version:
        return _run(job, version, Path(tempfile.mkdtemp(prefix="trialmaker-job-")))


def _run(job: Job, version: Path, folder: Path) -> int:
    roots = [folder / f"instance-{number}" for number in range(1, job.instances + 1)]
    with StopRequests() as requests, Watchdog(f"AI_ROOT={folder}/"):
        try:
            python = _prepare(job, roots, requests)
        except workspace.EmulationError as error:
            summary, _, log = str(error).partition("\n")
            print_state("starting_fail", error=summary, log=log)
            return discard(folder, version, 1)
        if requests.count:
            print_state("stopped_early")
            return discard(folder, version, 130)
        kept = [version, *(version / f"instance-{number}" for number in range(2, job.instances + 1))]
        processes = _train(job, python, dict(zip(roots, kept, strict=True)), requests)
    try:
        save_outputs([root / "output" for root in roots], version)
    except workspace.EmulationError as error:
        print_state("output_lost", version=version, error=error, folder=scratch.keep(folder))
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return _finish(processes, version)


def _prepare(job: Job, roots: Sequence[Path], requests: StopRequests) -> Path:
    """Prepare the instances' directories for TRAINING; return the Python that will run it."""
    checkout = git.state(job.code)
    state = "starting_changed" if checkout.changes else "starting"
    print_state(state, code=job.code, commit=checkout.commit[:10])
    for warning in workspace.copy_code(job.code, [root / "src" for root in roots]):
        print(warning, flush=True)
    python = Path(sys.executable)
    if job.install:
        python = workspace.install(roots[0] / "src" / "requirements.txt", roots[0].parent / "venv", requests)
    print_state("download_data")
    for root in roots:
        workspace.copy_inputs(job.inputs, root)
    instances.write_resource_files(roots)
    return python


def _train(job: Job, python: Path, roots: Mapping[Path, Path], requests: StopRequests) -> list[JobProcess]:
    """Run the training of each instance to its end.

    Args:
        roots: of the instances, each with the folder that its output is copied to.
    """
    print_state("training")
    processes: list[JobProcess] = []
    try:
        shares = instances.core_shares(len(roots))
        for number, (root, kept) in enumerate(roots.items(), start=1):
            prefix = f"[{number}] " if number > 1 else ""
            with instances.on_cores(shares[number - 1]):
                processes.append(JobProcess(python, job.arguments, root, kept.absolute(), prefix))
        _wait(processes, job.max_seconds, requests)
    finally:
        for process in processes:
            process.end_leftovers()
    return processes


def _wait(processes: Sequence[JobProcess], max_seconds: float | None, requests: StopRequests) -> None:
    """Wait until all processes have ended.

    Send SIGTERM at the time limit or on request; send SIGKILL ``GRACE_SECONDS`` later or on the next request.
    """
    start = time.monotonic()
    stop: float | None = None
    while any(process.is_running for process in processes):
        now = time.monotonic()
        is_over = max_seconds is not None and now - start >= max_seconds
        if stop is None and (is_over or requests.count):
            stop = now
            requests.count = 0
            print_state("stopping_limit" if is_over else "stopping", seconds=f"{max_seconds or 0:g}")
            _send(processes, signal.SIGTERM)
        elif stop is not None and (now - stop >= GRACE_SECONDS or requests.count):
            print_state("killing")
            _send(processes, signal.SIGKILL)
            stop = float("inf")
            requests.count = 0
        time.sleep(0.02)


def _send(processes: Sequence[JobProcess], number: int) -> None:
    for process in processes:
        if process.is_running:
            process.send(number)


def _finish(processes: Sequence[JobProcess], version: Path) -> int:
    curves = monitored_metrics.curves(processes[0].log)
    if any(curves.values()):
        print("monitored metrics, last values:", *monitored_metrics.last_values(curves), sep="\n")
    for line in _result_lines(version):
        print(line)
    failures = [(number, process.exit_code) for number, process in enumerate(processes, start=1) if process.exit_code]
    if failures:
        instance, code = failures[0]
        end = _end(version if instance == 1 else version / f"instance-{instance}", code)
        print_state("training_fail", end=text("of_instance", number=instance, end=end) if len(processes) > 1 else end)
    else:
        print_state("finish")
    print(f"output: {version}", flush=True)
    code = failures[0][1] if failures else 0
    return 128 - code if code < 0 else code


def _result_lines(output: Path) -> Iterator[str]:
    """Yield a line for the result of each run, and one for all trials of studies."""
    results = list(run_results(output))
    for directory, result in results:
        if result.trial is None:
            yield f"result: {directory.relative_to(output)}: {result}"
    trials = Counter(result.status for _, result in results if result.trial is not None)
    if trials:
        yield "result of trials: " + ", ".join(f"{count} {status}" for status, count in trials.items())


def _end(output: Path, code: int) -> dict[str, str]:
    """Return how an instance failed, by language: the exit code or signal, and the cause in its file ``failure``."""
    end = text("killed", signal=signal.Signals(-code).name) if code < 0 else text("exit_code", code=code)
    with suppress(OSError):
        cause, *_ = (output / "failure").read_text(encoding="utf-8").splitlines() or [""]
        causes = dict(zip(("en", "zh"), split_line(cause), strict=True))
        full = text("with_cause", end=end, cause=causes)
        end |= {language: full[language] for language, part in causes.items() if part}
    return end
