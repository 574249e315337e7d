"""A sweep while it runs: a line for each trial that has ended."""

import logging
import time

from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.attributes import ERROR
from optuna_sweep.study import Study

log = logging.getLogger(__name__)


class LineProgress:
    """A log line for each trial that has ended, with the best one and the time left."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.reported_numbers = {trial.number for trial in ended_trials(study)}
        self.best = ""
        self.start_seconds = time.monotonic()
        self.first_seconds = 0.0  # when the first trials of this command had ended: what starts before them counts not
        self.first_count = 0

    def __enter__(self) -> "LineProgress":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self) -> None:
        """Log the trials that have ended since the last call."""
        for trial in self.new_trials():
            log.info(f"{trial_text(self.study, trial)}{self.best}{self.time_left_text()}")

    def new_trials(self) -> list[FrozenTrial]:
        """Return the trials that have ended since the last call, and note the best of all."""
        trials = [trial for trial in ended_trials(self.study) if trial.number not in self.reported_numbers]
        self.reported_numbers |= {trial.number for trial in trials}
        if trials and not self.first_count:
            self.first_seconds, self.first_count = time.monotonic(), len(self.reported_numbers)
        if not self.best or any(trial.state == TrialState.COMPLETE for trial in trials):
            self.best = best_text(self.study)
        return trials

    def time_left_text(self) -> str:
        """Return the time left by the trials after the first one of this command, to follow another text."""
        count = len(self.reported_numbers) - self.first_count
        remaining = self.study.n_trials - len(self.reported_numbers)
        if not self.first_count or not count or not remaining:
            return ""
        seconds = (time.monotonic() - self.first_seconds) / count * remaining
        return f"; {duration_text(seconds)} left"


class NoProgress(LineProgress):
    """What stands for the lines where another machine's command writes them."""

    def update(self) -> None:
        """Have the study's storage answer, no more: one that is away is named here, and not in a worker's log alone."""
        self.study.storage.get_study_name_from_id(self.study.id)


def duration_text(seconds: float) -> str:
    """Return a duration in seconds, or from two minutes on in minutes."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def ended_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials that are complete, pruned or failed."""
    return study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def value_names(study: Study) -> list[str]:
    """Return the objectives' names as the study knows them, else ``value``, of several ``value 0``, ``value 1``, …."""
    if names := study.study.metric_names:
        return list(names)
    count = len(study.study.directions)
    return ["value"] if count == 1 else [f"value {number}" for number in range(count)]


def best_text(study: Study) -> str:
    """Return which trials are best, to follow another text; "" before any has completed."""
    best = study.best()
    if not best:
        return ""
    if len(study.study.directions) > 1:
        return f"; Pareto front: trials {', '.join(str(trial.number) for trial in best)}"
    return f"; best: trial {best[0].number} with {values_text(study, best[0])}"


def trial_text(study: Study, trial: FrozenTrial) -> str:
    """Return the line of a trial that has ended: its number, state, values or error, and parameters."""
    end = f" {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else f" {values_text(study, trial)}"
    return f"trial {trial.number} {trial.state.name}{end} {params_text(trial)}"


def values_text(study: Study, trial: FrozenTrial) -> str:
    """Return a trial's values, with their names where the study has some; else its last report, or ""."""
    names = study.study.metric_names
    if trial.values:
        texts = [f"{value:.6g}" for value in trial.values]
        return " ".join([f"{name}={text}" for name, text in zip(names, texts, strict=True)] if names else texts)
    last = trial.last_step
    return "" if last is None else f"{trial.intermediate_values[last]:.6g} at step {last}"


def params_text(trial: FrozenTrial) -> str:
    """Return a trial's parameters as ``name=value``, floats to 4 digits."""
    return " ".join(f"{name}={param_text(value)}" for name, value in trial.params.items())


def param_text(value: object) -> str:
    """Return a parameter's value, a float to 4 digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
