"""A run's journal: all that is told to MLflow, appended to a file in the run's directory. Light: it imports no MLflow.

``tracking.jsonl`` has a JSON object a line: ``type``, ``time`` in milliseconds since 1970, perhaps ``id``, and what
the type has. The first record is the run's start; each process that works on the run adds an attempt. A record that is
made again after a resume has the same id, and is left out: the first value and time stay. The process that appends
holds a lock on the file for as long as it lives.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from optuna_sweep.process_identity import ProcessIdentity, this_process
from trialmaker.errors import UserError
from trialmaker.platform.regular_files import open_regular
from trialmaker.tracking.journal_file import LOCK_PAUSE_SECONDS, MAX_LINE_BYTES, end_of_last_line, try_lock
from trialmaker.tracking.journal_messages import Record, RecordError, from_record, to_record
from trialmaker.tracking.messages import Message, Start
from trialmaker.tracking.places import JOURNAL_FILE

END_TYPES = ("end", "study")  # of records, that end an attempt
RELEASE_SECONDS = 1.0
END_OF_TIME = 4_102_444_800_000  # milliseconds since 1970 in the year 2100; no record is from later


class JournalBusy(UserError):
    """A journal that another live process appends to."""


class Position(NamedTuple):
    """A record, and the offset in the file where the next one begins."""

    record: Record
    end: int


class Journal:
    """A run's journal, open for appending by this process alone; made if it does not exist.

    A last line that was torn by a kill or a full disk is cut off.

    Args:
        directory: the run's.
        output: the output directory, to which paths in records are relative.

    Attributes:
        earlier_ids: the ids of the records that were there when it was opened.
        head: the run's start, or None while there is none.
        is_new: whether it held no record when it was opened.

    Raises:
        JournalBusy: another live process appends to it.
        OSError: it cannot be made or read.
    """

    def __init__(self, directory: Path, output: Path) -> None:
        self.directory, self.output = directory, output
        self.path = directory / JOURNAL_FILE
        self._file = cast(BinaryIO, self.path.open("a+b", buffering=0))
        try:
            if not try_lock(self._file):
                raise JournalBusy(f"{self.path}: another process works on this run; end it, or choose another output=…")
            self._ids = self._repair()
        except BaseException:
            self._file.close()
            raise
        self.is_new = next(read_records(self.path), None) is None
        self.earlier_ids = frozenset(self._ids)
        self.head = head(self.path)

    def _repair(self) -> set[str]:
        """Cut off what follows the last whole line; return the ids of the records."""
        ids = {str(position.record["id"]) for position in read_records(self.path) if "id" in position.record}
        self._file.truncate(end_of_last_line(self._file))
        return ids

    def append(self, message: Message, id: str | None = None) -> bool:
        """Append a message with the present time; return False, and write nothing, where the id is there already.

        It is in the file when this returns, so that it outlives this process, though not the machine.

        Raises:
            OSError: it cannot be written, such as for want of space.
        """
        if id is not None and id in self._ids:
            return False
        record, arrays = to_record(message, self.output)
        if arrays:
            record["arrays"] = self._write_arrays(f"tracking.{record['type']}-{record['epoch']}.npz", arrays)
        self._write(_line(record, id))
        if id is not None:
            self._ids.add(id)
        if isinstance(message, Start):
            self.head = message
        return True

    def append_attempt(self, start: Start | None = None, params: Mapping[str, str] | None = None) -> None:
        """Record that this process works on the run; in the same write, before it, the run's start.

        Args:
            start: of a new run; None for one that has begun.
            params: what is no longer as the start says: an extension has more epochs.
        """
        head = _line(to_record(start, self.output)[0]) if start else b""
        self._write(head + _line({"type": "attempt", **asdict(this_process()), "params": dict(params or {})}))
        self.head = start or self.head

    def has(self, id: str) -> bool:
        """Return whether a record has the id."""
        return id in self._ids

    def close(self) -> None:
        """Let another process append. Calls after the first do nothing."""
        self._file.close()

    def remove(self) -> None:
        """Close it, and remove it with all that lies beside it."""
        self.close()
        for path in [*self.directory.glob("tracking.*.npz"), *self.directory.glob("tracking.*.json"), self.path]:
            path.unlink(missing_ok=True)

    def _write(self, lines: bytes) -> None:
        begin = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(lines)
            if written < len(lines):  # there is no room for more: this raises
                self._file.write(lines[written:])
        except BaseException:
            self._file.truncate(begin)
            raise

    def _write_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> str:
        """Write a file of arrays beside the journal, whole or not at all; return its name."""
        temporary = self.directory / f".{name}"
        try:
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes the names for its options
            temporary.replace(self.directory / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return name


def _line(record: Record, id: str | None = None) -> bytes:
    """Return a record as a line, with the present time."""
    identity = {"id": id} if id is not None else {}
    return json.dumps({**record, **identity, "time": now()}, default=_plain).encode() + b"\n"


def _plain(value: object) -> bool | int | float:
    """Return a scalar of NumPy's as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no value of a record")


def now() -> int:
    """Return the time as MLflow has it: milliseconds since 1970."""
    return int(time.time() * 1000)


def read_records(path: Path, offset: int = 0) -> Iterator[Position]:
    """Yield the records from an offset on, up to the last whole line. What is no record is passed over.

    Raises:
        OSError: the journal cannot be read.
    """
    with open_regular(path) as file:
        file.seek(offset)
        is_begin = True
        while line := file.readline(MAX_LINE_BYTES):
            is_end = line.endswith(b"\n")
            if not is_end and len(line) < MAX_LINE_BYTES:
                return  # it is being written, or was torn by a kill
            offset += len(line)
            if is_begin and is_end and (record := _parse(line)) is not None:
                yield Position(record, offset)
            is_begin = is_end


def head(path: Path) -> Start | None:
    """Return the run's start; None where there is no journal, or none begun.

    Its ``project`` and ``run_directory`` are the journal's folder, its ``store`` may lack a password.
    """
    try:
        record = next((one.record for one in read_records(path) if one.record["type"] == "start"), None)
        start = from_record(record, path.parent) if record else None
    except (OSError, RecordError):
        return None
    return start if isinstance(start, Start) else None


def last_attempt(path: Path, number: int = 1) -> ProcessIdentity | None:
    """Return the process that worked on the run last, or the so many last one; None where the journal names none."""
    attempts = [one.record for one in read_records(path) if one.record["type"] == "attempt"]
    try:
        last = attempts[-number]
        return ProcessIdentity(str(last["host"]), int(last["pid"]), float(last["began"]))
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None


def has_ended(path: Path) -> bool:
    """Return whether the process that worked on the run last has recorded its end."""
    marks = [one.record["type"] for one in read_records(path) if one.record["type"] in (*END_TYPES, "attempt")]
    return bool(marks) and marks[-1] in END_TYPES


def is_held(path: Path) -> bool:
    """Return whether a live process appends to a journal."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_released(path: Path) -> bool:
    """Return whether nobody appends to a journal; a process that has just died may hold it for an instant."""
    deadline = time.monotonic() + RELEASE_SECONDS
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOCK_PAUSE_SECONDS)
    return True


def _parse(line: bytes) -> Record | None:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):  # of a line that somebody made to be so deep
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("type"), str) and _is_time(record.get("time"))
    return record if is_record else None


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < END_OF_TIME
