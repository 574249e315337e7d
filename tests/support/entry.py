"""The entry as tests run it, and what it leaves."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

import mlflow
import pytest
from hydra.core.global_hydra import GlobalHydra

from trialmaker.cli.train import train as train_entry

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
        """Its MLflow runs, oldest first; none as long as there is no store, which a client would make."""
        if not (store := self.output / "mlflow.db").exists():
            return []
        client = mlflow.MlflowClient(f"sqlite:///{store}")
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiments, order_by=["attributes.start_time ASC"]))


Train = Callable[..., Result]


def run_entry(root: Path, *arguments: str) -> Result:
    """Run ``python train.py ARGUMENTS`` in this process, with ``AI_ROOT`` in a directory."""
    output, errors = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setenv("AI_ROOT", str(root))
        patch.setattr(sys, "argv", ["train.py", *arguments])
        GlobalHydra.instance().clear()
        try:
            code = train_entry()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    printed, complaints = (stream.buffer.getvalue().decode() for stream in (output, errors))  # type: ignore[attr-defined]
    return Result(code, printed, complaints, root / "output")
