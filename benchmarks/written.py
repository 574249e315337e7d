"""Megabytes that a run and a study's trials leave in the output, by kind of file, and those that went to the disk.

python benchmarks/written.py [--trials N]

Sizes do not depend on the machine's load: each command runs once. What went to the disk counts everything that its
processes wrote to files (``write_bytes`` of Linux), what was deleted or overwritten later included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from support.measure import PROJECT, mnist
from support.table import Row, record

MEGABYTE = 1e6
PLOTTED = 15  # trials of a study that has its page of plots, which holds plotly: 4.9 MB once
LOGGED = "model, MLflow's copy"
FILE_KINDS = {  # the first part of a path that fits decides
    "model/": "model",
    "checkpoints/": "checkpoints",
    "tensorboard/": "event files",
    "mlflow.db": "mlflow.db",
    "studies/": "study",
    "logs/": "logs",
    "index.html": "result page",
}


def kind(path: str) -> str:
    """Return the kind of a file by its path in the output."""
    if path.startswith("mlartifacts/"):
        return LOGGED if "/models/" in path else "figures and files of MLflow's runs"
    return next((name for start, name in FILE_KINDS.items() if path.startswith(start)), "rest")


def sizes(output: Path) -> Counter[str]:
    """Return the bytes of an output's files by kind; a file with several links counts once."""
    bytes_of: Counter[str] = Counter()
    seen = set()
    for path in sorted(output.rglob("*")):
        status = path.lstat()
        if path.is_file() and not path.is_symlink() and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            bytes_of[kind(path.relative_to(output).as_posix())] += status.st_size
    return bytes_of


def run(overrides: list[str]) -> tuple[Counter[str], int]:
    """Run the command; return the bytes of its output by kind, and those that its processes wrote."""
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "train.py", f"data.directory={mnist()}", *overrides]
        watch = f"import subprocess, sys; code = subprocess.call({command!r}); "
        watch += "print(*[line.split()[1] for line in open('/proc/self/io') if line.startswith('write_bytes')]); "
        watch += "sys.exit(code)"  # a process' count includes that of the children that it has waited for
        process = subprocess.run(
            [sys.executable, "-c", watch], cwd=PROJECT, env=os.environ | {"AI_ROOT": root}, stdout=subprocess.PIPE,
            text=True, check=True,
        )  # fmt: skip
        return sizes(Path(root, "output")), int(process.stdout.split()[-1])


def report(title: str, bytes_of: Counter[str], written: int, count: int) -> list[Row]:
    """Print the megabytes by kind, divided by the number of runs; return rows of their sum and of what was written."""
    sums = {"left in the output": sum(bytes_of.values()) / count / MEGABYTE, "written": written / count / MEGABYTE}
    print(f"{title}: {', '.join(f'{size:.2f} MB {what}' for what, size in sums.items())}")
    for name, size in bytes_of.most_common():
        print(f"    {name:<36} {size / count / MEGABYTE:7.3f} MB", flush=True)
    return [Row(f"{title}: {what}", "MB", [size]) for what, size in sums.items()]


def main(trials: int) -> None:
    """Measure a run of each model, and a study less what its first trial and its end leave."""
    rows = []
    for model in ("mlp", "cnn"):
        rows += report(f"run of model={model}, 2 epochs", *run([f"model={model}", "training.epochs=2"]), 1)
    study = ["sweeps=mlp", "training.max_examples=2000", "training.epochs=2"]
    few, many = (run([*study, f"hydra.sweeper.n_trials={count}"]) for count in (PLOTTED, PLOTTED + trials))
    growth = many[0].copy()
    growth.subtract(few[0])
    title = f"study, each of {trials} more trials than {PLOTTED}"
    record("written", [*rows, *report(title, growth, many[1] - few[1], trials)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--trials", type=int, default=20, help=f"beyond {PLOTTED}, whose sizes are divided; default: 20"
    )
    main(parser.parse_args().trials)
