"""``python -m trialmaker ui``."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from trialmaker.analysis import mlflow_ui
from trialmaker.analysis.store import runs
from trialmaker.cli.command_class import Command
from trialmaker.cli.output_arguments import OutputSelection, output_arguments
from trialmaker.errors import UserError

PORT_ATTEMPTS = 5  # of another command that is started meanwhile to take the port
HELP = """\
Show all runs of some outputs, wherever they were made, in one MLflow UI on this machine: parameters, curves, pictures,
models, studies. Prints the address of the page that compares the best of them. The outputs are not changed.

\b
    python -m trialmaker ui V0001 V0002
    python -m trialmaker ui workspace/jobs --watch
"""


@click.command("ui", cls=Command, help=HELP, short_help="MLflow's UI over the outputs of many jobs")
@output_arguments
@click.option("--port", type=int, metavar="N", help="(default: 5000, or the next that is free)")
@click.option(
    "--watch",
    is_flag=False,
    flag_value=5.0,
    type=float,
    metavar="[S]",
    help="Look for news every S seconds (default: 5).",
)
def command(places: Sequence[Path], store: Path | None, port: int | None, watch: float | None) -> int:
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
                _print_addresses(server.store, server.port)
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


def _print_addresses(store: Path, port: int) -> None:
    everything = runs.load(store)
    print(f"MLflow's UI: http://{mlflow_ui.HOST}:{port}/")
    for name in dict.fromkeys(run.experiment for run in everything):
        members = [run for run in everything if run.experiment == name]
        print(f"{name}, {len(members)} runs: {mlflow_ui.experiment_url(port, members[0])}")
        objectives = dict.fromkeys(run.peers for run in members if run.best is not None and not run.is_study)
        for peers in objectives:
            best = mlflow_ui.select_for_comparison([run for run in members if run.peers == peers])
            by = f" by {peers[1]}" if len(objectives) > 1 else ""
            if len(best) > 1:
                print(f"{name}, the best {len(best)}{by} compared: {mlflow_ui.comparison_url(port, best)}")
    print("Ctrl-C ends it", flush=True)


def _refresh(selection: OutputSelection) -> None:
    """Merge into the same store again, though outputs may have joined; what fails now may work the next time."""
    try:
        selection.merge(forget=False)
    except UserError as error:
        selection.print_once(f"not refreshed: {error}")
