"""A thread in a process of a soaked run: it notes the phase that the process is in, and kills where a plan says so.

The phase is read off the stacks of all threads, a few hundred times a second. It is kept in a memory-mapped file, which
outlives a SIGKILL, so that a kill from outside finds the phase of at most some milliseconds before it.

Standard library alone: this is imported before anything else in every process.
"""

import json
import mmap
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

POLL_SECONDS = 0.003
STATE_BYTES = 256
WAITING_FILES = ("/threading.py", "/queue.py", "/selectors.py", "/socket.py")  # where a thread without work stands
# phase: (file below src/trialmaker, functions, on which the stack of a thread passes; all functions where empty)
PLACES = {
    "fit": (("training/loop.py", ("fit",)),),
    "validation": (("training/loop.py", ("_validate",)),),
    "checkpoint": (
        ("training/checkpoint_files.py", ("write_checkpoint",)),
        ("training/checkpointer.py", ("write_now",)),
        ("training/snapshot.py", ()),
    ),
    "publish": (("model_store/publishing.py", ()), ("model_store/publisher.py", ("_publish", "_add_run_id"))),
    "tracking": (
        ("tracking/delivery.py", ("_begin", "_record", "_save")),
        ("tracking/recorder.py", ()),
        ("tracking/run.py", ()),
        ("tracking/study.py", ()),
        ("tracking/logged_model.py", ()),
        ("tracking/journal.py", ("append", "_write", "_write_arrays")),
    ),
}


def role() -> str:
    """Return what this process is for: ``trainer``, ``tracker``, ``worker``, or ``other``."""
    words = sys.orig_argv
    if "trialmaker.tracking.process" in words:
        return "tracker"
    if any(word.endswith("train.py") for word in words):
        return "worker" if "HYDRA_OPTUNA_WORKER" in os.environ else "trainer"
    return "other"


def start() -> None:
    """Watch this process from a thread, if it is one of a run's."""
    name = role()
    if name != "other":
        agent = Agent(name, Path(os.environ["TRIALMAKER_SOAK_DIRECTORY"]))
        threading.Thread(target=agent.watch, name="soak", daemon=True).start()


class Agent:
    """The observer of this process.

    Args:
        name: its role.
        folder: for its state ``<role>-<pid>``, the plan ``plan.json`` and the record of a kill ``kill.json``.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.places: dict[CodeType, frozenset[str]] = {}
        self.was_in_fit = False
        self.visits = 0
        self.phases: frozenset[str] = frozenset()
        self.plan: dict[str, Any] = {}
        self.plan_time = 0
        with (folder / f"{name}-{os.getpid()}").open("w+b") as file:
            file.write(bytes(STATE_BYTES))
            file.flush()
            self.state = mmap.mmap(file.fileno(), STATE_BYTES)

    def watch(self) -> None:
        """Note the phases, and kill when it is time, for as long as the process lives."""
        own = threading.get_ident()
        while True:
            phases = self.current_phases(own)
            self.note(phases)
            self.read_plan()
            if self.plan:
                self.follow_plan(phases)
            time.sleep(POLL_SECONDS)

    def read_plan(self) -> None:
        """Take up a plan that is new, if this process is the one to follow it."""
        try:
            changed = (self.folder / "plan.json").stat().st_mtime_ns
        except OSError:
            return
        if changed != self.plan_time:
            plan = json.loads((self.folder / "plan.json").read_text())
            self.plan_time, self.visits, self.due, self.phases = changed, 0, float("inf"), frozenset()
            self.plan = plan if plan["seen_by"] == self.name else {}
            self.random = random.Random(plan["seed"])

    def current_phases(self, own: int) -> frozenset[str]:
        """Return the phases that this process is in: one of the main thread's, and those of other threads."""
        main = threading.main_thread().ident
        phases: set[str] = set()
        for ident, frame in sys._current_frames().items():
            if ident == main:
                phases |= self.of_main(frame)
            elif ident != own and not frame.f_code.co_filename.endswith(WAITING_FILES):
                phases |= self.passed(frame) & {"checkpoint", "publish", "tracking"}
        return frozenset(phases)

    def of_main(self, frame: FrameType) -> set[str]:
        passed = self.passed(frame)
        if self.name == "tracker":
            return passed & {"tracking"}
        phases = passed & {"checkpoint", "publish", "tracking"}
        if "fit" in passed:
            self.was_in_fit = True
            return phases | ({"validation"} if "validation" in passed else {"step"})
        return phases | ({"end"} if self.was_in_fit else {"start"})

    def passed(self, frame: FrameType) -> set[str]:
        """Return the phases whose places a stack passes through."""
        phases: set[str] = set()
        for code in stack(frame):
            if code not in self.places:
                self.places[code] = places_of(code)
            phases |= self.places[code]
        return phases

    def note(self, phases: frozenset[str]) -> None:
        text = json.dumps({"time": time.time(), "phases": sorted(phases)}).encode()
        self.state[:] = text.ljust(STATE_BYTES)[:STATE_BYTES]

    def follow_plan(self, phases: frozenset[str]) -> None:
        """Kill the plan's target in the plan's phase: at its so manieth beginning, some time later."""
        phase = self.plan["phase"]
        if phase in phases and phase not in self.phases:
            self.visits += 1
            if self.visits >= self.plan["visit"]:
                self.due = time.monotonic() + self.random.uniform(0.0, self.plan["delay"])
        self.phases = phases
        if phase in phases and time.monotonic() >= self.due:
            self.kill(phases)

    def kill(self, phases: frozenset[str]) -> None:
        target, self.plan = self.plan["target"], {}
        try:
            (self.folder / "plan.json").unlink()
        except OSError:
            return  # another process was faster
        record = json.dumps({"role": self.name, "phases": sorted(phases), "target": target})
        (self.folder / "kill.part").write_text(record)
        (self.folder / "kill.part").rename(self.folder / "kill.json")
        if target == "group":
            os.killpg(0, signal.SIGKILL)
        for pid in self.processes({"parent": "trainer"}.get(target, target)):
            os.kill(pid, signal.SIGKILL)

    def processes(self, name: str) -> list[int]:
        pids = [int(path.name.partition("-")[2]) for path in self.folder.glob(f"{name}-*")]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def stack(frame: FrameType | None) -> Iterator[CodeType]:
    """Yield the code of a frame, of its caller, and so on."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def places_of(code: CodeType) -> frozenset[str]:
    """Return the phases that some code belongs to."""
    _, separator, file = code.co_filename.rpartition("/src/trialmaker/")
    if not separator:
        return frozenset()
    return frozenset(
        phase
        for phase, places in PLACES.items()
        for prefix, functions in places
        if file.startswith(prefix) and (not functions or code.co_name in functions)
    )
