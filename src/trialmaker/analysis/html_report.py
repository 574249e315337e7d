"""A comparison of runs as one HTML file that needs no server and no network."""

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import plotly.colors
import plotly.offline
from markupsafe import Markup

from trialmaker.analysis.headline import Headline
from trialmaker.analysis.query import Value, value_of
from trialmaker.analysis.run_table import cell_text
from trialmaker.analysis.sections import Section, param_text, short_name
from trialmaker.analysis.store.relocation import artifacts_exist
from trialmaker.analysis.store.runs import Run, histories
from trialmaker.analysis.text_report import display_columns
from trialmaker.errors import printable
from trialmaker.platform.bilingual_pages import load_template

TEMPLATE = Path(__file__).with_suffix(".html")
CURVES = ("val_loss", "loss", "val_accuracy", "accuracy")
COLORS = plotly.colors.qualitative.D3
MAX_CURVES = len(COLORS)  # in a plot, those of the best runs; more cannot be told apart
MAX_AXES = 10  # of parallel coordinates; the labels of more overlap
MAX_TICKS = 24  # of an axis with texts; the labels of more overlap
MAX_TICK_LENGTH = 24
SHOWN_ROWS = 50  # of a table; more are a click away
PRINTED_COLUMNS = 11  # of a table, on paper
LOG_RATIO = 100  # of the largest to the smallest number from which on an axis is logarithmic
Plot = dict[str, Any]


def render_page(
    sections: Sequence[Section],
    headlines: Sequence[Headline],
    store: Path,
    digests: Mapping[str, str],
    columns: Sequence[str] = (),
) -> str:
    """Return the HTML of a page: the best runs, then for each section its table, curves and parallel coordinates.

    Args:
        sections: the sections.
        headlines: the best run of each.
        store: the folder of the merged store, for the curves.
        digests: the digests of the data by the run's id.
        columns: the full names of the only columns of the tables; none for all that differ.
    """
    plots: list[Plot] = []
    return load_template(TEMPLATE).render(
        headlines=[_headline(one) for one in headlines],
        sections=[_section(one, store, digests, columns, plots) for one in sections],
        shown_rows=SHOWN_ROWS,
        printed_columns=PRINTED_COLUMNS,
        plots=plots,
        plotly=Markup(plotly.offline.get_plotlyjs()),
    )


def curve_plots(runs: Sequence[Run], points: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]) -> list[Plot]:
    """Return a plot for each metric that a run has: a line by epoch for each run, a loss on a logarithmic scale.

    Args:
        runs: at most ``MAX_CURVES``.
        points: (epoch, value) pairs by run and metric.
    """
    plots = []
    for metric in CURVES:
        members = [(run, color, points[run.run_id][metric]) for run, color in zip(runs, COLORS, strict=False)
                   if metric in points[run.run_id]]  # fmt: skip
        values = [value for *_, pairs in members for _, value in pairs]
        is_log = "loss" in metric and bool(values) and min(values) > 0
        last_epoch = max((pairs[-1][0] for *_, pairs in members), default=1)
        curves = [
            {
                "name": html.escape(cell_text(run.name), quote=False),  # plotly takes it for HTML
                "color": color,
                "x": [epoch for epoch, _ in pairs],
                "y": [float(f"{value:.6g}") for _, value in pairs],
            }
            for run, color, pairs in members
        ]
        if curves:
            ticks = log_ticks(min(values), max(values)) if is_log else []
            plot = {"metric": metric, "curves": curves, "is_log": is_log, "ticks": ticks}
            plots.append(plot | {"epochs": epoch_ticks(last_epoch)})
    return plots


def epoch_ticks(last: int) -> list[int]:
    """Return the first epoch and at most 10 round numbers up to the last one."""
    steps = (digit * 10**power for power in range(len(str(last))) for digit in (1, 2, 5))
    step = next(step for step in steps if last <= 10 * step)
    return sorted({1, *range(step, last + 1, step)})


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers for a logarithmic axis; none for a short one, for which plotly's own are good."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
    return ticks if len([tick for tick in ticks if low <= tick <= high]) > 1 else []


def parallel_plot(section: Section, digests: Mapping[str, str]) -> Plot | None:
    """Return a plot with an axis for each parameter that differs and for the objective; None where nothing differs."""
    runs = [run for run in section.runs if run.best is not None and run.params]
    names = [name for name in section.columns if len({value_of(run, name, digests) for run in runs}) > 1][:MAX_AXES]
    if len(runs) < 2 or not names:
        return None
    axes = [_axis(short_name(name), [value_of(run, name, digests) for run in runs]) for name in names]
    axes.append(_axis(section.objective.name, [run.best for run in runs]))
    sign = 1 if section.objective.direction == "maximize" else -1
    return {"dimensions": axes, "values": [sign * run.best for run in runs if run.best is not None]}


def _axis(name: str, values: Sequence[Value]) -> dict[str, object]:
    """Return plotly's axis of a parameter: numbers at their value, texts at their position in sorted order."""
    label = html.escape(printable(name.rpartition(".")[2]))
    if numbers := [float(value) for value in values if isinstance(value, float | int)]:
        if len(numbers) == len(values) and min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_RATIO:
            decades = range(math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers))) + 1)
            ticks = {"tickvals": list(decades), "ticktext": [f"{10.0**power:g}" for power in decades]}
            return {"label": label, "values": [math.log10(number) for number in numbers], **ticks}
        if len(numbers) == len(values):
            return {"label": label, "values": numbers}
    texts = ["" if value is None else param_text(value) for value in values]
    order = {param_text(value): float(value) for value in values if isinstance(value, float | int)}
    ordered = sorted(set(texts), key=lambda text: (text not in order, order.get(text, 0.0), text))
    positions = {text: at for at, text in enumerate(ordered)}
    shown = ordered[:: math.ceil(len(ordered) / MAX_TICKS)]
    labels = [text[:MAX_TICK_LENGTH] or "–" for text in shown]  # plotly takes an axis' label for HTML, but no tick's
    ticks = {"tickvals": [positions[text] for text in shown], "ticktext": labels}
    return {"label": label, "values": [positions[text] for text in texts], **ticks}


def _headline(headline: Headline) -> dict[str, object]:
    return {
        "data": headline.section.heading,
        "name": cell_text(headline.run.name),
        "note": headline.note,
        "id": headline.run.run_id[:8],
        "metrics": [(name, f"{value:.4f}") for name, value in headline.metrics.items()],
        "differences": headline.differences,
        "command": printable(headline.command),
        "deployment": printable(headline.deployment),
        "no_model": "no_model_rerun" if headline.is_rerun else "no_model",
    }


def _section(
    section: Section, store: Path, digests: Mapping[str, str], columns: Sequence[str], plots: list[Plot]
) -> dict[str, object]:
    """Return what the template shows of a section; its plots are added to ``plots``."""
    plotted = sorted((run for run in section.runs if run.best is not None), key=lambda run: run.rank)[:MAX_CURVES]
    curves = curve_plots(plotted, histories(store, [run.run_id for run in plotted], CURVES))
    shown = [{**curve, "plot": len(plots) + at} for at, curve in enumerate(curves)]
    plots += curves
    parallel = parallel_plot(section, digests)
    position = len(plots) if parallel else None
    plots += [parallel] if parallel else []
    return {
        "data": section.heading,
        "objective": section.objective.name,
        "direction": section.objective.direction,
        "count": len(section.runs),
        **_table(section, digests, columns),
        "curves": shown,
        "legend": [
            {"name": cell_text(run.name), "id": run.run_id[:8], "color": color}
            for run, color in zip(plotted, COLORS, strict=False)
        ],
        "parallel": position,
        "axes": len(parallel["dimensions"]) if parallel else 0,
    }


def _table(section: Section, digests: Mapping[str, str], columns: Sequence[str]) -> dict[str, object]:
    """Return the headings and rows of a section's table, the run's name first, its id last."""
    names = [name for name in columns or section.default_columns() if name not in ("run", "id")]
    table = section.table(digests, ["run", *names, "id"])
    shown = display_columns(table)
    heads = [
        {"text": _breakable(one.head), "title": printable(name), "is_numeric": one.is_numeric}
        for name, one in zip(table.columns, shown, strict=True)
    ]
    best = section.best
    rows = [
        {"cells": cells, "link": _link(run.artifacts), "is_best": run is best}
        for run, *cells in zip(section.runs, *(one.cells for one in shown), strict=True)
    ]
    return {"heads": heads, "rows": rows}


def _breakable(head: str) -> Markup:
    """Return a heading that may go on over two lines where it was divided."""
    return Markup("<br>").join(head.split("\n"))


def _link(address: str) -> str:
    """Return the address of a folder that exists; empty for one that does not, or that a browser would execute."""
    is_safe = urlsplit(address).scheme in ("file", "http", "https")
    return address if is_safe and artifacts_exist(address) else ""
