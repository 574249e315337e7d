"""An earlier run of an output, as its journal, its result and its checkpoints tell of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from trialmaker.config.run_schema import EFFECTIVE_PRECISION, PRECISION, PRECISIONS
from trialmaker.platform import paths
from trialmaker.platform.run_result import RESULT_FILE, RunResult, read_result
from trialmaker.tracking import journal
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.messages import Start
from trialmaker.tracking.places import JOURNAL_FILE, STATE_FILE


@dataclass(frozen=True)
class EarlierRun:
    """A run that began in an output, in this process or another.

    Args:
        directory: the run's, ``logs/<run>``.
        output: the output that it lies in.
        head: its journal's start.
    """

    directory: Path
    output: Path
    head: Start

    @property
    def name(self) -> str:
        """Return the name of its directory below ``logs/``."""
        return paths.run_name(self.directory, self.output)

    @property
    def checkpoints(self) -> Path:
        """Return the folder of its checkpoints."""
        return checkpoint_directory(self.directory, self.output)

    @cached_property
    def result(self) -> RunResult | None:
        """Return how it ended; None where it was killed, or goes on."""
        return read_result(self.directory / RESULT_FILE)

    @property
    def run_id(self) -> str:
        """Return MLflow's id of the run; "" where MLflow has not answered."""
        return DeliveryState.read(self.directory / STATE_FILE).run_id

    @property
    def params(self) -> Mapping[str, str]:
        """Return its config's fields as text, by path; of an extension, those of the extension."""
        attempts = [record.get("params") for record in self.records if record["type"] == "attempt"]
        latest = attempts[-1] if attempts and isinstance(attempts[-1], dict) else {}
        return {**self.head.params, **{str(name): str(value) for name, value in latest.items()}}

    @property
    def precision(self) -> str:
        """Return the precision that it has recorded as the one that it computes in; "" where it had not come so far."""
        if PRECISION not in self.head.params:
            return PRECISIONS[0]  # of a version that had no other
        recorded = [record.get("values") for record in self.records if record["type"] == "params"]
        values = [one.get(EFFECTIVE_PRECISION) for one in recorded if isinstance(one, dict)]
        return next((str(value) for value in values if value in PRECISIONS), "")

    @property
    def is_alive(self) -> bool:
        """Return whether a process works on it: its lock says so, also of a container that was started anew."""
        return journal.is_held(self.directory / JOURNAL_FILE)

    @property
    def is_interrupted(self) -> bool:
        """Return whether it ended before its time: killed, stopped, at its time limit, or for want of space."""
        return self.result is None or self.result.is_interrupted

    @cached_property
    def records(self) -> list[Mapping[str, Any]]:
        """Return the records of its journal."""
        return [one.record for one in journal.read_records(self.directory / JOURNAL_FILE)]

    @cached_property
    def _attempt_times(self) -> list[tuple[float, float]]:
        """Return (first, last) of the times of each attempt's records, seconds since 1970.

        A journal without an attempt, as a kill at its beginning or another version leaves it, counts as one.
        """
        records = self.records
        begins = [at for at, record in enumerate(records) if record["type"] == "attempt"] or [0]
        ends = [*begins[1:], len(records)]
        return [
            (records[begin]["time"] / 1000, records[end - 1]["time"] / 1000)
            for begin, end in zip(begins, ends, strict=True)
        ]

    @property
    def attempts(self) -> int:
        """Return in how many processes it went on."""
        return len(self._attempt_times)

    @property
    def spent_seconds(self) -> float:
        """Return how long its attempts took together, each to its last record."""
        return sum(max(0.0, last - first) for first, last in self._attempt_times)  # a clock may have been set

    @property
    def started_at(self) -> str:
        """Return when its first attempt began: ISO 8601, UTC."""
        return datetime.fromtimestamp(self._attempt_times[0][0], UTC).isoformat(timespec="seconds")

    @property
    def ended_at(self) -> str:
        """Return when its last attempt wrote its last record: month, day and local time."""
        return f"{datetime.fromtimestamp(self._attempt_times[-1][1]):%m-%d %H:%M}"


def checkpoint_directory(directory: Path, output: Path) -> Path:
    """Return the folder of a run's checkpoints.

    Args:
        directory: the run's.
        output: the output that it lies in.
    """
    return output / "checkpoints" / paths.run_name(directory, output)


def earlier_runs(output: Path, pattern: str) -> Iterator[EarlierRun]:
    """Yield the runs of an output whose directory below ``logs/`` has such a name, the latest first.

    Args:
        output: the output.
        pattern: as for ``Path.glob``.
    """
    files = [path / JOURNAL_FILE for path in (output / "logs").glob(pattern)]
    present = [path for path in files if path.is_file()]
    for path in sorted(present, key=lambda one: one.stat().st_mtime_ns, reverse=True):
        if run := run_in(path.parent, output):
            yield run


def run_in(directory: Path, output: Path) -> EarlierRun | None:
    """Return the run that a directory has the journal of; None where it has none."""
    head = journal.head(directory / JOURNAL_FILE)
    return EarlierRun(directory, output, head) if head else None
