"""The journal that a run is appended to: a new one, or that of its earlier attempts."""

from itertools import count

from trialmaker.tracking.journal import Journal, JournalBusy, head, is_held
from trialmaker.tracking.messages import Start
from trialmaker.tracking.places import JOURNAL_FILE

EXTENT = ("training.epochs", "training.patience")  # how long a run goes on, which an extension may change


def open_journal(start: Start) -> Journal:
    """Open the journal in a run's directory, with a start and an attempt of this process.

    A journal of the same run is gone on with; that of another run, whose directory is used again, is moved with its
    files into a folder ``earlier-<n>``.

    Raises:
        JournalBusy: another live process appends to it.
        OSError: it cannot be written.
    """
    earlier = head(start.run_directory / JOURNAL_FILE)
    if earlier and not _is_same_run(earlier, start):
        _move_away(start)
    journal = Journal(start.run_directory, start.output)
    try:
        began_as = (journal.head or start).params
        extent = {name: value for name, value in start.params.items() if name in EXTENT}
        changed = {name: value for name, value in extent.items() if value != began_as.get(name)}
        journal.append_attempt(start if journal.head is None else None, changed)
    except BaseException:
        journal.close()
        raise
    return journal


def _is_same_run(earlier: Start, start: Start) -> bool:
    """Return whether a start is that of a further attempt, as its key says, or of a study that it is the same trial."""
    if earlier.run_key == start.run_key:
        return True
    is_of_study = start.study is not None and (earlier.study, earlier.trial) == (start.study, start.trial)
    return is_of_study and (start.trial is None or earlier.params == start.params)


def _move_away(start: Start) -> None:
    directory = start.run_directory
    if is_held(directory / JOURNAL_FILE):
        raise JournalBusy(f"{directory / JOURNAL_FILE}: another process works on the run of this directory")
    folder = next(path for at in count(1) if not (path := directory / f"earlier-{at}").exists())
    folder.mkdir()
    for path in [*directory.glob("tracking.*.npz"), *directory.glob("tracking.*.json"), directory / JOURNAL_FILE]:
        path.rename(folder / path.name)
