"""Journals of runs without a training."""

from pathlib import Path
from typing import Any

from support.entry import PROJECT
from trialmaker.tracking.journal import Journal
from trialmaker.tracking.messages import DataUsed, End, Metrics, Start


def write_journal(
    output: Path, name: str = "one", *, epochs: int = 3, end: str | None = None, uri: str | None = None, **fields: Any
) -> Journal:
    """Append a run's records to its journal, which stays open, as that of a live process."""
    directory = output / "logs" / name
    directory.mkdir(parents=True)
    journal = Journal(directory, output)
    experiment = fields.pop("experiment", "digits")
    start = Start(uri, output, experiment, f"run {name}", directory, PROJECT, {"a": "b"}, "", 2.0, **fields)
    journal.append(start, "start")
    journal.append_attempt()
    journal.append(DataUsed("digits", "source", "digest", {"train": 10}, (28, 28, 1)), "data")
    for epoch in range(1, epochs + 1):
        journal.append(Metrics(epoch, {"val_accuracy": epoch / 10}), f"epoch {epoch}")
    if end:
        journal.append(End(end, "why" if end == "FAILED" else ""))
    return journal


def dead_journal(output: Path, name: str = "one", **fields: Any) -> Path:
    """Leave the journal of a process that is gone; return its path."""
    journal = write_journal(output, name, **fields)
    journal.close()
    return journal.path
