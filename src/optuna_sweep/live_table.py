"""A sweep while it runs, on a terminal: a table that is drawn anew, a line a trial."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from optuna_sweep.progress import LineProgress, duration_text, param_text, value_names
from optuna_sweep.study import Study

CELL_COLUMNS = 20  # the widest cell
COLUMN_GAP = "  "
MIN_NAME_COLUMNS = 8  # to which a study's name may be shortened
MAX_BEST = 5  # rows of a Pareto front
STYLES = {TrialState.PRUNED: "dim", TrialState.FAIL: "red", TrialState.RUNNING: "cyan"}
BEST_STYLE = "bold green"
Row = tuple[list[str], str]  # the cells, and rich's style


class TableProgress(LineProgress):
    """A live table: the best trial, then the last ones, as many as there are lines for.

    Args:
        study: whose trials are shown.
        name: the study's.
    """

    def __init__(self, study: Study, name: str) -> None:
        super().__init__(study)
        self.name = name
        # What is printed meanwhile comes above the table, and is not wrapped, so that paths in it can be copied.
        self.console = Console(soft_wrap=True)
        self.live = Live(get_renderable=self._render, console=self.console, refresh_per_second=2)

    def __enter__(self) -> "TableProgress":
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def update(self) -> None:
        """Draw the table anew."""
        self.live.refresh()

    def _render(self) -> Any:
        self.new_trials()
        width, height = self.console.size
        counts = f"{len(self.reported_numbers)} of {self.study.n_trials} trials"
        duration = f" in {duration_text(time.monotonic() - self.start_seconds)}"
        title = _line([title_text(self.name, counts, f"{duration}{self.time_left_text()}", width)], [width], "bold")
        return Group(title, *table_lines(self.study, width, height - 2))


def title_text(name: str, counts: str, times: str, width: int) -> str:
    """Return the title of a study's table: where it is too wide, the name is shortened; the counts stay.

    Args:
        name: the study's.
        counts: how many trials have ended, of how many.
        times: what follows.
        width: of the terminal, columns.
    """
    name = printable(name)
    room = width - cell_len(f"study : {counts}{times}")
    if room >= min(cell_len(name), MIN_NAME_COLUMNS):
        return f"study {_shortened(name, room)}: {counts}{times}"
    room = width - cell_len(f": {counts}")
    return f"{_shortened(name, room)}: {counts}" if room >= MIN_NAME_COLUMNS else f"{counts}{times}"


def table_lines(study: Study, width: int, height: int) -> Iterator[Text]:
    """Yield the lines of a study's table: headings, the best trials, the last ones, what is left out.

    Args:
        study: whose trials are shown.
        width: of the terminal, columns; no line is wider.
        height: the greatest number of lines.
    """
    trials = [trial for trial in study.trials() if trial.state != TrialState.WAITING]
    trials.sort(key=lambda trial: (trial.state == TrialState.RUNNING, trial.number))
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    best = study.best()[:MAX_BEST]
    count = height - len(best) - 2  # the headings, and a line of what is left out
    rows: list[Row] = [(["trial", "state", *value_names(study), *short_names(names)], "underline")]
    rows += [(_cells(study, trial, names, "best "), BEST_STYLE) for trial in best]
    rows += [(_cells(study, trial, names), STYLES.get(trial.state, "")) for trial in trials[-max(count, 1) :]]
    widths = list(_widths([cells for cells, _ in rows], width))
    yield from (_line(cells, widths, style) for cells, style in rows)
    if left_out := rows[0][0][len(widths) :]:
        yield _line([f"not shown: {', '.join(left_out)}"], [width], "dim")


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the last part of each dotted path, or the path where two have the same."""
    parts = [path.rpartition(".")[2] for path in paths]
    return [part if parts.count(part) == 1 else path for path, part in zip(paths, parts, strict=True)]


def _cells(study: Study, trial: FrozenTrial, names: Sequence[str], mark: str = "") -> list[str]:
    values = list(trial.values or ())
    if not values and trial.last_step is not None:
        values = [trial.intermediate_values[trial.last_step]]
    texts = [f"{value:.6g}" for value in values]
    texts += [""] * (len(study.study.directions) - len(texts))
    params = [param_text(trial.params[name]) if name in trial.params else "" for name in names]
    return [f"{mark}{trial.number}", trial.state.name, *texts, *params]


def _widths(table: Sequence[Sequence[str]], width: int) -> Iterator[int]:
    """Yield the widths of the columns, as many as fit into the terminal's width."""
    used = -len(COLUMN_GAP)
    for column in zip(*table, strict=True):
        columns = min(max(cell_len(printable(cell)) for cell in column), CELL_COLUMNS)
        used += len(COLUMN_GAP) + columns
        if used > width:
            return
        yield columns


def _line(cells: Sequence[str], widths: Sequence[int], style: str) -> Text:
    """Return a line of cells, each cut to its column's width."""
    parts = [_fitted(printable(cell), columns) for cell, columns in zip(cells, widths, strict=False)]
    return Text(COLUMN_GAP.join(parts).rstrip(), style=style, no_wrap=True, overflow="crop")


def _shortened(text: str, columns: int) -> str:
    return text if cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


def _fitted(text: str, columns: int) -> str:
    if cell_len(text) <= columns:
        return set_cell_size(text, columns)
    return set_cell_size(text, columns - 1) + "…"


def printable(text: str) -> str:
    """Return a text with each unprintable character as a Python escape."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
