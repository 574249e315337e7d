"""``python -m trialmaker compare``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from trialmaker.analysis import latex_table, query, run_table, text_report
from trialmaker.analysis.headline import Headline, headlines
from trialmaker.analysis.run_table import Table, counted
from trialmaker.analysis.sections import Section, split
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.merging import MergeResult
from trialmaker.analysis.store.runs import Run
from trialmaker.analysis.studies import as_best_trials, without_repeats
from trialmaker.analysis.text_table import output_width
from trialmaker.cli.command_class import PATH, Command
from trialmaker.cli.output_arguments import PLACES_HELP, OutputSelection, output_arguments
from trialmaker.errors import UserError
from trialmaker.model_store.catalog import read_cards
from trialmaker.platform.atomic_files import write_text
from trialmaker.platform.printable_stream import data_output
from trialmaker.platform.received_files import is_inside

HELP = f"""\
Print a table of the runs of one or more outputs, the best first, without a browser.

It has the best metric, the test metric, the duration, and the parameters that differ; each data set has a table of its
own. A study is one row. Below follow the best run, the command that repeats it, and how to deploy it.

{PLACES_HELP}
"""
EXAMPLES = (
    "compare",
    "compare V0001 V0002 --sort seconds",
    "compare --where model.name=cnn --where 'best>=0.98'",
    "compare --columns test_loss,learning_rate --format latex",
    "compare --seeds",
    "compare --html comparison.html",
)
OPTION_GROUPS = {
    "Which runs": ("store", "conditions", "trials"),
    "What is shown": ("sort", "descending", "columns", "seeds", "metric"),
    "In which form": ("form", "html"),
}
ALL_COLUMNS = "all"


@click.command(
    "compare",
    cls=Command,
    help=HELP,
    short_help="tables of runs, without a browser",
    examples=EXAMPLES,
    groups=OPTION_GROUPS,
)
@output_arguments
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="COND",
    help="Only runs with NAME=VALUE; also != < <= > >= and ~ (contains). NAME is a column, metric, parameter or tag;"
    " repeatable.",
)
@click.option("--sort", metavar="NAME", help="Sort by a column, metric, parameter or tag, the lowest first.")
@click.option("--descending", is_flag=True, help="Sort the highest first.")
@click.option("--trials", is_flag=True, help="The trials of studies, too.")
@click.option(
    "--columns",
    metavar="all|NAME,...",
    help="These columns, metrics, parameters or tags, or all that differ (default: those that fit).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(run_table.FORMATS),
    metavar="FORM",
    help="The table's form: text (the default), csv, json, markdown or latex. csv, json and markdown have all columns;"
    " latex needs booktabs.",
)
@click.option("--html", type=PATH, metavar="FILE", help="Write a page with curves and parallel coordinates instead.")
@click.option(
    "--seeds",
    is_flag=True,
    help="One row for runs that differ only in their seed: mean, spread, and whether the best is better than chance.",
)
@click.option(
    "--metric", metavar="NAME", help="The metric of --seeds (default: test_accuracy, or the objective's best value)."
)
def command(
    places: Sequence[Path],
    store: Path | None,
    conditions: Sequence[str],
    sort: str | None,
    descending: bool,
    trials: bool,
    columns: str | None,
    form: str | None,
    html: Path | None,
    seeds: bool,
    metric: str | None,
) -> int:
    """Execute the command; return the exit code."""
    if seeds and (html or sort or columns not in (None, ALL_COLUMNS)):
        raise UserError("--seeds: makes a table of its own, sorted by the mean: leave out --html, --sort and --columns")
    if html and form:
        raise UserError(f"--html {html}: writes a page and prints no table: leave out --format {form}")
    comparison = _Comparison(places, OutputSelection(places, store).merge(), trials, conditions)
    if seeds:
        _print_seeds(comparison, metric, form or "text", None if columns else output_width())
        return 0
    comparison.sort(sort, descending)
    names = _column_names(columns, comparison.everything)
    if html:
        _write_page(html, comparison, names)
    elif form in run_table.COMPLETE_FORMATS:
        print(comparison.complete_table(names).as_format(form), file=data_output() if form == "csv" else None)
    elif form == "latex":
        print(comparison.latex(names))
    else:
        print(comparison.text(names, None if columns == ALL_COLUMNS else output_width()))
    return 0


class _Comparison:
    """The runs of a merged store that a person selects.

    Args:
        places: the places that the person named.
        merged: the result of merging them.
        trials: whether trials are shown.
        conditions: see ``query.select``.

    Raises:
        UserError: a condition is malformed, or no run meets all of them.
    """

    def __init__(self, places: Sequence[Path], merged: MergeResult, trials: bool, conditions: Sequence[str]) -> None:
        self.places, self.merged = places, merged
        self.digests, self.everything = runs.data_digests(merged.store), runs.load(merged.store)
        recorded = [run for run in self.everything if trials or not run.is_trial]
        self.listed = as_best_trials(recorded, self.everything)
        self._recorded = {id(one): run for one, run in zip(self.listed, recorded, strict=True)}
        self.selected = query.select(self.listed, conditions, self.digests)
        self.sort_column: str | None = None
        if not self.selected:
            raise UserError(f"--where: no run is left of {len(self.listed)}")

    def recorded(self) -> list[Run]:
        """Return the selected runs as they were recorded: studies without the values of their best trial."""
        return [self._recorded[id(run)] for run in self.selected]

    def sort(self, name: str | None, descending: bool) -> None:
        """Sort the runs, see ``_sorted``."""
        self.sort_column = query.resolve_name(name, self.listed) if name else None
        self.selected = _sorted(self.selected, self.sort_column, descending, self.digests)

    def complete_table(self, names: Sequence[str]) -> Table:
        """Return one table of all runs, with all that differs or with named columns."""
        extra = [self.sort_column] if self.sort_column else []
        return run_table.build_table(without_repeats(self.selected), self.digests, extra=extra, columns=names)

    def sections(self) -> list[Section]:
        """Return the runs in sections that can be compared."""
        return split(self.selected, self.digests, extra=self.sort_column)

    def headlines(self, sections: Sequence[Section]) -> list[Headline]:
        """Return the best run of each section."""
        return headlines(sections, self.merged.outputs, _models(self.merged), self.places)

    def latex(self, names: Sequence[str]) -> str:
        """Return a LaTeX table for each section."""
        tables = (
            (text_report.title(one), one.table(self.digests, names or one.default_columns()[1:]))  # without ids
            for one in self.sections()
        )
        return "\n\n".join(latex_table.render(title, text_report.display_columns(table)) for title, table in tables)

    def text(self, names: Sequence[str], width: int | None) -> str:
        """Return a table for each section, then the best run of each."""
        sections = self.sections()
        tables = [text_report.render_section(one, self.digests, width, names) for one in sections]
        best = [text_report.render_headline(one, output_width()) for one in self.headlines(sections)]
        return "\n\n".join([*tables, *best])


def _column_names(columns: str | None, everything: Sequence[Run]) -> list[str]:
    """Return the full names of the columns that ``--columns`` names; none for all that differ.

    Raises:
        UserError: no run has such a column.
    """
    words = [] if columns in (None, ALL_COLUMNS) else [word.strip() for word in str(columns).split(",")]
    names = dict.fromkeys(query.resolve_name(word, everything) for word in words)
    return [*dict.fromkeys(("id", "run", *names))] if names else []


def _models(merged: MergeResult) -> dict[str, Path]:
    """Return the folder of each run's published model, by MLflow's id of the run."""
    outputs = [output.directory for output in merged.outputs.values()]
    folders = [folder / "model" for folder in outputs if is_inside(folder / "model", folder)]
    return {card.run_id: folder / str(card.version) for folder in folders for card in read_cards(folder) if card.run_id}


def _sorted(selected: Sequence[Run], column: str | None, descending: bool, digests: Mapping[str, str]) -> list[Run]:
    """Sort by a column, runs without a value last; without one the best first, by experiment and objective."""
    if column is None:
        return sorted(selected, key=lambda run: (run.peers, run.rank))
    keys: dict[str, Any] = {run.run_id: query.value_of(run, column, digests) for run in selected}
    with_value = [run for run in selected if keys[run.run_id] is not None]
    numbers = all(isinstance(keys[run.run_id], float | int) for run in with_value)
    with_value.sort(key=lambda run: keys[run.run_id] if numbers else str(keys[run.run_id]), reverse=descending)
    return with_value + [run for run in selected if keys[run.run_id] is None]


def _print_seeds(comparison: _Comparison, metric: str | None, form: str, width: int | None) -> None:
    from trialmaker.analysis import seed_report, seed_statistics  # SciPy takes a while to import

    selected = comparison.recorded()
    comparable = seed_statistics.comparable_runs(selected)
    if left_out := len(selected) - len(comparable):
        text = f"left out: {counted(left_out, 'run')}, not finished or without a seed, such as studies"
        print(text, file=sys.stderr)
    given = query.resolve_name(metric, selected) if metric else None
    name = given or seed_statistics.default_metric(comparable)
    text = seed_report.render(comparable, name, form, comparison.digests, width)
    print(text, file=data_output() if form == "csv" else None)


def _write_page(path: Path, comparison: _Comparison, names: Sequence[str]) -> None:
    from trialmaker.analysis import html_report  # plotly takes a while to import

    if path.is_dir():
        raise UserError(f"--html {path}: is a directory: name a file in it")
    sections = comparison.sections()
    best, store = comparison.headlines(sections), comparison.merged.store
    try:
        write_text(path, html_report.render_page(sections, best, store, comparison.digests, names))
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written: {error.strerror}") from error
    print(f"wrote {path}: {counted(len(comparison.selected), 'run')}", file=sys.stderr)
