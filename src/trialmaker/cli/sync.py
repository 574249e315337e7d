"""``python -m trialmaker sync``."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from trialmaker.cli.command_class import PATH, Command
from trialmaker.cli.output_arguments import PLACES_HELP
from trialmaker.errors import UserError, printable
from trialmaker.platform import paths
from trialmaker.platform.progress_bar import progress_bar
from trialmaker.platform.redaction import without_password
from trialmaker.tracking import recovery
from trialmaker.tracking.output_journals import find_outputs, linked_logs
from trialmaker.tracking.recovery import UndeliveredRun

HELP = f"""\
Bring MLflow what it lacks of the runs of one or more outputs: of runs that ended while a server was away or a store was
locked, and of runs whose process was killed, which become KILLED.

A run goes where it was recorded: to the mlflow.db of its output; or to a server, but only to one that --to or
MLFLOW_TRACKING_URI names, since an output may be somebody else's. Runs that a process works on, and what is there
already, are left alone, so the same command goes on after an interruption.

{PLACES_HELP}
"""
EXAMPLES = ("sync", "sync V0001 V0002 --to http://mlflow.team:5000")


@click.command(
    "sync", cls=Command, help=HELP, short_help="bring MLflow what outages and kills kept from it", examples=EXAMPLES
)
@click.argument("places", nargs=-1, type=PATH, metavar="[DIR]...")
@click.option("--to", "server", metavar="URL", help="Deliver also what was recorded for this server.")
def command(places: Sequence[Path], server: str | None) -> int:
    """Execute the command; return the exit code."""
    addresses = [one for one in (server, os.environ.get("MLFLOW_TRACKING_URI")) if one]
    outputs = [output.absolute() for place in _selected(places) for output in find_outputs(place)]
    runs = [run for output in outputs for run in recovery.undelivered_runs(output)]
    mistakes = [*filter(None, map(linked_logs, outputs)), *_deliver_all(runs, addresses)]
    if not mistakes:
        for output in outputs:
            for line in recovery.end_dead_studies(output, addresses):
                print(line)
    if mistakes:
        raise UserError(*mistakes)
    if not runs:
        print("nothing to deliver: MLflow has all runs, but those that a process works on")
    return 0


def _selected(places: Sequence[Path]) -> list[Path]:
    """Return the places, by default this project's own output.

    Raises:
        UserError: one does not exist.
    """
    if missing := [place for place in places if not place.is_dir()]:
        raise UserError(*(f"{place}: there is no such directory" for place in missing))
    own = paths.root() / "output"
    if not places and not own.is_dir():
        raise UserError(f"{own}: there is no output yet: train first, or name outputs of jobs")
    return list(places) or [own]


def _deliver_all(runs: Sequence[UndeliveredRun], addresses: Sequence[str]) -> list[str]:
    """Deliver the runs, with a line for each; return a line for each that could not be.

    A server that has failed once is not asked again.
    """
    mistakes: list[str] = []
    failed: set[str] = set()
    with progress_bar(text="runs", total=len(runs), unit=" runs", delay_seconds=1) as bar:
        for run in runs:
            place = run.place(addresses)
            if place is None:
                mistakes.append(recovery.address_advice(run))
            elif place.store in failed:
                mistakes.append(f"{run}: not delivered to {without_password(place.store)} either")
            else:
                try:
                    if line := recovery.deliver(run, place):
                        print(printable(line), flush=True)
                except UserError as error:
                    failed |= {place.store} if place.uri else set()
                    mistakes += error.mistakes
            bar.update()
    return mistakes
