"""``python -m trialmaker push``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from trialmaker.cli.command_class import Command
from trialmaker.cli.output_arguments import PLACES_HELP, OutputSelection, output_arguments
from trialmaker.errors import printable
from trialmaker.platform.progress_bar import progress_bar
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.settings import ENVIRONMENT, STORE_FILE

HELP = f"""\
Bring the runs of one or more outputs to an MLflow server: parameters, curves, tags, data, studies, models, artifacts.

What is there already is left alone, so the same command goes on after an interruption. The server gives the runs new
ids; the tag trialmaker.source_run_id has the old ones. MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
MLFLOW_TRACKING_TOKEN, say who you are.

{PLACES_HELP}
"""
EXAMPLES = ("push --to http://mlflow.team:5000", "push V0001 V0002 --to http://mlflow.team:5000")


@click.command("push", cls=Command, help=HELP, short_help="bring runs to a team's MLflow server", examples=EXAMPLES)
@output_arguments
@click.option("--to", "server", required=True, metavar="URL", help="The server's address, http://... or https://...")
def command(places: Sequence[Path], store: Path | None, server: str) -> int:
    """Execute the command; return the exit code."""
    # what a link leads to may be the reader's own, and is to be named before it is sent
    merged = OutputSelection(places, store, follows_links=False).merge().store
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from trialmaker.analysis.store.push import Pusher  # MLflow takes a while to import

    with progress_bar(text="runs", total=None, unit=" runs") as bar:

        def show_progress(name: str, at: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(printable(name), refresh=False)
            bar.update(at - bar.n)

        pusher = Pusher(merged / STORE_FILE, server)
        brought, present = pusher.push(show_progress)
    for path in pusher.unsendable_files:
        print(f"skipped {printable(str(path))}: MLflow's client can't send a name with %, # or ?", file=sys.stderr)
    if left_out := pusher.artifacts.left_out:
        print(
            f"left out: {left_out} links and pipes among the artifacts, which are no files of theirs", file=sys.stderr
        )
    print(f"{without_password(server)}: {brought} runs brought, {present} were there")
    return 0
