"""What outages of an MLflow server cost a training: the digits for 600 epochs, a proxy that fails, and what is kept.

python benchmarks/outages.py [--epochs 600] [--outages NAME ...]

Each training is the real command in a process of its own, recorded by a real MLflow server on this machine behind the
proxy of tests/support. The first step is that after the model was built: it compiles the program. The gap is the
longest time between two records of the loop, from the first step to the last epoch, by the times that TensorFlow writes
into the event files; so it is the longest one between steps, or more.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.measure import PROJECT
from support.options import options

# isort: split
sys.path.append(str(PROJECT / "tests"))

from support.mlflow_record import read_record
from support.outage_proxy import Outage, OutageProxy
from support.servers import mlflow_server
from support.step_times import longest_gap, step_times

SECONDS = 8.0  # of an outage
FIRST_EPOCH = "epoch=30 "  # at which most begin
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Scenario:
    """One outage.

    Args:
        begins: the start of the line of the log at which it begins; "" for before the training.
        seconds: how long it lasts from then on, or from the first epoch on; None for until the training has ended.
        loses_creation: whether the first answer to the creation of a run is lost.
    """

    outage: Outage
    begins: str = FIRST_EPOCH
    seconds: float | None = SECONDS
    delay_seconds: float = 0.0
    loses_creation: bool = False


SCENARIOS = {
    "none": Scenario(Outage.NONE),
    "connections cut, 8 s": Scenario(Outage.CUTS),
    "connections refused, 8 s": Scenario(Outage.REFUSES),
    "answers 30 s late, 8 s": Scenario(Outage.SLOW, delay_seconds=30),
    "answers 500, 8 s": Scenario(Outage.ERROR),
    "answers 401, 8 s": Scenario(Outage.UNAUTHORIZED),
    "never answers, 8 s": Scenario(Outage.SILENT),
    "down at the start, 8 s": Scenario(Outage.REFUSES, begins=""),
    "never answers at the start, 8 s": Scenario(Outage.SILENT, begins=""),
    "the answer to runs/create lost": Scenario(Outage.NONE, loses_creation=True),
    "down until after the end, then sync": Scenario(Outage.REFUSES, seconds=None),
}


@dataclass
class Training:
    """What a command printed, and when."""

    code: int = -1
    built: float = float("nan")  # seconds since 1970: when the model was built, and its first step was to come
    lines: list[str] = field(default_factory=list)

    def notices(self) -> str:
        """Return the beginnings of the lines about MLflow, but for the one at the end of each training."""
        own = [line for line in self.lines if "MLflow" in line and not line.startswith("MLflow run: ")]
        return "; ".join(re.split(r" \(| at http|: it gets", line)[0] for line in own) or "-"


def main(epochs: int, names: list[str]) -> None:
    """Print a row for each outage."""
    print(
        "| outage | epochs once | first step | longest gap | model, pictures | runs | exit code | lines about MLflow |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root, mlflow_server(Path(root, "server")) as address:
        for name in names:
            with OutageProxy(int(address.rpartition(":")[2])) as proxy:
                _report(name, Path(root, re.sub(r"\W+", "-", name)), epochs, proxy, address)


def _report(name: str, root: Path, epochs: int, proxy: OutageProxy, address: str) -> None:
    scenario = SCENARIOS[name]
    training = _train(scenario, root, epochs, proxy, experiment=name)
    if scenario.seconds is None:
        training.lines += _sync(root, proxy.address)
    record = read_record(address, name)
    times, gap = step_times(root / "output"), longest_gap(root / "output")
    there = ", ".join("yes" if one else "NO" for one in (record.has_model, record.has_pictures))
    first = times[0] - training.built if times else float("nan")
    print(
        f"| {name} | {record.epochs} of {epochs} | {first:.1f} s | {gap:.2f} s | {there} "
        f"| {' '.join(record.statuses) or '-'} | {training.code} | {training.notices()} |",
        flush=True,
    )


def _train(scenario: Scenario, root: Path, epochs: int, proxy: OutageProxy, experiment: str) -> Training:
    words = ["data=digits", f"training.epochs={epochs}", f"tracking.uri={proxy.address}"]
    command = [sys.executable, "train.py", *words, f"tracking.experiment='{experiment}'"]
    proxy.creations_to_lose = int(scenario.loses_creation)
    if not scenario.begins:
        proxy.begin(scenario.outage, scenario.delay_seconds)
    training = Training()
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=os.environ | {"AI_ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        killer = threading.Timer(LIMIT_SECONDS, process.kill)
        killer.start()
        for line in _watched(process, scenario, proxy):
            training.lines.append(line)
            if " parameters; " in line:
                training.built = time.time()
        training.code = process.wait()
        killer.cancel()
    proxy.end()
    return training


def _watched(process: "subprocess.Popen[str]", scenario: Scenario, proxy: OutageProxy) -> Iterator[str]:
    """Yield the lines of a training, and have the outage begin and end as its scenario says."""
    has_begun = False
    for line in process.stdout or ():
        if not has_begun and line.startswith(scenario.begins or "epoch=1 "):
            has_begun = True
            proxy.begin(scenario.outage, scenario.delay_seconds)
            if scenario.seconds is not None:
                _later(scenario.seconds, proxy.end)
        yield line.rstrip("\n")


def _later(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


def _sync(root: Path, address: str) -> list[str]:
    command = [sys.executable, "-m", "trialmaker", "sync", str(root / "output"), "--to", address]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return [f"MLflow sync, exit code {done.returncode} ({line})" for line in (done.stdout + done.stderr).splitlines()]


if __name__ == "__main__":
    args = options(__doc__, epochs=600, outages=list(SCENARIOS))
    main(args.epochs, args.outages)
