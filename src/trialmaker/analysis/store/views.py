"""The views of a merged store's run lists: those of outputs' stores, but over the runs of all outputs."""

import sqlite3
from collections import defaultdict
from itertools import groupby

from trialmaker.tracking.run_list import NOTE_START, NOTE_TAG, VIEW_TAG, RunListView, note

PARAMS = (
    "SELECT r.experiment_id, r.run_uuid, p.key, p.value FROM runs r JOIN params p USING (run_uuid) "
    "WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time, r.run_uuid, p.rowid"
)
SET_TAG = (
    "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET value = excluded.value WHERE key <> ? OR value LIKE ?"
)
# The view of an objective gets another key when another one is that of most runs.
DELETE_VIEWS = "DELETE FROM experiment_tags WHERE experiment_id = ?1 AND substr(key, 1, ?3) = ?2"
# MLflow makes an experiment "Default", of number 0, in each store.
HIDE_EMPTY_DEFAULT = (
    "UPDATE experiments SET lifecycle_stage = CASE WHEN EXISTS (SELECT 1 FROM runs WHERE experiment_id = 0 "
    "AND lifecycle_stage = 'active') THEN 'active' ELSE 'deleted' END WHERE experiment_id = 0"
)


def exist(connection: sqlite3.Connection) -> bool:
    """Return whether the merged store has views, as those of earlier releases have not."""
    return connection.execute("SELECT 1 FROM experiment_tags WHERE key = ?", (VIEW_TAG,)).fetchone() is not None


def update(connection: sqlite3.Connection) -> None:
    """Write the views and the description of each experiment; a description that people wrote stays.

    Args:
        connection: to the merged store.
    """
    connection.execute(HIDE_EMPTY_DEFAULT)
    views: defaultdict[int, RunListView] = defaultdict(RunListView)
    for (experiment_id, _), rows in groupby(connection.execute(PARAMS), key=lambda row: row[:2]):
        views[experiment_id].add({key: value for *_, key, value in rows})
    for experiment_id, view in views.items():
        if tags := view.tags():
            connection.execute(DELETE_VIEWS, (experiment_id, VIEW_TAG, len(VIEW_TAG)))
            for name, value in {**tags, NOTE_TAG: note(experiment_id, view.keys())}.items():
                connection.execute(SET_TAG, (experiment_id, name, value, NOTE_TAG, f"{NOTE_START}%"))
