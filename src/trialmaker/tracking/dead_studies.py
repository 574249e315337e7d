"""Runs of studies that say RUNNING though no process works on a trial of theirs any more: ended as KILLED."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from trialmaker.platform.paths import is_own_output
from trialmaker.platform.received_database import check_tables, guard
from trialmaker.tracking.journal import head
from trialmaker.tracking.output_journals import journals, may_go_on
from trialmaker.tracking.settings import END_TAG, STORE_FILE, STUDY_TAG

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
    for experiment_name, study, last_write in _dead_studies(output, uri):
        experiment = client.get_experiment_by_name(experiment_name)
        condition = f"tags.`{STUDY_TAG}` = '{study}' and attributes.status = 'RUNNING'"
        for run in client.search_runs([experiment.experiment_id], condition) if experiment else ():
            client.set_tag(run.info.run_id, END_TAG, END_MESSAGE)
            client.set_terminated(run.info.run_id, "KILLED", last_write)
            names.append(study)
    return names


def _dead_studies(output: Path, uri: str | None) -> Iterator[tuple[str, str, int]]:
    """Yield experiment and name of each study that no process works on, and when a trial of it was last written to."""
    trials: dict[tuple[str, str], list[Path]] = {}
    for journal in journals(output):
        start = head(journal)
        if start and start.study and start.uri == uri:
            trials.setdefault((start.experiment, start.study), []).append(journal)
    for (experiment, study), paths in trials.items():
        if not any(map(may_go_on, paths)):
            yield experiment, study, int(max(path.stat().st_mtime for path in paths) * 1000)
