"""``python -m trialmaker ui``."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from trialmaker.analysis import mlflow_ui
from trialmaker.analysis.run_table import counted
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.runs import Run
from trialmaker.cli.command_class import Command
from trialmaker.cli.output_arguments import PLACES_HELP, OutputSelection, output_arguments
from trialmaker.errors import UserError, printable

PORT_ATTEMPTS = 5  # of another command that is started meanwhile to take the port
HELP = f"""\
Show the runs of one or more outputs in one MLflow UI on this machine: parameters, curves, pictures, models, studies.
The outputs are not changed.

On a desktop the browser opens the list of the newest experiment's runs, the best first. The address is printed, and
those of the best runs' curves. Ctrl-C ends the UI.

{PLACES_HELP}
"""
EXAMPLES = ("ui", "ui V0001 V0002", "ui workspace/jobs --watch")


@click.command("ui", cls=Command, help=HELP, short_help="MLflow's UI over the outputs of many jobs", examples=EXAMPLES)
@output_arguments
@click.option("--port", type=int, metavar="N", help="The port to listen on (default: 5000, or the next free one).")
@click.option(
    "--watch",
    is_flag=False,
    flag_value=5.0,
    type=float,
    metavar="[S]",
    help="Look for new runs every S seconds (without a number: 5).",
)
@click.option("--no-open", is_flag=True, help="Open no browser; only print the addresses.")
def command(places: Sequence[Path], store: Path | None, port: int | None, watch: float | None, no_open: bool) -> int:
    """Execute the command, until Ctrl-C; return the exit code."""
    if watch is not None and not watch > 0:
        raise UserError(f"--watch {watch:g}: must be more than 0 seconds")
    mlflow_ui.free_port(port)  # before the work of merging
    with mlflow_ui.exit_on_signals():
        selection = OutputSelection(places, store)
        merged = selection.merge().store
        for _ in range(PORT_ATTEMPTS):
            with suppress(mlflow_ui.PortTakenError), mlflow_ui.Server(merged, mlflow_ui.free_port(port)) as server:
                server.wait_until_ready()
                _show_addresses(runs.load(merged), server.port, in_browser=not no_open)
                return _serve(server, selection.into(merged), watch)
    raise UserError(
        f"--port: {PORT_ATTEMPTS} times another program was faster to take the free port; --port N names one"
    )


def _serve(server: mlflow_ui.Server, selection: OutputSelection, watch: float | None) -> int:
    while True:
        try:
            code = server.process.wait(timeout=watch)
            print(f"trialmaker: error: {server.failure_message(f'ended with exit code {code}')}", file=sys.stderr)
            return 1
        except subprocess.TimeoutExpired:
            _refresh(selection)


def _show_addresses(everything: Sequence[Run], port: int, *, in_browser: bool) -> None:
    print(f"MLflow's UI: {mlflow_ui.home_url(port)}")
    for name in dict.fromkeys(run.experiment for run in everything):
        members = [run for run in everything if run.experiment == name]
        objectives = dict.fromkeys(run.peers for run in members if run.best is not None and not run.is_study)
        views = mlflow_ui.view_keys(members)
        title, count = printable(name), counted(len(members), "run")
        if not objectives:
            print(f"{title}, {count}: {mlflow_ui.list_url(port, members)}")
        for peers in objectives:
            by, view = f" by {peers[1]}" * (len(objectives) > 1), views.get(peers[1])
            print(f"{title}, {count}, best first{by}: {mlflow_ui.list_url(port, members, view)}")
            if view:
                print(f"{title}, curves of the best{by}: {mlflow_ui.curves_url(port, members, view)}")
            best = mlflow_ui.select_for_comparison([run for run in members if run.peers == peers])
            if len(best) > 1:
                print(f"{title}, the best {len(best)}{by} compared: {mlflow_ui.comparison_url(port, best)}")
    print("Ctrl-C ends it", flush=True)
    if in_browser:
        newest = max(everything, key=lambda run: run.start).experiment
        mlflow_ui.open_in_browser(mlflow_ui.list_url(port, [run for run in everything if run.experiment == newest]))


def _refresh(selection: OutputSelection) -> None:
    """Merge into the same store again, though outputs may have joined; what fails now may work the next time."""
    try:
        selection.merge(forget=False)
    except UserError as error:
        selection.print_once(f"not refreshed: {error}")
