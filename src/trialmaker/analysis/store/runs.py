"""The runs of a merged store, read without MLflow, in SQL on the schema of MLflow 3.17."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from trialmaker.analysis.store.merging import OUTPUT_TAG
from trialmaker.errors import UserError, one_line
from trialmaker.platform import paths
from trialmaker.tracking.settings import STORE_FILE, STUDY_TAG
from trialmaker.training.objective import Objective

TEST_METRIC = "test_accuracy"
IS_FINITE = "NOT is_nan AND abs(value) < 1.797e308"  # MLflow writes an infinite value as the largest number
METRIC_HISTORY = (
    f"SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? AND {IS_FINITE} ORDER BY step, timestamp"
)
ACTIVE_RUNS = (
    "SELECT run_uuid, r.name, e.name, experiment_id, status, start_time, end_time, artifact_uri "
    "FROM runs r JOIN experiments e USING (experiment_id) WHERE r.lifecycle_stage = 'active' "
    "ORDER BY start_time, run_uuid"
)
DATA_DIGESTS = (
    "SELECT i.destination_id, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
    "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'"
)


@dataclass(frozen=True)
class Run:
    """A run as MLflow recorded it.

    Args:
        run_id: MLflow's id.
        name: its name, or its id where it has none.
        experiment: the experiment's name.
        experiment_id: the experiment's id in the merged store.
        status: MLflow's: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        start: seconds since 1970.
        end: seconds since 1970; None while it runs.
        artifacts: the address of its artifacts.
        params: as texts, by name.
        tags: by name.
        metrics: the last finite value of each.
        best: the best value of its objective; None if it has none, or ended before its first epoch did.
    """

    run_id: str
    name: str
    experiment: str
    experiment_id: int
    status: str
    start: float
    end: float | None
    artifacts: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    best: float | None

    @property
    def output(self) -> str:
        """Return the label of the output that holds it."""
        return self.tags.get(OUTPUT_TAG, "")

    @property
    def objective(self) -> Objective:
        """Return the objective that it recorded, else the config's default."""
        return objective_of(self.params)

    @property
    def seconds(self) -> float | None:
        """Return its duration in seconds; None while it runs."""
        return None if self.end is None else self.end - self.start

    @property
    def is_trial(self) -> bool:
        """Return whether it is a trial of a study."""
        return "mlflow.parentRunId" in self.tags

    @property
    def is_study(self) -> bool:
        """Return whether it is a study: the parent of trials, which trains nothing itself."""
        return STUDY_TAG in self.tags

    @property
    def peers(self) -> tuple[str, str, str]:
        """Return the key of the runs that it is ranked among: those of one experiment and one objective."""
        return self.experiment, self.objective.name, self.objective.direction

    @property
    def rank(self) -> tuple[bool, float]:
        """Return a key that sorts peers: the best first, those without a best value last."""
        if self.best is None:
            return True, 0.0
        return False, -self.best if self.objective.direction == "maximize" else self.best


def objective_of(params: Mapping[str, str]) -> Objective:
    """Return the objective among a run's params; other programs' runs record none, and get the config's default."""
    default = _default_objective()
    return Objective(params.get("objective", default.name), params.get("direction", default.direction))


@lru_cache
def _default_objective() -> Objective:
    path = paths.CONF / "config.yaml"
    try:
        config: Any = OmegaConf.load(path)
        return Objective(config.objective, config.direction)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: cannot be read as the project's config: {one_line(error)}") from error


def load(store: Path) -> list[Run]:
    """Return all runs of a merged store that are not deleted, oldest first.

    Args:
        store: the folder of the merged store.
    """
    with _connect(store) as connection:
        params = _by_run(connection.execute("SELECT run_uuid, key, value FROM params"))
        tags = _by_run(connection.execute("SELECT run_uuid, key, value FROM tags"))
        metrics = _by_run(connection.execute(f"SELECT run_uuid, key, value FROM latest_metrics WHERE {IS_FINITE}"))
        runs = []
        for run_id, name, experiment, number, status, start, end, artifacts in connection.execute(ACTIVE_RUNS):
            objective = objective_of(params[run_id])
            best = metrics[run_id].get(f"best_{objective.name}")
            if best is None and params[run_id]:  # the run ended early
                best = _best_in_history(connection, run_id, objective)
            runs.append(
                Run(
                    run_id=run_id,
                    name=name or run_id,
                    experiment=experiment,
                    experiment_id=number,
                    status=status,
                    start=(start or 0) / 1000,
                    end=end / 1000 if end else None,
                    artifacts=artifacts or "",
                    params=params[run_id],
                    tags=tags[run_id],
                    metrics=metrics[run_id],
                    best=best,
                )
            )
        return runs


def histories(store: Path, runs: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return (step, value) pairs in order of steps, by run and metric; a metric that a run lacks is left out.

    Args:
        store: the folder of the merged store.
        runs: ids of runs.
        names: names of metrics.
    """
    points: dict[str, dict[str, list[tuple[int, float]]]] = {run: {} for run in runs}
    with _connect(store) as connection:
        for run in runs:
            for name in names:
                if rows := connection.execute(METRIC_HISTORY, (run, name)).fetchall():
                    points[run][name] = rows
    return points


def data_digests(store: Path) -> dict[str, str]:
    """Return the digest of the examples that a run was trained on, by the run's id."""
    with _connect(store) as connection:
        return dict(connection.execute(DATA_DIGESTS))


def _best_in_history(connection: sqlite3.Connection, run: str, objective: Objective) -> float | None:
    function = "max" if objective.direction == "maximize" else "min"
    query = f"SELECT {function}(value) FROM metrics WHERE run_uuid = ? AND key = ? AND {IS_FINITE}"
    best: float | None = connection.execute(query, (run, objective.name)).fetchone()[0]
    return best


def _connect(store: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{quote(str(store / STORE_FILE))}?mode=ro", uri=True, timeout=60))


def _by_run(rows: Iterable[tuple[str, str, object]]) -> defaultdict[str, dict[str, Any]]:
    """Return the values of (run, key, value) rows by run and key."""
    values: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for run, key, value in rows:
        values[run][key] = value
    return values
