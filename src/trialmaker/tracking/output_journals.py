"""The journals of an output, and whether a process works on their runs. Light: it imports no MLflow."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from trialmaker.tracking.journal import is_held, last_attempt
from trialmaker.tracking.places import JOURNAL_FILE

LOGS_FOLDER = "logs"  # in an output: the runs' directories
MAX_DEPTH = 6  # levels of folders to search below a given one
UNSEARCHED = {LOGS_FOLDER, "mlartifacts", "mlruns", "model", "tensorboard", "checkpoints", "node_modules"}
RECENT_SECONDS = 120.0  # a journal of another machine that was written to since may have a live process


def journals(output: Path) -> list[Path]:
    """Return the journals of an output's runs, trials included, in the order of their directories' names."""
    return sorted((output / LOGS_FOLDER).rglob(JOURNAL_FILE))


def find_outputs(place: Path) -> Iterator[Path]:
    """Yield the outputs in a folder and below it that hold a journal, whether they have a store of their own or not."""
    for folder, names, _ in os.walk(place):
        if LOGS_FOLDER in names and any(Path(folder, LOGS_FOLDER).rglob(JOURNAL_FILE)):
            yield Path(folder)
            names.clear()
        depth = len(Path(folder).parts) - len(place.parts)
        is_searched = depth < MAX_DEPTH
        names[:] = sorted(name for name in names if is_searched and name not in UNSEARCHED and not name.startswith("."))


def is_live(journal: Path) -> bool:
    """Return whether a process may work on a run: it holds the journal, or is on another machine, and has just written.

    Locks of other machines cannot always be seen.
    """
    if is_held(journal):
        return True
    attempt = last_attempt(journal)
    is_elsewhere = attempt is not None and attempt.is_alive() is None
    return is_elsewhere and time.time() - journal.stat().st_mtime < RECENT_SECONDS


def may_go_on(journal: Path) -> bool:
    """Return whether the process that worked on a run runs still, perhaps between two trials."""
    attempt = last_attempt(journal)
    return is_live(journal) or (attempt is not None and bool(attempt.is_alive()))
