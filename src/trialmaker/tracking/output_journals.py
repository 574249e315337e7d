"""The journals of an output, and whether a process works on their runs. Light: it imports no MLflow."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from trialmaker.errors import printable
from trialmaker.platform.paths import is_own_output
from trialmaker.platform.run_result import is_half_copy
from trialmaker.tracking.journal import END_TYPES, is_held, last_attempt, read_records
from trialmaker.tracking.places import JOURNAL_FILE

LOGS_FOLDER = "logs"  # in an output: the runs' directories
OTHERS_FOLDER = re.compile(r"instance-[0-9]+")  # of a study: what the instance of that number has sent
MAX_DEPTH = 6  # levels of folders to search below a given one
UNSEARCHED = {LOGS_FOLDER, "mlartifacts", "mlruns", "model", "tensorboard", "checkpoints", "node_modules"}
RECENT_SECONDS = 120.0  # a journal of another machine that was written to since may have a live process


def journals(output: Path) -> list[Path]:
    """Return the journals of an output's runs, trials included, in the order of their directories' names.

    Half copies are left out. So are links: what they lead to is no part of the output, and to deliver a run writes
    beside its journal. Only the project's own output may have a link for the folder of its runs' directories.
    """
    if linked_logs(output):
        return []
    entries = sorted((output / LOGS_FOLDER).rglob(JOURNAL_FILE))  # which follows no links to folders
    return [path for path in entries if path.is_file() and not path.is_symlink() and not is_half_copy(path, output)]


def is_of_other_instance(directory: Path) -> bool:
    """Return whether a run's directory was sent by another instance of its study."""
    return bool(OTHERS_FOLDER.fullmatch(directory.parent.name))


def linked_logs(output: Path) -> str:
    """Return a line about an output whose journals are left out; "" where they are not."""
    folder = output / LOGS_FOLDER
    if is_own_output(output) or not folder.is_symlink():
        return ""
    return printable(f"{folder}: is a link, so its runs are left out: put the folder itself there")


def find_outputs(place: Path) -> Iterator[Path]:
    """Yield the outputs in a folder and below it that hold a journal, or a link for some, with a store or without."""
    for folder, names, _ in os.walk(place):
        if LOGS_FOLDER in names and (linked_logs(Path(folder)) or journals(Path(folder))):
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


def was_stopped(journal: Path) -> bool:
    """Return whether a signal ended the run, and so the process that worked on it."""
    marks = [one.record for one in read_records(journal) if one.record["type"] in (*END_TYPES, "attempt")]
    return bool(marks) and marks[-1].get("status") == "KILLED" and not marks[-1].get("is_pruned")
