"""A sweep while it runs: a live table, or a line for each trial that has ended."""

import logging
import sys
import time
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.study import ERROR, Study

log = logging.getLogger(__name__)
TABLE_ROWS, ERROR_CHARACTERS = 12, 60  # of the table: trials, and characters of an error
PASSWORD = r"://[^@\s]*@"  # of an address among the overrides


def start_progress(study: Study, name: str, place: str) -> "Lines":
    """A live table on a terminal, lines elsewhere."""
    log.info(f"study {name} in {place}: {len(_ended(study))} of {study.n_trials} trials are done")
    return Table(study) if sys.stdout.isatty() else Lines(study)


class Lines:
    """A line for each trial that has ended."""

    def __init__(self, study: Study) -> None:
        self.study = study
        ended = _ended(study)
        self.told = {trial.number for trial in ended}
        self.before = len(ended)
        self.best = ""
        self.began = time.monotonic()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self) -> None:
        """Tell what is new."""
        for trial in self._news():
            log.info(f"{line(trial)}{self.best}{self._left()}")

    def _news(self) -> list[FrozenTrial]:
        """The trials that have ended since the last time."""
        news = [trial for trial in _ended(self.study) if trial.number not in self.told]
        self.told |= {trial.number for trial in news}
        if not self.best or any(trial.state == TrialState.COMPLETE for trial in news):
            self.best = best_text(self.study)
        return news

    def _left(self) -> str:
        ended = len(self.told) - self.before
        if not ended or len(self.told) == self.study.n_trials:
            return ""
        seconds = (time.monotonic() - self.began) / ended * (self.study.n_trials - len(self.told))
        return f"; {seconds / 60:.0f} min left" if seconds >= 120 else f"; {seconds:.0f} s left"


class Table(Lines):
    """The last trials, the best one, and the time left."""

    def __init__(self, study: Study) -> None:
        from rich.live import Live

        super().__init__(study)
        self.live = Live(get_renderable=self._render, refresh_per_second=2)

    def __enter__(self) -> "Table":
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def update(self) -> None:
        self.live.refresh()

    def _render(self) -> Any:
        from rich.table import Table as Grid
        from rich.text import Text

        self._news()
        trials = self.study.trials(*(state for state in TrialState if state != TrialState.WAITING))
        table = Grid(title=Text(f"{len(self.told)} of {self.study.n_trials} trials{self.best}{self._left()}"))
        for column in ("trial", "state", "value", "parameters"):
            table.add_column(column)
        for trial in trials[-TABLE_ROWS:]:
            value = str(trial.user_attrs[ERROR])[:ERROR_CHARACTERS] if ERROR in trial.user_attrs else values_text(trial)
            cells = (str(trial.number), trial.state.name, value, params_text(trial))
            table.add_row(*map(Text, cells))
        return table


def best_text(study: Study) -> str:
    best = study.best()
    if not best:
        return ""
    if len(study.study.directions) > 1:
        return f"; Pareto front: trials {', '.join(str(trial.number) for trial in best)}"
    return f"; best: trial {best[0].number} with {values_text(best[0])}"


def line(trial: FrozenTrial) -> str:
    """Of a trial that has ended."""
    end = f" {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else f" {values_text(trial)}"
    return f"trial {trial.number} {trial.state.name}{end} {params_text(trial)}"


def _ended(study: Study) -> list[FrozenTrial]:
    return study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def values_text(trial: FrozenTrial) -> str:
    if trial.values:
        return " ".join(f"{value:.6g}" for value in trial.values)
    last = trial.last_step
    return "" if last is None else f"{trial.intermediate_values[last]:.6g} at step {last}"


def params_text(trial: FrozenTrial) -> str:
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial.params.items()}
    return " ".join(f"{name}={text}" for name, text in texts.items())
