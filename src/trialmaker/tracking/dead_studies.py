"""Runs of studies that say RUNNING though no process works on a trial of theirs any more: ended as KILLED."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from trialmaker.platform.paths import is_own_output
from trialmaker.platform.received_database import check_tables, guard
from trialmaker.tracking.journal import head, last_attempt
from trialmaker.tracking.messages import Start
from trialmaker.tracking.output_journals import journals, may_go_on, was_stopped
from trialmaker.tracking.settings import END_TAG, STORE_FILE, STUDY_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUNNING_STUDIES = f"""
SELECT value FROM tags JOIN runs USING (run_uuid)
WHERE key = '{STUDY_TAG}' AND status = 'RUNNING' AND lifecycle_stage = 'active'
"""
END_MESSAGE = "the study's processes vanished"


def may_be_there(output: Path) -> bool:
    """Return whether the output's own store has a study's run that says RUNNING; it is only read. Light.

    A store that is not what it should be has none.
    """
    path = output / STORE_FILE
    is_own = is_own_output(output)
    if not path.is_file() or (path.is_symlink() and not is_own):
        return False
    uri = f"file:{quote(str(path))}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as connection:
        guard(connection, path.stat().st_size)
        if not is_own:
            check_tables(connection)
        return connection.execute(RUNNING_STUDIES).fetchone() is not None
    return False


def end_all(output: Path, store: str, uri: str | None) -> list[str]:
    """End the runs of studies that no process works on; return the studies' names.

    Args:
        output: the output directory.
        store: the tracking URI.
        uri: the same as journals have it: without its password; None for the output's own store.

    Raises:
        mlflow.exceptions.MlflowException: the store cannot be reached, or refuses.
    """
    import mlflow  # which takes a while

    client, names = mlflow.MlflowClient(store), []
    for (experiment_name, study), paths in _trials(output, uri).items():
        experiment = client.get_experiment_by_name(experiment_name)
        if experiment and not any(map(may_go_on, paths)):
            last_write = int(max(path.stat().st_mtime for path in paths) * 1000)
            names += _end(client, experiment.experiment_id, study, END_MESSAGE, last_write)
    return names


def end_stopped(
    client: "MlflowClient", experiment_id: str, output: Path, start: Start, message: str, time: int
) -> None:
    """End a study's run when a trial was stopped, unless another process, which was not, works on the study.

    Args:
        output: whose own store this is, and whose journals tell of all that work on the study.
        start: the trial's.
        message: why it was stopped; time: when, milliseconds since 1970.
    """
    paths = _trials(output, start.uri).get((start.experiment, str(start.study)), [])
    latest = {last_attempt(path): path for path in sorted(paths, key=lambda path: path.stat().st_mtime)}  # by process
    if not any(may_go_on(path) and not was_stopped(path) for path in latest.values()):
        _end(client, experiment_id, str(start.study), message, time)


def _end(client: "MlflowClient", experiment_id: str, study: str, message: str, time: int) -> list[str]:
    """End the study's runs that say RUNNING; return its name for each."""
    condition = f"tags.`{STUDY_TAG}` = '{study}' and attributes.status = 'RUNNING'"
    runs = client.search_runs([experiment_id], condition)
    for run in runs:
        client.set_tag(run.info.run_id, END_TAG, message)
        client.set_terminated(run.info.run_id, "KILLED", time)
    return [study] * len(runs)


def _trials(output: Path, uri: str | None) -> dict[tuple[str, str], list[Path]]:
    """Return the journals of an output's trials by experiment and study."""
    trials: dict[tuple[str, str], list[Path]] = {}
    for journal in journals(output):
        start = head(journal)
        if start and start.study and start.uri == uri:
            trials.setdefault((start.experiment, start.study), []).append(journal)
    return trials
