"""The plots of a study on one page, which needs no network: Optuna's own; the page holds plotly, which draws them."""

import html
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import Any

import plotly.graph_objects as go
import plotly.io
from optuna import visualization
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.importance import PRUNED_MARK, counted_study, counts_text

MAX_OBJECTIVES = 3  # of a Pareto front that can be drawn
SUBPLOT_WIDTH, HEIGHT = 300, 420  # pixels
MAX_EPOCH_TICKS = 12
OPTUNAS_GREY, GREY = "#cccccc", "#8a8a8a"  # of pruned trials; Optuna's cannot be seen on its own background
BACKGROUND = "#dde4ec"  # on which the palest lines can be seen
TRACE_NAMES = {"Infeasible Trial": "pruned", "Infeasible": "pruned", "Feasible": "complete", "Best Value": "best"}
STUDY_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 78rem; padding: 0 1rem; color: #222 }
.wide { overflow-x: auto; margin: 1rem 0 }
</style></head><body>
<h1>$title</h1>
<p>$counts.$marks</p>
$plots
</body></html>
""")
MARKS = " Pruned trials are crosses, grey, or dotted lines."


class StudyPage:
    """The plots of a study's trials, of which pruned ones count by their last value.

    Args:
        name: the study's.
        trials: all of the study, in the order of their numbers.
        directions: one per objective.
        objectives: their names.
        shares: the parameters' shares of the importance, the greatest first.
    """

    def __init__(
        self,
        name: str,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        objectives: Sequence[str],
        shares: Mapping[str, float],
    ) -> None:
        self.name, self.objectives, self.trials, self.directions = name, objectives, trials, directions
        self.shares = dict(reversed(list(shares.items())))  # plotly draws the first one at the bottom
        self.study = counted_study(trials, directions)

    def render(self) -> str:
        """Return the page's HTML."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is experimental in Optuna
            figures = list(self._pareto_front() if len(self.objectives) > 1 else self._plots(self.objectives[0]))
        plots = [_html(figure, is_first=figure is figures[0]) for figure in figures]
        counts = counts_text(self.study)
        return STUDY_PAGE.substitute(
            title=html.escape(self.name),
            counts=counts,
            marks=MARKS if PRUNED_MARK in counts else "",
            plots="\n".join(f'<div class="wide">{plot}</div>' for plot in plots),
        )

    def _pareto_front(self) -> Iterator[go.Figure]:
        if len(self.objectives) <= MAX_OBJECTIVES:
            yield visualization.plot_pareto_front(self.study, target_names=list(self.objectives))

    def _plots(self, objective: str) -> Iterator[go.Figure]:
        for draw in (self._history, self._importances, self._slices, self._parallel_coordinates, self._epochs):
            figure = draw(objective)
            if figure.data:
                yield figure

    def _history(self, objective: str) -> go.Figure:
        figure = visualization.plot_optimization_history(self.study, target_name=objective)
        if not any(trial.state == TrialState.COMPLETE for trial in self.trials):  # none is best
            figure.data = [trace for trace in figure.data if trace.mode != "lines"]
        figure.for_each_trace(lambda trace: trace.update(showlegend=bool(trace.x)))
        return figure

    def _importances(self, objective: str) -> go.Figure:
        if not self.shares:
            return go.Figure()
        names, shares = list(self.shares), list(self.shares.values())
        bars = go.Bar(x=shares, y=names, text=[f"{share:.0%}" for share in shares], orientation="h")
        figure = go.Figure(bars.update(textposition="outside", cliponaxis=False))
        axis = {"title": f"share of the importance for {objective}", "tickformat": ".0%"}
        return figure.update_layout(title="Importances of the parameters", xaxis=axis)

    def _slices(self, objective: str) -> go.Figure:
        """Draw without marks, since Optuna 5.0 leaves marked trials out where a parameter is categorical; then mark."""
        unmarked = counted_study(self.trials, self.directions, is_marked=False)
        figure = visualization.plot_slice(unmarked, target_name=objective)
        pruned = {trial.number for trial in self.study.trials if trial.constraints.get(PRUNED_MARK)}
        for trace in figure.data:
            trace.marker.symbol = ["x" if number in pruned else "circle" for number in trace.marker.color]
        axes = list(figure.select_xaxes())
        for axis in axes:
            exponents = "power" if axis.type == "log" else "e"  # "e" leaves 0.01 beside 1e−3 on a log axis
            axis.update(exponentformat=exponents, title={"text": _broken(axis.title.text)})
            if axis.categoryarray:
                axis.update(categoryarray=_unquoted(axis.categoryarray))
        for trace in figure.data:
            trace.x = _unquoted(trace.x)
        return figure.update_layout(width=SUBPLOT_WIDTH * len(axes) + 120)

    def _parallel_coordinates(self, objective: str) -> go.Figure:
        figure = visualization.plot_parallel_coordinate(self.study, target_name=objective)
        names = [objective, *sorted({name for trial in self.study.trials for name in trial.params})]
        width = SUBPLOT_WIDTH // 2 * len(names) + 250
        ticks = {"ticktext": [_broken(name) for name in names], "tickangle": 0}
        return figure.update_layout(xaxis=ticks, width=width, plot_bgcolor=BACKGROUND)

    def _epochs(self, objective: str) -> go.Figure:
        figure = visualization.plot_intermediate_values(self.study)
        steps = {step for trial in self.study.trials for step in trial.intermediate_values}
        last = max(steps, default=0)
        interval = max(1, -(-last // MAX_EPOCH_TICKS))
        ticks = [0, *range(interval, last + 1, interval)] if 0 in steps else list(range(1, last + 1, interval))
        title = "epoch (0: part of epoch 1)" if 0 in steps else "epoch"
        return figure.update_layout(xaxis={"title": title, "tickvals": ticks}, yaxis={"title": objective})


def _html(figure: go.Figure, *, is_first: bool) -> str:
    """Return a figure's HTML; of the first one with plotly itself."""
    for trace in figure.data:
        trace.name = TRACE_NAMES.get(trace.name, trace.name)
        if str(trace.marker.color).lower() == OPTUNAS_GREY:
            trace.update(marker={"color": GREY, "symbol": "x"})
    figure.update_yaxes(automargin=True).update_xaxes(automargin=True)
    figure.update_layout(height=HEIGHT, margin={"t": 70, "b": 60, "l": 70, "r": 30})
    config = {"displaylogo": False, "responsive": True}
    return str(plotly.io.to_html(figure, full_html=False, include_plotlyjs=is_first, config=config))


def _unquoted(categories: Sequence[Any]) -> list[Any]:
    """Return an axis' values without the quotes that Optuna puts around texts."""
    is_quoted = re.compile(r"'.*'", re.DOTALL).fullmatch
    return [value[1:-1] if isinstance(value, str) and is_quoted(value) else value for value in categories]


def _broken(name: str) -> str:
    """Return a name with line breaks after its dots."""
    return name.replace(".", ".<br>")
