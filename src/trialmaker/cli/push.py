"""``python -m trialmaker push``."""

import os
import sys
from argparse import ArgumentParser, Namespace

from trialmaker.analysis.store.outputs import STORE_FILE
from trialmaker.cli import output_arguments
from trialmaker.platform.progress_bar import progress_bar
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.settings import ENVIRONMENT

HELP = "bring runs to a team's MLflow server"
DESCRIPTION = """\
Bring all runs of some outputs to an MLflow server: parameters, curves, tags, data, studies, models, artifacts. What is
there already is left; the same command goes on after an interruption. A server gives its own ids; the old ones are in
the tag trialmaker.source_run_id. Names and passwords come from MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN.

    python -m trialmaker push V0001 V0002 --to http://mlflow.team:5000
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    output_arguments.add_arguments(parser)
    parser.add_argument("--to", required=True, metavar="URL", help="the server's address, http://… or https://…")


def run(asked: Namespace) -> int:
    """Run it."""
    store = output_arguments.merged(asked).store
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from trialmaker.analysis.store.push import Pusher  # MLflow takes a while to import

    with progress_bar(text="runs", total=None, unit=" runs") as bar:

        def tell(name: str, at: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(name, refresh=False)
            bar.update(at - bar.n)

        pusher = Pusher(store / STORE_FILE, asked.to)
        brought, there = pusher.push(tell)
    for path in pusher.unsendable_files:
        print(f"skipped {path}: MLflow's client can't send a name with %, # or ?", file=sys.stderr)
    print(f"{without_password(asked.to)}: {brought} runs brought, {there} were there")
    return 0
