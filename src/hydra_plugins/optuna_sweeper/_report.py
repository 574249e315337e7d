"""What a person sees of a sweep: a live table or lines, and at the end the best trial and what mattered."""

import logging
import shlex
import sys
import time
import warnings
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.optuna_sweeper._study import ERROR, OVERRIDES, Study

log = logging.getLogger(__name__)
ROWS = 12


def progress(study: Study, name: str, place: str) -> "Lines":
    """A live table on a terminal, lines elsewhere."""
    log.info(f"study {name} in {place}: {len(_ended(study))} of {study.n_trials} trials are done")
    return Table(study) if sys.stdout.isatty() else Lines(study)


class Lines:
    """A line for each trial that has ended."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.told = {trial.number for trial in _ended(study)}
        self.began = time.monotonic()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self) -> None:
        self.update()

    def update(self) -> None:
        """Tell what is new."""
        for trial in _ended(self.study):
            if trial.number not in self.told:
                self.told.add(trial.number)
                log.info(f"{line(trial)}{self._best()}")

    def _best(self) -> str:
        best = self.study.best()
        return f"; best: trial {best[0].number} with {_values(best[0])}" if best else ""


class Table(Lines):
    """The last trials, the best one, and the time left."""

    def __init__(self, study: Study) -> None:
        from rich.live import Live

        super().__init__(study)
        self.before = len(self.told)
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

        trials = [trial for trial in self.study.trials() if trial.state != TrialState.WAITING]
        ended = len(_ended(self.study))
        table = Grid(title=f"{ended} of {self.study.n_trials} trials{self._left(ended)}{self._best()}")
        for column in ("trial", "state", "value", "parameters"):
            table.add_column(column)
        for trial in trials[-ROWS:]:
            table.add_row(str(trial.number), trial.state.name, _values(trial), _params(trial))
        return table

    def _left(self, ended: int) -> str:
        if ended == self.before:
            return ""
        seconds = (time.monotonic() - self.began) / (ended - self.before) * (self.study.n_trials - ended)
        return f", {seconds / 60:.0f} min left" if seconds >= 60 else f", {seconds:.0f} s left"


def write(study: Study, name: str) -> None:
    """The end of a sweep: counts, the best value, how to repeat it, what mattered."""
    trials = study.trials()
    counts = ", ".join(
        f"{sum(trial.state == state for trial in trials)} {state.name}"
        for state in TrialState
        if any(trial.state == state for trial in trials)
    )
    log.info(f"study {name}: {counts}")
    for trial in study.best():
        log.info(f"best trial={trial.number} value={_values(trial)}")
        log.info(f"to repeat it: {command(trial)}")
    if importances := _importances(study):
        log.info("importance: " + ", ".join(f"{name} {share:.0%}" for name, share in importances.items()))


def command(trial: FrozenTrial) -> str:
    """What to type to run a trial's job again, alone."""
    return shlex.join(["python", sys.argv[0], *trial.user_attrs.get(OVERRIDES, []), "hydra.mode=RUN"])


def line(trial: FrozenTrial) -> str:
    """Of a trial that has ended."""
    end = f" {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else f" {_values(trial)}"
    return f"trial {trial.number} {trial.state.name}{end} {_params(trial)}"


def _importances(study: Study) -> dict[str, float]:
    done = study.trials(TrialState.COMPLETE)
    if len(study.study.directions) > 1 or len(done) < 4:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(study.study))
        except (ValueError, RuntimeError):  # all values are equal, or no parameter is in all trials
            return {}


def _ended(study: Study) -> list[FrozenTrial]:
    return study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def _values(trial: FrozenTrial) -> str:
    if trial.values:
        return " ".join(f"{value:.6g}" for value in trial.values)
    last = trial.last_step
    return "" if last is None else f"{trial.intermediate_values[last]:.6g} at step {last}"


def _params(trial: FrozenTrial) -> str:
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial.params.items()}
    return " ".join(f"{name}={text}" for name, text in texts.items())
