"""A run as the trial of a study: what it reports, and how it ends when it is pruned; no study is needed for that."""

import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from support.entry import SMALL
from trialmaker.config import resolvers, validation
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.model_store.versions import version_numbers
from trialmaker.platform import paths
from trialmaker.platform.run_result import RunResult
from trialmaker.platform.signals import Signals


class ListedTrial:
    """A trial that keeps what is reported, and is pruned after so many reports; its last epoch never is."""

    number: int | None = 3
    study: str | None = "listed"
    attempt = 0

    def __init__(self, reports_before_pruning: int) -> None:
        self.reports: list[tuple[int, float]] = []
        self.reports_before_pruning = reports_before_pruning

    def report(self, value: float, step: int) -> None:
        self.reports.append((step, value))

    def should_prune(self) -> bool:
        return len(self.reports) >= self.reports_before_pruning


@pytest.mark.parametrize(
    ("reports", "status", "steps"), [(1, "pruned", [0]), (2, "pruned", [0, 1]), (4, "finished", [0, 1, 2, 3])]
)
def test_a_trial_reports_each_validation_until_it_is_pruned(
    reports: int, status: str, steps: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_ROOT", str(tmp_path))
    resolvers.register()
    GlobalHydra.instance().clear()
    words = [*SMALL, "training.epochs=3", "training.early_validation=0.5", f"output={tmp_path / 'output'}"]
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        config = validation.load(compose("config", words))
    directory = tmp_path / "output" / "logs" / "trial"
    directory.mkdir(parents=True)
    trial = ListedTrial(reports)
    context = RunContext(directory, trial, time.monotonic(), Signals(), RunResult("the command"))
    with context.recorded():
        (value,) = startup.start_run(config, context)
    assert [step for step, _ in trial.reports] == steps
    assert context.result.status == status and context.result.test_metrics == {}
    assert version_numbers(tmp_path / "output" / "model") == ([] if status == "pruned" else [1])
    assert value == context.result.best_metrics["val_accuracy"]
    assert value == max(reported for step, reported in trial.reports if step) if len(steps) > 1 else value >= 0
