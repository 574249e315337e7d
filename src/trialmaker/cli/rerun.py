"""``python -m trialmaker rerun``."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from trialmaker.analysis import reproduction
from trialmaker.analysis.store import merging, outputs, runs
from trialmaker.analysis.training_command import run_training
from trialmaker.cli.command_class import PATH, Command
from trialmaker.cli.output_arguments import PLACES_HELP, OutputSelection, default_store, output_arguments
from trialmaker.errors import printable
from trialmaker.platform import paths
from trialmaker.tracking.settings import STORE_FILE

HELP = f"""\
Train a run again, with its config and seed, and say whether the metrics come out the same; exit code 3: they do not.

Before the training, what differs here from there is printed: versions, code, data. The new run is in this project's own
output; its model is not published.

RUN is the run's id, the first letters of it, or its name. {PLACES_HELP}
"""
EXAMPLES = ("rerun 1f41cc03 --dry-run", "rerun 1f41cc03 V0002 --data workspace/input/data")
DIFFERENT = 3


@click.command("rerun", cls=Command, help=HELP, short_help="train again exactly what a run was", examples=EXAMPLES)
@click.argument("run")
@output_arguments
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="The folder with its data (default: where it lay then, or workspace/input/data).",
)
@click.option(
    "--init-model",
    type=PATH,
    metavar="PATH",
    help="The model that it started from, if that lies elsewhere here.",
)
@click.option("--dry-run", is_flag=True, help="Only print what differs, and what would run.")
def command(
    run: str, places: Sequence[Path], store: Path | None, data: Path | None, init_model: Path | None, dry_run: bool
) -> int:
    """Execute the command; return the exit code."""
    merged = OutputSelection(places, store).merge().store
    everything = runs.load(merged)
    old = reproduction.find_run(everything, run)
    parent = next((one for one in everything if one.run_id == old.tags.get("mlflow.parentRunId")), None)
    words = reproduction.overrides(old, {"data.directory": data, "init_model": init_model})
    words.append("tracking.uri=null")  # whatever the environment says: the records are compared in this output's store
    for line in reproduction.environment_differences(old, parent):
        print(printable(f"differs: {line}"), flush=True)
    if dry_run:
        print(printable(shlex.join([*paths.train_command().split(), *words])))
        return 0
    withheld = "a rerun publishes nothing"
    code, result = run_training(words, lambda line: print(line, end="", flush=True), withheld=withheld)
    if code:
        return code
    if result is None or not result.mlflow_run_id:
        raise RuntimeError("the training left no result.json with the id of its MLflow run")
    return _compare(merged, old, result.mlflow_run_id)


def _compare(store: Path, old: runs.Run, new: str) -> int:
    """Print how the new run's metrics differ from the old one's; return the exit code."""
    own = outputs.Output(paths.root() / "output" / STORE_FILE, "own")
    merged = merging.merge([own], default_store([own])).store
    digests = runs.data_digests(store).get(old.run_id), runs.data_digests(merged).get(new)
    if None not in digests and digests[0] != digests[1]:
        print(f"differs: data: digest {str(digests[0])[:8]} then, {str(digests[1])[:8]} now")
    names = sorted(old.metrics)
    then = runs.histories(store, [old.run_id], names)[old.run_id]
    same, lines = reproduction.compare_metrics(old, then, runs.histories(merged, [new], names)[new])
    print(f"{old.run_id} then, {new} now:")
    for line in lines:
        print(printable(f"  {line}"))
    return 0 if same else DIFFERENT
