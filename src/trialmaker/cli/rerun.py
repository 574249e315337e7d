"""``python -m trialmaker rerun``."""

import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from trialmaker.analysis import reproduction
from trialmaker.analysis.store import merging, outputs, runs
from trialmaker.cli import output_arguments
from trialmaker.platform import paths

HELP = "train again exactly what a run was"
DESCRIPTION = """\
Train again what a run was, with its config and seed, into this project's own output. Says before what differs here from
there (versions, code, data), and afterwards whether the metrics came out the same. Exit code 3: they did not.

    python -m trialmaker rerun 1f41cc03
    python -m trialmaker rerun 1f41cc03 V0002 --data workspace/input/data
"""
DIFFERENT = 3


def add_arguments(parser: ArgumentParser) -> None:
    """What may follow the command."""
    parser.add_argument("run", metavar="RUN", help="its id, the first letters of it, or its name")
    output_arguments.add_arguments(parser)
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="where its data lies here (default: where it lay then, or input/data)")
    add("--init-model", type=Path, metavar="PATH", help="what it started from, if that lies elsewhere here")
    add("--dry-run", action="store_true", help="only say what would be run, and what differs")


def run(asked: Namespace) -> int:
    """Run it."""
    store = output_arguments.merged(asked).store
    everything = runs.load(store)
    old = reproduction.find_run(everything, asked.run)
    parent = next((run for run in everything if run.run_id == old.tags.get("mlflow.parentRunId")), None)
    words = reproduction.overrides(old, {"data.directory": asked.data, "init_model": asked.init_model})
    for line in reproduction.environment_differences(old, parent):
        print(f"differs: {line}", flush=True)
    if asked.dry_run:
        print(shlex.join(["python", "train.py", *words]))
        return 0
    new = _train(words)
    return _compare(store, old, new) if isinstance(new, str) else new


def _train(words: list[str]) -> str | int:
    """The new run's id, or the exit code of a training that failed."""
    run_id = ""
    command = [sys.executable, str(paths.PROJECT / "train.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if found := re.match(r"MLflow run: (\w+) in ", line):
                run_id = found[1]
    return process.returncode or run_id


def _compare(store: Path, old: runs.Run, new: str) -> int:
    database = paths.root() / "output" / outputs.STORE_FILE
    own = outputs.Output(database, "own")
    merged = merging.merge([own], output_arguments.default_store([own])).store
    (again,) = [run for run in runs.load(merged) if run.run_id == new]
    digests = runs.data_digests(store).get(old.run_id), runs.data_digests(merged).get(new)
    if None not in digests and digests[0] != digests[1]:
        print(f"differs: data: digest {str(digests[0])[:8]} then, {str(digests[1])[:8]} now")
    names = sorted(old.metrics)
    then = runs.histories(store, [old.run_id], names)[old.run_id]
    same, lines = reproduction.compare_metrics(old, then, runs.histories(merged, [new], names)[new])
    print(f"{old.run_id} then, {again.run_id} now:")
    for line in lines:
        print(f"  {line}")
    return 0 if same else DIFFERENT
