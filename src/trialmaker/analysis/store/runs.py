"""The runs of a merged store, read without MLflow."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trialmaker.analysis.store.merging import OUTPUT_TAG
from trialmaker.analysis.store.outputs import STORE_FILE
from trialmaker.training.objective import Objective

TEST_METRIC = "test_accuracy"
FINITE = "NOT is_nan AND abs(value) < 1.797e308"  # MLflow writes an infinite value as the largest number
HISTORY = f"SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? AND {FINITE} ORDER BY step, timestamp"


@dataclass(frozen=True)
class Run:
    """What MLflow knows of one.

    Args:
        best: the best value of its objective; None where it has none, or reached no epoch's end.
        metrics: the last value of each.
        experiment_id: in the merged store.
        artifacts: their address; start, end: seconds since 1970, the end None while it runs.
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
        """The label of the output that it is from."""
        return self.tags.get(OUTPUT_TAG, "")

    @property
    def objective(self) -> Objective:
        """What it was to be best at; foreign runs don't say, and get ours."""
        return Objective(self.params.get("objective", "val_accuracy"), self.params.get("direction", "maximize"))

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.end is None else self.end - self.start

    @property
    def is_trial(self) -> bool:
        """Whether it is part of a study."""
        return "mlflow.parentRunId" in self.tags

    @property
    def is_study(self) -> bool:
        """Whether it is the parent of trials, and trained nothing itself."""
        return "trialmaker.study" in self.tags

    @property
    def peers(self) -> tuple[str, str, str]:
        """Runs with the same are ranked among each other: one experiment, one objective."""
        return self.experiment, self.objective.name, self.objective.direction

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts the best of its peers first, and those without a best value last."""
        if self.best is None:
            return True, 0.0
        return False, -self.best if self.objective.direction == "maximize" else self.best


def load(store: Path) -> list[Run]:
    """All runs that are not deleted, oldest first."""
    with _opened(store) as connection:
        params = _by_run(connection.execute("SELECT run_uuid, key, value FROM params"))
        tags = _by_run(connection.execute("SELECT run_uuid, key, value FROM tags"))
        metrics = _by_run(connection.execute(f"SELECT run_uuid, key, value FROM latest_metrics WHERE {FINITE}"))
        rows = connection.execute(
            "SELECT run_uuid, r.name, e.name, experiment_id, status, start_time, end_time, artifact_uri "
            "FROM runs r JOIN experiments e USING (experiment_id) WHERE r.lifecycle_stage = 'active' "
            "ORDER BY start_time, run_uuid"
        ).fetchall()
        runs = []
        for run_id, name, experiment, number, status, start, end, artifacts in rows:
            objective = params[run_id].get("objective", "val_accuracy")
            best = metrics[run_id].get(f"best_{objective}")
            if best is None and params[run_id]:  # it ended early
                best = _best(connection, run_id, objective, params[run_id].get("direction", "maximize"))
            runs.append(
                Run(
                    run_id,
                    name or run_id,
                    experiment,
                    number,
                    status,
                    (start or 0) / 1000,
                    end / 1000 if end else None,
                    artifacts or "",
                    params[run_id],
                    tags[run_id],
                    metrics[run_id],
                    best,
                )
            )
        return runs


def histories(store: Path, runs: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """(step, value) pairs in order, by run and metric."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {run: {} for run in runs}
    with _opened(store) as connection:
        for run in runs:
            for name in names:
                if rows := connection.execute(HISTORY, (run, name)).fetchall():
                    found[run][name] = rows
    return found


def data_digests(store: Path) -> dict[str, str]:
    """Of the examples that each run was trained on, by run."""
    with _opened(store) as connection:
        return dict(
            connection.execute(
                "SELECT i.destination_id, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
                "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'"
            )
        )


def _best(connection: sqlite3.Connection, run: str, metric: str, direction: str) -> float | None:
    most = "max" if direction == "maximize" else "min"
    query = f"SELECT {most}(value) FROM metrics WHERE run_uuid = ? AND key = ? AND {FINITE}"
    found: float | None = connection.execute(query, (run, metric)).fetchone()[0]
    return found


def _opened(store: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{quote(str(store / STORE_FILE))}?mode=ro", uri=True, timeout=60))


def _by_run(rows: Iterable[tuple[str, str, object]]) -> defaultdict[str, dict]:  # type: ignore[type-arg]
    found: defaultdict[str, dict] = defaultdict(dict)  # type: ignore[type-arg]
    for run, key, value in rows:
        found[run][key] = value
    return found
