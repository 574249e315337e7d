"""Seconds until ``trialmaker ui`` shows 50 outputs with 2,000 runs and a million points, the first time and again.

python benchmarks/comparison.py [--outputs 50] [--runs 40] [--points 500]   (runs of each, points of each run)

The clock runs from the command's start until it prints its last line, when MLflow's server has answered. The baseline,
in the same run, is the same command on one output with one small run: most of the second time is MLflow's start.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from support.measure import PROJECT
from support.options import options
from trialmaker.tracking import sqlite_store

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def main(outputs: int, runs: int, points: int) -> None:
    """Make outputs, and show them three times, the last time with a change in one of them."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        make_outputs(folder / "jobs", outputs, runs, points)
        print(f"{outputs} outputs, {outputs * runs:,} runs, {outputs * runs * points:,} points")
        make_outputs(folder / "empty", 1, 1, 5)
        time_ui("nothing, for comparison", folder / "empty", folder / "store-of-nothing")
        time_ui("nothing, again", folder / "empty", folder / "store-of-nothing")
        time_ui("first", folder / "jobs", folder / "store")
        time_ui("again", folder / "jobs", folder / "store")
        database = next((folder / "jobs").iterdir()) / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(
                "INSERT INTO metrics SELECT key, 0.5, 1, run_uuid, 1000000, 0 FROM latest_metrics LIMIT 1"
            )
            connection.commit()
        time_ui("again, one output changed", folder / "jobs", folder / "store")


def time_ui(title: str, outputs: Path, store: Path) -> None:
    """Run the command until it says that it is ready; print its seconds."""
    command = [sys.executable, "-m", "trialmaker", "ui", str(outputs), "--store", str(store)]
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=PROJECT, env=os.environ, stdout=subprocess.PIPE, text=True)
    count = ""
    for line in process.stdout or ():
        count = match[0] if (match := re.search(r"\d+ runs", line)) else count
        if line.startswith("Ctrl-C"):
            break
    print(f"{title}: {time.monotonic() - start:.1f} s, {count}", flush=True)
    process.send_signal(signal.SIGINT)
    process.communicate()


def make_outputs(folder: Path, outputs: int, runs: int, points: int) -> None:
    """Make output directories with stores as MLflow would write them, in SQL."""
    folder.mkdir()
    sqlite_store.create(folder / "empty.db")
    for output in range(outputs):
        directory = folder / f"V{output + 1:04}"
        directory.mkdir()
        shutil.copy(folder / "empty.db", directory / "mlflow.db")
        with closing(sqlite3.connect(directory / "mlflow.db")) as connection:
            for number in range(runs):
                insert_run(connection, f"{output:016x}{number:016x}", directory / "mlartifacts", points)
            connection.commit()
    (folder / "empty.db").unlink()


def insert_run(connection: sqlite3.Connection, run: str, artifacts: Path, points: int) -> None:
    """Insert one run with metrics, parameters and tags."""
    (artifacts / run / "artifacts").mkdir(parents=True)
    connection.execute(
        "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id, "
        "user_id, source_type) VALUES (?, ?, 'FINISHED', 1, 2, 'active', ?, 0, 'me', 'LOCAL')",
        (run, run, f"file:///elsewhere/mlartifacts/{run}/artifacts"),
    )
    rows = [(METRICS[index % 5], run, index // 5, index / points) for index in range(points)]
    insert = "INSERT INTO {} (key, run_uuid, step, value, timestamp, is_nan) VALUES (?, ?, ?, ?, 1, 0)"
    connection.executemany(insert.format("metrics"), rows)
    connection.executemany(insert.format("latest_metrics"), rows[-5:])
    params = [(f"p{index}", str(index), run) for index in range(40)]
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", params)
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(f"t{index}", str(index), run) for index in range(8)])


if __name__ == "__main__":
    args = options(__doc__, outputs=50, runs=40, points=500)
    main(args.outputs, args.runs, args.points)
