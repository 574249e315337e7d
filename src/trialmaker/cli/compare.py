"""``python -m trialmaker compare``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from trialmaker.analysis import query, run_table
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.runs import Run
from trialmaker.cli.command_class import PATH, Command
from trialmaker.cli.output_arguments import OutputSelection, output_arguments
from trialmaker.errors import UserError
from trialmaker.platform.atomic_files import write_text

HELP = """\
Print a table of the runs of some outputs: best metric, test metric, duration, and the parameters that differ. The best
comes first. A study is one row; --trials shows its trials.

\b
    python -m trialmaker compare V0001 V0002
    python -m trialmaker compare workspace/jobs --sort seconds \\
        --where model.name=cnn --where 'test_accuracy>=0.98'
    python -m trialmaker compare --seeds
    python -m trialmaker compare --html comparison.html
"""
CURVES = ("val_loss", "loss", "val_accuracy", "accuracy")


@click.command("compare", cls=Command, help=HELP, short_help="a table of runs, without a browser")
@output_arguments
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="COND",
    help="NAME=VALUE, also != < <= > >= and ~ (contains); NAME is a column, metric, parameter or tag.",
)
@click.option("--sort", metavar="NAME", help="By a column, metric, parameter or tag, the lowest first.")
@click.option("--descending", is_flag=True, help="With --sort: the highest first.")
@click.option("--trials", is_flag=True, help="The trials of studies too.")
@click.option("--format", "form", type=click.Choice(run_table.FORMATS), help="(default: text)")
@click.option(
    "--html",
    type=PATH,
    metavar="FILE",
    help="Write a page with curves and parallel coordinates.",
)
@click.option(
    "--seeds",
    is_flag=True,
    help="Runs that differ only in their seed as one: mean, spread, and whether the best is better than chance.",
)
@click.option(
    "--metric", metavar="NAME", help="What --seeds compares (default: test_accuracy, or the objective's best value)."
)
def command(
    places: Sequence[Path],
    store: Path | None,
    conditions: Sequence[str],
    sort: str | None,
    descending: bool,
    trials: bool,
    form: str | None,
    html: Path | None,
    seeds: bool,
    metric: str | None,
) -> int:
    """Execute the command; return the exit code."""
    if seeds and (html or sort):
        raise UserError("--seeds: makes a table of its own, sorted by the mean: leave out --html and --sort")
    if html and form:
        raise UserError(f"--html {html}: writes a page and prints no table: leave out --format {form}")
    merged = OutputSelection(places, store).merge().store
    digests = runs.data_digests(merged)
    everything = [run for run in runs.load(merged) if trials or not run.is_trial]
    selected = query.select(everything, conditions, digests)
    if not selected:
        raise UserError(f"--where: no run is left of {len(everything)}")
    if seeds:
        _print_seeds(selected, metric, form or "text", digests)
        return 0
    column = query.resolve_name(sort, everything) if sort else None
    selected = _sorted(selected, column, descending, digests)
    table = run_table.build_table(selected, digests, extra=[column] if column else [])
    if html:
        _write_page(html, merged, selected, table, digests)
    else:
        print(table.as_format(form or "text"))
    return 0


def _sorted(selected: Sequence[Run], column: str | None, descending: bool, digests: Mapping[str, str]) -> list[Run]:
    """Sort by a column, runs without a value last; without one the best first, by experiment and objective."""
    if column is None:
        return sorted(selected, key=lambda run: (run.peers, run.rank))
    keys: dict[str, Any] = {run.run_id: query.value_of(run, column, digests) for run in selected}
    with_value = [run for run in selected if keys[run.run_id] is not None]
    numbers = all(isinstance(keys[run.run_id], float | int) for run in with_value)
    with_value.sort(key=lambda run: keys[run.run_id] if numbers else str(keys[run.run_id]), reverse=descending)
    return with_value + [run for run in selected if keys[run.run_id] is None]


def _print_seeds(selected: Sequence[Run], metric: str | None, form: str, digests: Mapping[str, str]) -> None:
    from trialmaker.analysis import seed_statistics  # SciPy takes a while to import

    comparable = seed_statistics.comparable_runs(selected)
    if left_out := len(selected) - len(comparable):
        print(f"left out: {left_out} runs that are not finished, or have no seed, such as studies", file=sys.stderr)
    name = query.resolve_name(metric, selected) if metric else seed_statistics.default_metric(comparable)
    maximize = seed_statistics.is_maximized(name, comparable)
    groups = seed_statistics.group_runs(comparable, name, maximize=maximize, digests=digests)
    comparisons = seed_statistics.compare_with_best(groups, maximize=maximize)
    for_people = form in ("text", "markdown")
    print(seed_statistics.build_table(groups, name, () if for_people else comparisons).as_format(form))
    for comparison in comparisons if for_people else ():
        print(f"\n{comparison}")


def _write_page(
    path: Path, store: Path, selected: Sequence[Run], table: run_table.Table, digests: Mapping[str, str]
) -> None:
    from trialmaker.analysis import html_report  # so does plotly

    if path.is_dir():
        raise UserError(f"--html {path}: is a directory: name a file in it")
    histories = runs.histories(store, [run.run_id for run in selected], CURVES)
    try:
        write_text(path, html_report.render_page("Comparison of runs", selected, table, histories, digests))
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written: {error.strerror}") from error
    print(f"wrote {path}: {len(selected)} runs", file=sys.stderr)
