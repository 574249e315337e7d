"""How long ``trialmaker ui`` takes until it shows 50 outputs with 2,000 runs and a million metric points, and again.

python benchmarks/comparison.py [outputs] [runs of each] [points of each run]

The clock runs from the command's start until it prints its last line, when MLflow's server has answered. The baseline,
in the same run, is MLflow's own server on one empty store: most of the second time is its start.
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

from measure import PROJECT

from trialmaker.tracking import sqlite_store

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def main(outputs: int, runs: int, points: int) -> None:
    """Make them, and show them three times."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        make(folder / "jobs", outputs, runs, points)
        print(f"{outputs} outputs, {outputs * runs:,} runs, {outputs * runs * points:,} points")
        make(folder / "empty", 1, 1, 5)
        shown("nothing, for comparison", folder / "empty", folder / "store-of-nothing")
        shown("nothing, again", folder / "empty", folder / "store-of-nothing")
        shown("first", folder / "jobs", folder / "store")
        shown("again", folder / "jobs", folder / "store")
        changed = next((folder / "jobs").iterdir()) / "mlflow.db"
        with closing(sqlite3.connect(changed)) as connection:
            connection.execute(
                "INSERT INTO metrics SELECT key, 0.5, 1, run_uuid, 1000000, 0 FROM latest_metrics LIMIT 1"
            )
            connection.commit()
        shown("again, one output changed", folder / "jobs", folder / "store")


def shown(what: str, places: Path, store: Path) -> None:
    """Run the command until it says that it is ready; its seconds."""
    command = [sys.executable, "-m", "trialmaker", "ui", str(places), "--store", str(store)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=PROJECT, env=os.environ, stdout=subprocess.PIPE, text=True)
    count = ""
    for line in process.stdout or ():
        count = found[0] if (found := re.search(r"\d+ runs", line)) else count
        if line.startswith("Ctrl-C"):
            break
    print(f"{what}: {time.monotonic() - began:.1f} s, {count}", flush=True)
    process.send_signal(signal.SIGINT)
    process.communicate()


def make(folder: Path, outputs: int, runs: int, points: int) -> None:
    """Stores as MLflow would hold them, written in SQL."""
    folder.mkdir()
    sqlite_store.create(folder / "empty.db")
    for output in range(outputs):
        place = folder / f"V{output + 1:04}"
        place.mkdir()
        shutil.copy(folder / "empty.db", place / "mlflow.db")
        with closing(sqlite3.connect(place / "mlflow.db")) as connection:
            for number in range(runs):
                run = f"{output:016x}{number:016x}"
                add(connection, run, place / "mlartifacts", points)
            connection.commit()
    (folder / "empty.db").unlink()


def add(connection: sqlite3.Connection, run: str, artifacts: Path, points: int) -> None:
    """One run."""
    (artifacts / run / "artifacts").mkdir(parents=True)
    connection.execute(
        "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id, "
        "user_id, source_type) VALUES (?, ?, 'FINISHED', 1, 2, 'active', ?, 0, 'me', 'LOCAL')",
        (run, run, f"file:///elsewhere/mlartifacts/{run}/artifacts"),
    )
    rows = [(METRICS[at % 5], run, at // 5, at / points) for at in range(points)]
    insert = "INSERT INTO {} (key, run_uuid, step, value, timestamp, is_nan) VALUES (?, ?, ?, ?, 1, 0)"
    connection.executemany(insert.format("metrics"), rows)
    connection.executemany(insert.format("latest_metrics"), rows[-5:])
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", [(f"p{at}", str(at), run) for at in range(40)])
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(f"t{at}", str(at), run) for at in range(8)])


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [50, 40, 500][len(numbers) :]))
