"""A sweep while it runs: a live table, or a line for each trial that has ended."""

import logging
import sys
import time
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.attributes import ERROR
from optuna_sweep.study import Study

log = logging.getLogger(__name__)
TABLE_ROWS = 12  # the last trials
ERROR_CHARACTERS = 60  # of an error in the table


def start_progress(study: Study, name: str, place: str) -> "LineProgress":
    """Log how far a study is; return a live table on a terminal, lines elsewhere.

    Args:
        study: its rows are all there.
        name: the study's.
        place: the study's storage, without its password.
    """
    log.info(f"study {name} in {place}: {len(_ended_trials(study))} of {study.n_trials} trials are done")
    return TableProgress(study) if sys.stdout.isatty() else LineProgress(study)


class LineProgress:
    """A log line for each trial that has ended, with the best one and the time left."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.reported_numbers = {trial.number for trial in _ended_trials(study)}
        self.initial_count = len(self.reported_numbers)
        self.best = ""
        self.start_seconds = time.monotonic()

    def __enter__(self) -> "LineProgress":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self) -> None:
        """Log the trials that have ended since the last call."""
        for trial in self._new_trials():
            log.info(f"{trial_text(trial)}{self.best}{self._time_left_text()}")

    def _new_trials(self) -> list[FrozenTrial]:
        """Return the trials that have ended since the last call, and note the best of all."""
        trials = [trial for trial in _ended_trials(self.study) if trial.number not in self.reported_numbers]
        self.reported_numbers |= {trial.number for trial in trials}
        if not self.best or any(trial.state == TrialState.COMPLETE for trial in trials):
            self.best = best_text(self.study)
        return trials

    def _time_left_text(self) -> str:
        count = len(self.reported_numbers) - self.initial_count
        remaining = self.study.n_trials - len(self.reported_numbers)
        if not count or not remaining:
            return ""
        seconds = (time.monotonic() - self.start_seconds) / count * remaining
        return f"; {seconds / 60:.0f} min left" if seconds >= 120 else f"; {seconds:.0f} s left"


class TableProgress(LineProgress):
    """A live table of the last trials, titled with the best one and the time left."""

    def __init__(self, study: Study) -> None:
        from rich.live import Live

        super().__init__(study)
        self.live = Live(get_renderable=self._render, refresh_per_second=2)

    def __enter__(self) -> "TableProgress":
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def update(self) -> None:
        """Draw the table anew."""
        self.live.refresh()

    def _render(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        self._new_trials()
        trials = self.study.trials(*(state for state in TrialState if state != TrialState.WAITING))
        counts = f"{len(self.reported_numbers)} of {self.study.n_trials} trials"
        table = Table(title=Text(f"{counts}{self.best}{self._time_left_text()}"))
        for column in ("trial", "state", "value", "parameters"):
            table.add_column(column)
        for trial in trials[-TABLE_ROWS:]:
            value = str(trial.user_attrs[ERROR])[:ERROR_CHARACTERS] if ERROR in trial.user_attrs else values_text(trial)
            cells = (str(trial.number), trial.state.name, value, params_text(trial))
            table.add_row(*map(Text, cells))
        return table


def _ended_trials(study: Study) -> list[FrozenTrial]:
    return study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def best_text(study: Study) -> str:
    """Return which trials are best, to follow another text; "" before any has completed."""
    best = study.best()
    if not best:
        return ""
    if len(study.study.directions) > 1:
        return f"; Pareto front: trials {', '.join(str(trial.number) for trial in best)}"
    return f"; best: trial {best[0].number} with {values_text(best[0])}"


def trial_text(trial: FrozenTrial) -> str:
    """Return the line of a trial that has ended: its number, state, values or error, and parameters."""
    end = f" {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else f" {values_text(trial)}"
    return f"trial {trial.number} {trial.state.name}{end} {params_text(trial)}"


def values_text(trial: FrozenTrial) -> str:
    """Return a trial's values, or its last report; "" without either."""
    if trial.values:
        return " ".join(f"{value:.6g}" for value in trial.values)
    last = trial.last_step
    return "" if last is None else f"{trial.intermediate_values[last]:.6g} at step {last}"


def params_text(trial: FrozenTrial) -> str:
    """Return a trial's parameters as ``name=value``, floats to 4 digits."""
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial.params.items()}
    return " ".join(f"{name}={text}" for name, text in texts.items())
