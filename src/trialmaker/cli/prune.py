"""``python -m trialmaker prune``."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import click

from trialmaker.analysis import pruning, text_report
from trialmaker.analysis.run_table import Table
from trialmaker.analysis.store import runs
from trialmaker.analysis.text_table import output_width
from trialmaker.cli.command_class import Command
from trialmaker.cli.output_arguments import PLACES_HELP, OutputSelection, output_arguments
from trialmaker.errors import UserError, one_line
from trialmaker.model_store.catalog import superseded_versions
from trialmaker.platform.received_database import check_file

HELP = f"""\
Free disk space: remove artifacts, models and checkpoints of all but the best runs of each experiment and objective.

Parameters, metrics and logs stay, and in output/model/ the best model of each data set. Without --yes, the command only
says what it would remove.

{PLACES_HELP}
"""
EXAMPLES = ("prune --keep 5", "prune V0001 V0002 --keep 5 --yes")


@click.command(
    "prune", cls=Command, help=HELP, short_help="remove the artifacts of all but the best runs", examples=EXAMPLES
)
@output_arguments
@click.option("--keep", type=int, default=5, metavar="K", help="The number of runs that keep everything (default: 5).")
@click.option("--yes", is_flag=True, help="Remove them.")
def command(places: Sequence[Path], store: Path | None, keep: int, yes: bool) -> int:
    """Execute the command; return the exit code."""
    if keep < 0:
        raise UserError(f"--keep {keep}: must be at least 0")
    merged = OutputSelection(places, store).merge()
    everything = runs.load(merged.store)
    prunable = pruning.prunable_runs(everything, keep)
    leftovers = list(pruning.leftovers(merged.store, prunable, everything, merged.outputs, superseded_versions))
    if not leftovers:
        print(f"nothing to remove: {len(prunable)} runs are not among the best {keep}, and left nothing large")
        return 0
    rows = [
        [one.run.run_id[:8], one.run.name, one.output.label, one.run.best, f"{one.size / 1e6:.1f} MB"]
        for one in leftovers
    ]
    columns = ["id", "run", "output", "best", "size"]
    print(text_report.render_table(Table(columns, rows), output_width(), columns))
    total = f"{sum(one.size for one in leftovers) / 1e6:.1f} MB of {len(leftovers)} runs"
    if not yes:
        print(f"would remove {total}; nothing has been removed: --yes does it")
        return 0
    _remove(leftovers)
    print(f"removed {total}")
    return 0


def _remove(leftovers: Sequence[pruning.Leftover]) -> None:
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    for one in leftovers:
        try:
            check_file(one.output.database)
            sqlite_store.mark_pruned(one.output.database, one.run.run_id, one.models)
            one.remove()
        except sqlite3.Error as error:
            raise UserError(f"{one.output.database}: cannot be written: {one_line(error)}") from error
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be removed: {error.strerror}") from error
