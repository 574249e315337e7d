"""``python -m trialmaker compare``."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trialmaker.analysis import query, run_table
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.runs import Run
from trialmaker.cli import output_arguments
from trialmaker.errors import UserError
from trialmaker.platform.atomic_files import write_text

HELP = "a table of runs, without a browser"
DESCRIPTION = """\
Print a table of the runs of some outputs: best metric, test metric, duration, and the parameters that differ. The best
comes first. A study is one row; --trials shows its trials.

    python -m trialmaker compare V0001 V0002
    python -m trialmaker compare workspace/jobs --where model.name=cnn --where 'test_accuracy>=0.98' --sort seconds
    python -m trialmaker compare --seeds
    python -m trialmaker compare --html comparison.html
"""
CURVES = ("val_loss", "loss", "val_accuracy", "accuracy")


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    output_arguments.add_arguments(parser)
    add = parser.add_argument
    condition = "NAME=VALUE, also != < <= > >= and ~ (contains); NAME is a column, metric, parameter or tag"
    add("--where", action="append", default=[], metavar="COND", help=condition)
    add("--sort", metavar="NAME", help="by a column, metric, parameter or tag, the lowest first")
    add("--descending", action="store_true", help="with --sort: the highest first")
    add("--trials", action="store_true", help="the trials of studies too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=run_table.FORMATS, default="text", help="(default: text)")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves and parallel coordinates")
    seeds = "runs that differ only in their seed as one: mean, spread, and whether the best is better than chance"
    add("--seeds", action="store_true", help=seeds)
    add(
        "--metric", metavar="NAME", help="what --seeds compares (default: test_accuracy, or the objective's best value)"
    )


def run(asked: Namespace) -> int:
    """Run it."""
    if asked.seeds and (asked.html or asked.sort):
        raise UserError("--seeds: makes a table of its own, sorted by the mean: leave out --html and --sort")
    store = output_arguments.merged(asked).store
    digests = runs.data_digests(store)
    everything = [run for run in runs.load(store) if asked.trials or not run.is_trial]
    shown = query.select(everything, asked.where, digests)
    if not shown:
        raise UserError(f"--where: no run is left of {len(everything)}")
    if asked.seeds:
        return _seeds(asked, shown, digests)
    sort = query.resolve_name(asked.sort, everything) if asked.sort else None
    shown = _sorted(shown, sort, asked.descending, digests)
    made = run_table.build_table(shown, digests, extra=[sort] if sort else [])
    if asked.html:
        _write_page(asked.html, store, shown, made, digests)
    else:
        print(made.as_format(asked.format))
    return 0


def _sorted(shown: Sequence[Run], name: str | None, descending: bool, digests: dict[str, str]) -> list[Run]:
    """By a value, those without one last; or the best first, each experiment and objective by itself."""
    if name is None:
        return sorted(shown, key=lambda run: (run.peers, run.rank))
    keys: dict[str, Any] = {run.run_id: query.value_of(run, name, digests) for run in shown}
    with_value = [run for run in shown if keys[run.run_id] is not None]
    numbers = all(isinstance(keys[run.run_id], float | int) for run in with_value)
    with_value.sort(key=lambda run: keys[run.run_id] if numbers else str(keys[run.run_id]), reverse=descending)
    return with_value + [run for run in shown if keys[run.run_id] is None]


def _seeds(asked: Namespace, shown: Sequence[Run], digests: dict[str, str]) -> int:
    from trialmaker.analysis import seed_statistics  # SciPy takes a while to import

    compared = seed_statistics.comparable_runs(shown)
    if left_out := len(shown) - len(compared):
        print(f"left out: {left_out} runs that are not finished, or have no seed, such as studies", file=sys.stderr)
    metric = query.resolve_name(asked.metric, shown) if asked.metric else seed_statistics.default_metric(compared)
    maximize = seed_statistics.is_maximized(metric, compared)
    found = seed_statistics.group_runs(compared, metric, maximize=maximize, digests=digests)
    comparisons = seed_statistics.compare_with_best(found, maximize=maximize)
    for_people = asked.format in ("text", "markdown")
    print(seed_statistics.build_table(found, metric, () if for_people else comparisons).as_format(asked.format))
    for comparison in comparisons if for_people else ():
        print(f"\n{comparison}")
    return 0


def _write_page(path: Path, store: Path, shown: Sequence[Run], made: run_table.Table, digests: dict[str, str]) -> None:
    from trialmaker.analysis import html_report  # so does plotly

    if path.is_dir():
        raise UserError(f"--html {path}: is a directory: name a file in it")
    histories = runs.histories(store, [run.run_id for run in shown], CURVES)
    try:
        write_text(path, html_report.render_page("Comparison of runs", shown, made, histories, digests))
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written: {error.strerror}") from error
    print(f"wrote {path}: {len(shown)} runs", file=sys.stderr)
