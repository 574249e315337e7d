"""``python -m trialmaker prune``."""

from argparse import ArgumentParser, Namespace

from trialmaker.analysis import pruning
from trialmaker.analysis.run_table import Table
from trialmaker.analysis.store import runs
from trialmaker.cli import output_arguments
from trialmaker.errors import UserError
from trialmaker.model_store.versions import superseded_versions

HELP = "remove the artifacts of all but the best runs"
DESCRIPTION = """\
Remove artifacts, models and checkpoints of all but the best runs of each experiment (and objective). Parameters,
metrics and logs stay, and the model that output/model/best.json names. Without --yes, only says what it would do.

    python -m trialmaker prune --keep 5
    python -m trialmaker prune --keep 5 --yes
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    output_arguments.add_arguments(parser)
    parser.add_argument("--keep", type=int, default=5, metavar="K", help="how many, the best first (default: 5)")
    parser.add_argument("--yes", action="store_true", help="remove them, and not only say so")


def run(asked: Namespace) -> int:
    """Run it."""
    if asked.keep < 0:
        raise UserError(f"--keep {asked.keep}: must be at least 0")
    merged = output_arguments.merged(asked)
    everything = runs.load(merged.store)
    superfluous = pruning.prunable_runs(everything, asked.keep)
    found = list(pruning.leftovers(merged.store, superfluous, everything, merged.outputs, superseded_versions))
    if not found:
        print(f"nothing to remove: {len(superfluous)} runs are not among the best {asked.keep}, and left nothing large")
        return 0
    rows = [
        [one.run.name, one.output.label, one.run.best, f"{one.size / 1e6:.1f} MB", one.run.run_id[:8]] for one in found
    ]
    print(Table(["run", "output", "best", "size", "id"], rows).as_format("text"))
    total = f"{sum(one.size for one in found) / 1e6:.1f} MB of {len(found)} runs"
    if not asked.yes:
        print(f"would remove {total}; nothing has been removed: --yes does it")
        return 0
    _remove(found)
    print(f"removed {total}")
    return 0


def _remove(found: list[pruning.Leftover]) -> None:
    from trialmaker.tracking import sqlite_store  # MLflow takes a while to import

    for one in found:
        try:
            sqlite_store.mark_pruned(one.output.database, one.run.run_id, one.models)
            one.remove()
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be removed: {error.strerror}") from error
