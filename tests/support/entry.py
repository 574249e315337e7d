"""The entry as tests run it, and what it leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow

PROJECT = Path(__file__).parents[2]
# As debug=smoke, but published; and of the smallest model.
FEW = ("data=digits", "training.max_examples=256", "training.batch_size=32", "training.log_every_steps=4")
SMALL = (*FEW, "model.hidden_units=[8]")


@dataclass
class Result:
    """What a person has after a command: its exit code, what it printed, what it left."""

    code: int
    out: str
    err: str
    output: Path

    def runs(self) -> list[mlflow.entities.Run]:
        """Its MLflow runs, oldest first."""
        client = mlflow.MlflowClient(f"sqlite:///{self.output / 'mlflow.db'}")
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiments, order_by=["attributes.start_time ASC"]))


Train = Callable[..., Result]
