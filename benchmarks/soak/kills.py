"""Kills: of what, when, and which phase they fell into."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 0.002
PHASES = ("start", "step", "validation", "checkpoint", "publish", "tracking", "end")
RUN_TARGETS = ("group", "parent", "tracker")
SWEEP_TARGETS = ("tree", "supervisor", "worker")


@dataclass(frozen=True)
class Plan:
    """One kill.

    Args:
        target: ``group`` (all of the command's process group), ``parent`` (the training process alone), ``tracker``
            (the tracking process alone); of a sweep ``tree`` (all processes), ``supervisor`` or ``worker``.
        seconds: after the command's start, or after the previous kill of a process that the command outlives.
        phase: to wait for in place of the seconds.
        visit: which beginning of the phase, from 1.
        delay: of the kill after the phase's beginning, at most, in seconds.
        seen_by: the process whose phase it is: ``trainer``, ``tracker`` or ``worker``.
    """

    target: str
    seconds: float = 0.0
    phase: str = ""
    visit: int = 1
    delay: float = 0.0
    seen_by: str = "trainer"
    seed: int = 0

    @property
    def ends_command(self) -> bool:
        """Return whether the command ends with what is killed."""
        return self.target not in ("tracker", "worker")

    def __str__(self) -> str:
        when = f"in {self.phase} (beginning {self.visit}, of {self.seen_by})" if self.phase else f"{self.seconds:.2f} s"
        return f"{self.target} at {when}"


@dataclass(frozen=True)
class Kill:
    """A kill that was made: its plan, and the phases that the command's processes were in."""

    plan: Plan
    phases: tuple[str, ...]


@dataclass
class Attempt:
    """One start of the command.

    Attributes:
        code: its exit code; negative for a signal.
        out, err: what it printed.
        kills: those that it met.
        seconds: how long it lasted.
    """

    code: int = 0
    out: str = ""
    err: str = ""
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0


def attempt(command: Sequence[str], *, root: Path, folder: Path, plans: list[Plan], limit: float = 300.0) -> Attempt:
    """Start the command, make the kills that come next, and wait for its end; used plans are removed from the list.

    Args:
        root: AI_ROOT.
        folder: for this attempt's notes and streams; new.
    """
    folder.mkdir(parents=True)
    agent = Path(__file__).resolve().parent / "agent"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"AI_ROOT": str(root), "TRIALMAKER_SOAK_DIRECTORY": str(folder), "PYTHONPATH": str(agent)}
    _write_plan(folder, plans)
    began, result = time.monotonic(), Attempt()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err, start_new_session=True)
        try:
            while plans and process.poll() is None:
                if (kill := _next_kill(process, folder, plans[0])) is None:
                    break
                result.kills.append(kill)
                plans.pop(0)
                _write_plan(folder, plans)
                if kill.plan.ends_command:
                    break
            result.code = process.wait(limit)
        finally:
            if process.poll() is None:
                _kill_tree(process)
                process.wait()
    if result.code < 0 and result.code != -signal.SIGKILL and not result.kills:
        raise RuntimeError(f"the command ended by signal {-result.code}, which nobody sent it: {folder}")
    result.seconds = time.monotonic() - began
    result.out, result.err = ((folder / name).read_text(errors="replace") for name in ("out", "err"))
    return result


def _write_plan(folder: Path, plans: list[Plan]) -> None:
    """Write the next plan for the processes' agents, if it waits for a phase."""
    if plans and plans[0].phase:
        (folder / "plan.part").write_text(json.dumps(vars(plans[0])))
        (folder / "plan.part").rename(folder / "plan.json")


def _next_kill(process: "subprocess.Popen[bytes]", folder: Path, plan: Plan) -> Kill | None:
    """Make the kill, or wait until the process makes it itself; return None if the command ended before."""
    record, due = folder / "kill.json", time.monotonic() + plan.seconds
    while process.poll() is None or record.exists():
        if plan.phase and record.exists():
            noted: dict[str, Any] = json.loads(record.read_text())
            record.unlink()
            return Kill(plan, tuple(noted["phases"]))
        if not plan.phase and time.monotonic() >= due and (kill := _kill(process, folder, plan)):
            return kill
        time.sleep(POLL_SECONDS)
    return None


def _kill(process: "subprocess.Popen[bytes]", folder: Path, plan: Plan) -> Kill | None:
    """Kill now, unless the target is not there; the phases are those that the processes noted last."""
    if plan.target == "group":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif plan.target == "tree":
        _kill_tree(process)
    elif plan.target in ("parent", "supervisor"):
        process.kill()
    elif not (victims := _living(folder, plan.target)):
        return None  # there is none yet, or no more
    else:
        with suppress(ProcessLookupError):
            os.kill(victims[plan.seed % len(victims)], signal.SIGKILL)
    return Kill(plan, tuple(sorted(_noted_phases(folder))))


def _kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Stop all processes, so that none starts another meanwhile, then kill them."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        parent.suspend()
        family = [parent, *parent.children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        for one in [*family, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()


def _living(folder: Path, role: str) -> list[int]:
    pids = (int(path.name.partition("-")[2]) for path in sorted(folder.glob(f"{role}-*")))
    return [pid for pid in pids if psutil.pid_exists(pid)]


def _noted_phases(folder: Path) -> set[str]:
    """Return the phases of the processes that noted theirs last; a later process' are newer than an ended one's."""
    phases: set[str] = set()
    newest = 0.0
    notes = []
    for path in folder.glob("*-*"):
        with suppress(ValueError):
            note = json.loads(path.read_bytes().rstrip(b"\0 "))
            notes.append(note)
            newest = max(newest, note["time"])
    for note in notes:
        if newest - note["time"] < 0.5:
            phases |= set(note["phases"])
    return phases or {"start"}
