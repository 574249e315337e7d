"""Runs whose process is gone and whose record MLflow has not: found in an output, delivered, and ended as KILLED.

A journal may be a stranger's, so it decides neither where it is sent nor what is written: a run goes to its output's
own store, or to an address that the person has named. Light, until there is something to deliver.
"""

import os
import shlex
import sqlite3
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from trialmaker.errors import MAX_SHOWN_CHARACTERS, UserError, first_line, one_line, printable
from trialmaker.platform.received_database import check_file
from trialmaker.platform.received_files import foreign_entry
from trialmaker.platform.redaction import without_password
from trialmaker.tracking import artifact_places, dead_studies
from trialmaker.tracking.delivery_lock import DeliveryBusy
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.journal import head, read_records
from trialmaker.tracking.messages import Start
from trialmaker.tracking.output_journals import is_live, is_of_other_instance, journals, linked_logs
from trialmaker.tracking.places import LOG_FILE, STATE_FILE, RunPlace
from trialmaker.tracking.refusals import OTHER_STORE
from trialmaker.tracking.settings import ENVIRONMENT, NO_RETRIES, RUN_VARIABLES, STORE_FILE, STORE_LOCK_FILE


@dataclass(frozen=True)
class UndeliveredRun:
    """A run that no live process works on, and of which MLflow lacks something.

    Args:
        directory: the run's.
        output: the output directory.
        start: the beginning of the journal.
    """

    directory: Path
    output: Path
    start: Start

    def __str__(self) -> str:
        return printable(f"{self.directory} ({self.start.run_name})")

    def place(self, addresses: Collection[str]) -> RunPlace | None:
        """Return where its journal is to be delivered; None where it names a server that is not among the addresses.

        Args:
            addresses: tracking URIs that the person has named, perhaps with passwords.
        """
        if self.start.uri is None:
            return RunPlace(self.directory, self.output)
        own = without_password(self.start.uri).rstrip("/")
        uri = next((one for one in addresses if without_password(one).rstrip("/") == own), None)
        return RunPlace(self.directory, self.output, uri) if uri else None


def undelivered_runs(output: Path) -> Iterator[UndeliveredRun]:
    """Yield the runs of an output of which MLflow lacks something, and on which no live process works."""
    for journal in journals(output):
        if not _is_complete(journal) and not is_live(journal) and (start := head(journal)):
            yield UndeliveredRun(journal.parent, output, start)


def _is_complete(journal: Path) -> bool:
    """Return whether MLflow has all of a journal, and its end."""
    try:
        state = DeliveryState.read(journal.with_name(STATE_FILE))
        return state.is_ended and not any(read_records(journal, state.offset))
    except OSError:
        return True  # it cannot be read, so not be delivered


def deliver(run: UndeliveredRun, place: RunPlace) -> str:
    """Bring MLflow what it lacks of a run, and end it: as its journal says, or as KILLED. Twice is as good as once.

    Args:
        run: the run.
        place: as ``run.place`` returns it.

    Returns:
        a line that says so; "" where another process is at it.

    Raises:
        UserError: the store cannot be reached, or refuses.
    """
    _check(run, place)
    prepare_environment()
    from trialmaker.tracking.delivery import Delivery  # imports MLflow
    from trialmaker.tracking.insistence import StoreAway, StoreRefusal

    store = without_password(place.store)
    try:
        with (run.directory / LOG_FILE).open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
            try:
                delivery = Delivery(place)
                if place.uri is None:
                    artifact_places.keep_inside(run.output, run.start.experiment, delivery.state.run_id)
                delivery.deliver()
            except Exception:
                traceback.print_exc(file=log)
                raise
    except DeliveryBusy:
        return ""
    except Exception as error:  # anything may be in a journal that was received
        is_expected = isinstance(error, StoreAway | StoreRefusal | UserError | OSError | sqlite3.Error)
        cause = error if is_expected else f"its journal cannot be made use of: {error!r}"
        reason = without_password(one_line(cause)).partition(f", {OTHER_STORE}")[0]
        raise UserError(f"{run}: not delivered to {store}: {reason}") from error
    return f"{run}: delivered to {store}"


def _check(run: UndeliveredRun, place: RunPlace) -> None:
    """Check that to deliver a run reads and writes nothing outside its output, and asks its store nothing endless.

    Raises:
        UserError: it would, as far as can be seen.
    """
    lock = run.output / STORE_LOCK_FILE
    if alien := foreign_entry(run.directory) or (lock if lock.is_symlink() else None):
        raise UserError(printable(f"{run}: not delivered: {alien} is a link or a pipe: remove it"))
    try:
        if place.uri is None:
            check_file(run.output / STORE_FILE)
    except (OSError, sqlite3.Error) as error:
        reason = one_line(error, MAX_SHOWN_CHARACTERS)
        raise UserError(printable(f"{run}: not delivered: {run.output / STORE_FILE}: {reason}")) from error


def address_advice(run: UndeliveredRun) -> str:
    """Return a line about a run that was recorded for a server that the person has not named."""
    uri = str(run.start.uri)
    command = f"python -m trialmaker sync {shlex.quote(str(run.output))} --to {shlex.quote(uri)}"
    return printable(f"{run}: was recorded for {uri}, which gets it if you trust it: {command}")


def end_dead_studies(output: Path, addresses: Collection[str]) -> Iterator[str]:
    """End the runs of studies that no process works on, and yield a line for each.

    Raises:
        UserError: a store cannot be reached, or refuses.
    """
    own = [(RunPlace(output, output), None)] if dead_studies.may_be_there(output) else []
    for place, uri in [*own, *((RunPlace(output, output, one), without_password(one)) for one in addresses)]:
        prepare_environment()
        from mlflow.exceptions import MlflowException

        try:
            for study in dead_studies.end_all(output, place.store, uri):
                yield printable(f"study {study}: no process works on it; KILLED in {without_password(place.store)}")
        except MlflowException as error:
            reason = first_line(error, MAX_SHOWN_CHARACTERS)
            raise UserError(f"{output}: studies in {without_password(place.store)}: {reason}") from error


def prepare_environment() -> None:
    """Set the environment in which MLflow is imported; the stores are those of the journals, not that of a variable."""
    for name in RUN_VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(NO_RETRIES)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def recover(output: Path, addresses: Collection[str], report: Callable[[str], None]) -> None:
    """Deliver what an output holds and MLflow lacks, as far as that is possible now, and without asking.

    Args:
        output: the output directory; where it cannot be written to, nothing is done.
        addresses: see ``UndeliveredRun.place``.
        report: gets a line for each run.
    """
    if not os.access(output, os.W_OK):
        return
    if line := linked_logs(output):
        report(line)
    for run in undelivered_runs(output):
        # another instance brings its runs to a server by itself: both could create one there
        if place := run.place(() if is_of_other_instance(run.directory) else addresses):
            try:
                line = deliver(run, place)
            except UserError as error:
                line = str(error)
            if line:
                report(line)
    for line in end_dead_studies(output, ()):
        report(line)
