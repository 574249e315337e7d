"""What a person sees of a sweep: a live table or lines, and at the end the best trial and what mattered."""

import logging
import re
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.optuna_sweeper._study import ERROR, OVERRIDES, Study

log = logging.getLogger(__name__)
ROWS, WIDTH = 12, 60  # of the table: trials, and characters of an error
PASSWORD = r"://[^@\s]*@"  # of an address among the overrides


def progress(study: Study, name: str, place: str) -> "Lines":
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
            self.best = _best(self.study)
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
        for trial in trials[-ROWS:]:
            value = str(trial.user_attrs[ERROR])[:WIDTH] if ERROR in trial.user_attrs else _values(trial)
            cells = (str(trial.number), trial.state.name, value, _params(trial))
            table.add_row(*map(Text, cells))
        return table


def _best(study: Study) -> str:
    best = study.best()
    if not best:
        return ""
    if len(study.study.directions) > 1:
        return f"; Pareto front: trials {', '.join(str(trial.number) for trial in best)}"
    return f"; best: trial {best[0].number} with {_values(best[0])}"


def write(study: Study, name: str, directory: Path) -> None:
    """The end of a sweep: counts, the best value, how to repeat it, what mattered.

    ``optimization_results.yaml`` in the directory is what hydra-optuna-sweeper writes there.
    """
    trials = study.trials()
    counts = ", ".join(
        f"{sum(trial.state == state for trial in trials)} {state.name}"
        for state in TrialState
        if any(trial.state == state for trial in trials)
    )
    log.info(f"study {name}: {counts}")
    for trial in study.best():
        log.info(f"best trial={trial.number} value={_values(trial)}")
        log.info(f"to repeat it: {re.sub(PASSWORD, '://***@', command(trial))}")
    if study.best():
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(_results(study)), directory / "optimization_results.yaml")
    if importances := _importances(study):
        log.info("importance: " + ", ".join(f"{name} {share:.0%}" for name, share in importances.items()))


def _results(study: Study) -> dict[str, Any]:
    best = study.best()
    if len(study.study.directions) > 1:
        return {"name": "optuna", "solutions": [{"params": trial.params, "values": trial.values} for trial in best]}
    return {"name": "optuna", "best_params": best[0].params, "best_value": best[0].value}


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
