"""A comparison of runs as one HTML file that needs no server and no network."""

import html
import itertools
from collections.abc import Mapping, Sequence
from string import Template
from urllib.parse import urlsplit

import plotly.colors
import plotly.graph_objects as go
import plotly.io

from trialmaker.analysis.query import Value, value_of
from trialmaker.analysis.run_table import Table, differing_params, format_value
from trialmaker.analysis.store.relocation import artifacts_exist
from trialmaker.analysis.store.runs import Run

COLORS = plotly.colors.qualitative.Dark24
MAX_AXES = 10  # of parallel coordinates; the labels of more overlap
MAX_CURVES = 20  # in a plot, those of the best runs; more cannot be told apart
PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; white-space: nowrap }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums } tr:hover { background: #f4f6fa }
</style></head><body>
<h1>$title</h1>
<h2>Runs</h2><p>A run's name opens the folder of its artifacts.</p><div class="wide">$table</div>
$figures
</body></html>
""")
Histories = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]  # (epoch, value) pairs by run and metric


def render_page(title: str, runs: Sequence[Run], table: Table, histories: Histories, digests: Mapping[str, str]) -> str:
    """Return the HTML of a page with the table, the curves of each metric and parallel coordinates.

    Args:
        title: the page's title.
        runs: one for each row of the table, the best first.
        table: the table at the top of the page.
        histories: (epoch, value) pairs by run and metric; each metric gets a plot.
        digests: the digests of the data by the run's id.
    """
    plotted_runs = [run for run in runs if histories.get(run.run_id)][:MAX_CURVES]
    names = dict.fromkeys(name for run in plotted_runs for name in histories[run.run_id])
    figures = [plot_curves(name, plotted_runs, histories) for name in names]
    if (parallel := plot_parallel_coordinates(runs, digests)) is not None:
        figures.append(parallel)
    parts = [
        plotly.io.to_html(figure, full_html=False, include_plotlyjs=at == 0, config={"displaylogo": False})
        for at, figure in enumerate(figures)
    ]
    return PAGE.substitute(title=html.escape(title), table=_render_table(table, runs), figures="\n".join(parts))


def plot_curves(name: str, runs: Sequence[Run], histories: Histories) -> go.Figure:
    """Return a plot of one metric by epoch, with a line for each run that has it."""
    figure = go.Figure(layout={"title": {"text": name}, "template": "plotly_white", "height": 420})
    last_epoch = max((points[-1][0] for run in runs if (points := histories[run.run_id].get(name))), default=1)
    figure.update_xaxes(title="epoch", dtick=-(-last_epoch // 12))
    for run, color in zip(runs, itertools.cycle(COLORS)):
        if points := histories[run.run_id].get(name):
            steps, values = zip(*points, strict=True)
            label = html.escape(f"{run.output} {run.name}".strip(), quote=False)
            figure.add_scatter(x=steps, y=values, mode="lines+markers", name=label, line={"color": color})
    return figure


def plot_parallel_coordinates(runs: Sequence[Run], digests: Mapping[str, str]) -> go.Figure | None:
    """Return a plot with an axis for each parameter that differs and for the best value; None where nothing differs."""
    runs = [run for run in runs if run.best is not None and run.params]
    names = differing_params(runs, digests)
    if len(runs) < 2 or not names:
        return None
    most_common = sorted(names, key=lambda name: sum(value_of(run, name, digests) is None for run in runs))[:MAX_AXES]
    axes = [_axis(name, [value_of(run, name, digests) for run in runs]) for name in [*most_common, "best"]]
    line = {"color": [run.best for run in runs], "colorscale": "Viridis", "showscale": True}
    figure = go.Figure(go.Parcoords(dimensions=axes, line=line))
    figure.update_layout(
        title={"text": "parameters that differ, and the best value"}, height=460, margin={"l": 110, "t": 110}
    )
    return figure


def _axis(name: str, values: Sequence[Value]) -> dict[str, object]:
    """Return plotly's axis of a parameter: numbers at their value, texts at their position in sorted order."""
    label = html.escape(name.rpartition(".")[2] if len(name) > 20 else name)
    if all(isinstance(value, float | int) for value in values):
        return {"label": label, "values": values}
    texts = [format_value(value) for value in values]
    numbers = {format_value(value): value for value in values if isinstance(value, float | int)}
    ordered = sorted(set(texts), key=lambda text: (text not in numbers, numbers.get(text, 0.0), text))
    positions = {text: at for at, text in enumerate(ordered)}
    ticks = {"tickvals": list(positions.values()), "ticktext": [html.escape(text[:24]) for text in positions]}
    return {"label": label, "values": [positions[text] for text in texts], **ticks}


def _render_table(table: Table, runs: Sequence[Run]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    rows = []
    for row, run in zip(table.rows, runs, strict=True):
        name, link = html.escape(format_value(row[0])), _link(run.artifacts)
        cells = [f'<td><a href="{html.escape(link)}">{name}</a></td>' if link else f"<td>{name}</td>"]
        for value in row[1:]:
            attribute = ' class="number"' if isinstance(value, float | int) else ""
            cells.append(f"<td{attribute}>{html.escape(format_value(value))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _link(address: str) -> str:
    """Return the address of a folder that exists; empty for one that does not, or that a browser would execute."""
    is_safe = urlsplit(address).scheme in ("file", "http", "https")
    return address if is_safe and artifacts_exist(address) else ""
