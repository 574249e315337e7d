"""``python -m trialmaker compare``."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trialmaker.commands import places
from trialmaker.comparing import runs, table
from trialmaker.comparing.runs import Run
from trialmaker.errors import UserError
from trialmaker.files import write_text

HELP = "a table of runs, without a browser"
DESCRIPTION = """\
Print a table of the runs of some outputs: best metric, test metric, duration, and the parameters that differ. The best
comes first. A study is one row; --trials shows its trials.

    python -m trialmaker compare V0001 V0002
    python -m trialmaker compare workspace/jobs --where model.name=cnn --where 'test_accuracy>=0.98' --sort seconds
    python -m trialmaker compare --seeds
    python -m trialmaker compare --html comparison.html
"""
CURVES = ("loss", "accuracy")


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    places.add_arguments(parser)
    add = parser.add_argument
    names = "a column, metric, parameter or tag"
    add(
        "--where",
        action="append",
        default=[],
        metavar="COND",
        help=f"NAME=VALUE, also != < <= > >= ~ (contains); NAME is {names}",
    )
    add("--sort", metavar="NAME", help=f"by {names}, the lowest first; -NAME: the highest first (--sort=-NAME)")
    add("--trials", action="store_true", help="the trials of studies too")
    add("--format", choices=table.FORMATS, default="text", help="(default: text)")
    add(
        "--seeds",
        action="store_true",
        help="runs that differ only in their seed as one: mean, spread, and whether the best is better than chance",
    )
    add(
        "--metric",
        metavar="NAME",
        help="what --seeds compares (default: test_accuracy, or the best value of the objective)",
    )
    add("--html", type=Path, metavar="FILE", help="write a page with curves and parallel coordinates")


def run(asked: Namespace) -> int:
    """Run it."""
    store = places.merged(asked).store
    digests = runs.data_digests(store)
    everything = runs.load(store)
    shown = [run for run in everything if asked.trials or not run.is_trial]
    for condition in asked.where:
        shown = table.where(shown, condition, digests)
    if not shown:
        raise UserError("--where: no run is left; without it there are " + str(len(everything)))
    if asked.seeds:
        return _seeds(asked, shown, digests)
    shown = _sorted(shown, asked.sort, digests)
    extra = [table.name_of(asked.sort.lstrip("-"), shown)] if asked.sort else []
    made = table.of_runs(shown, digests, extra=extra)
    if asked.html:
        _write_page(asked.html, store, shown, made, digests)
    else:
        print(made.as_format(asked.format))
    return 0


def _sorted(shown: Sequence[Run], by: str | None, digests: dict[str, str]) -> list[Run]:
    if by is None:
        return sorted(shown, key=lambda run: run.rank)
    name = table.name_of(by.lstrip("-"), shown)
    keys: dict[str, Any] = {run.run_id: table.value_of(run, name, digests) for run in shown}
    with_value = [run for run in shown if keys[run.run_id] is not None]
    numbers = all(isinstance(keys[run.run_id], float | int) for run in with_value)
    with_value.sort(key=lambda run: keys[run.run_id] if numbers else str(keys[run.run_id]), reverse=by.startswith("-"))
    return with_value + [run for run in shown if keys[run.run_id] is None]


def _seeds(asked: Namespace, shown: Sequence[Run], digests: dict[str, str]) -> int:
    from trialmaker.comparing import seeds  # SciPy takes a while to import

    metric = table.name_of(asked.metric, shown) if asked.metric else seeds.metric_of(shown)
    maximize = shown[0].objective.direction == "maximize" if metric == "best" else "loss" not in metric
    found = seeds.groups(shown, metric, maximize=maximize, digests=digests)
    print(seeds.table(found, metric).as_format(asked.format))
    if asked.format in ("text", "markdown"):
        for comparison in seeds.with_best(found):
            print(f"\n{comparison}")
    return 0


def _write_page(path: Path, store: Path, shown: Sequence[Run], made: table.Table, digests: dict[str, str]) -> None:
    from trialmaker.comparing import report  # so does plotly

    names = [f"{part}{name}" for name in CURVES for part in ("val_", "")]
    histories = runs.histories(store, [run.run_id for run in shown], names)
    try:
        write_text(path, report.page("Comparison of runs", shown, made, histories, digests))
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written: {error.strerror}") from error
    print(f"wrote {path}: {len(shown)} runs", file=sys.stderr)
