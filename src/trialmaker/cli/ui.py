"""``python -m trialmaker ui``."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path

from trialmaker.analysis import mlflow_ui
from trialmaker.analysis.store import runs
from trialmaker.cli import output_arguments
from trialmaker.errors import UserError

PORT_ATTEMPTS = 5  # of another command that is started meanwhile to take the port
HELP = "MLflow's UI over the outputs of many jobs"
DESCRIPTION = """\
Show all runs of some outputs, wherever they were made, in one MLflow UI on this machine: parameters, curves, pictures,
models, studies. Prints the address of the page that compares the best of them. The outputs are not changed.

    python -m trialmaker ui V0001 V0002
    python -m trialmaker ui workspace/jobs --watch
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    output_arguments.add_arguments(parser)
    add = parser.add_argument
    add("--port", type=int, metavar="N", help="(default: 5000, or the next that is free)")
    add("--watch", nargs="?", type=float, const=5.0, metavar="S", help="look for news every S seconds (default: 5)")


def run(asked: Namespace) -> int:
    """Run it, until Ctrl-C."""
    if asked.watch is not None and not asked.watch > 0:
        raise UserError(f"--watch {asked.watch:g}: must be more than 0 seconds")
    mlflow_ui.free_port(asked.port)  # before the work of merging
    with mlflow_ui.exit_on_signals():
        told: set[str] = set()
        store = output_arguments.merged(asked, told).store
        for _ in range(PORT_ATTEMPTS):
            with suppress(mlflow_ui.PortTakenError), mlflow_ui.Server(store, mlflow_ui.free_port(asked.port)) as server:
                server.wait_until_ready()
                _tell(store, server.port)
                return _serve(server, asked, told)
    raise UserError(
        f"--port: {PORT_ATTEMPTS} times another program was faster to take the free port; --port N names one"
    )


def _serve(server: mlflow_ui.Server, asked: Namespace, told: set[str]) -> int:
    while True:
        try:
            code = server.process.wait(timeout=asked.watch)
            print(f"trialmaker: error: {server.failure_message(f'ended with exit code {code}')}", file=sys.stderr)
            return 1
        except subprocess.TimeoutExpired:
            _refresh(asked, server.store, told)


def _tell(store: Path, port: int) -> None:
    found = runs.load(store)
    print(f"MLflow's UI: http://{mlflow_ui.HOST}:{port}/")
    for name in dict.fromkeys(run.experiment for run in found):
        of_one = [run for run in found if run.experiment == name]
        print(f"{name}, {len(of_one)} runs: {mlflow_ui.experiment_url(port, of_one[0])}")
        objectives = dict.fromkeys(run.peers for run in of_one if run.best is not None and not run.is_study)
        for peers in objectives:
            best = mlflow_ui.select_for_comparison([run for run in of_one if run.peers == peers])
            by = f" by {peers[1]}" if len(objectives) > 1 else ""
            if len(best) > 1:
                print(f"{name}, the best {len(best)}{by} compared: {mlflow_ui.comparison_url(port, best)}")
    print("Ctrl-C ends it", flush=True)


def _refresh(asked: Namespace, store: Path, told: set[str]) -> None:
    """Into the same store, though outputs may have joined; what fails now may work the next time."""
    asked.store = store
    try:
        output_arguments.merged(asked, told, forget=False)
    except UserError as error:
        if (line := f"not refreshed: {error}") not in told:
            print(line, file=sys.stderr, flush=True)
            told.add(line)
