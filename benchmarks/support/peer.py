"""What benchmarks against a peer need: its environment, its data, its command's duration."""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from support.measure import PROJECT, mnist
from trialmaker.data import mnist as data

PEERS = PROJECT / "workspace" / "peers"


def environment(name: str, *packages: str) -> Path:
    """Return the Python of a peer's own virtual environment, made once.

    This environment's packages, TensorFlow among them, are importable there, after the peer's own.
    """
    python = PEERS / name / "bin" / "python"
    complete = PEERS / name / "complete"  # written last: an installation that broke off is begun again
    if not complete.exists():
        print(f"{name}: its environment is made in {PEERS / name}, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", PEERS / name], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        paths = json.loads(
            subprocess.check_output([python, "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"])
        )
        Path(paths["purelib"], "zz_tensorflow.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        complete.touch()
    return python


class PeerProcess:
    """A process that does a piece of work for each line that it is sent, and answers each with a line.

    Args:
        command: its words.
        variables: of its environment, beside this process's.
    """

    def __init__(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> None:
        pipe, environment = subprocess.PIPE, {**os.environ, **(variables or {})}
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def ask(self, line: str) -> str:
        """Send a line; return the answer. Exit if there is none."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{line}\n")
        return self.process.stdout.readline().strip() or sys.exit(f"{self.process.args!r}: ended")

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def write_arrays(folder: Path) -> Path:
    """Write MNIST in this project's default split as an ``.npz`` for a peer; return its path."""
    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    path = folder / "mnist.npz"
    np.savez(
        path,
        images=dataset.train.images.astype(np.float32) / 255,
        labels=dataset.train.labels,
        validation_images=dataset.validation.images.astype(np.float32) / 255,
        validation_labels=dataset.validation.labels,
    )
    return path


def run_timed(command: list[str], cwd: Path, variables: dict[str, str]) -> tuple[float, str]:
    """Run a command with environment variables; return its seconds and its output. Exit if it fails."""
    start = time.monotonic()
    process = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.returncode:
        sys.exit(process.stdout[-5000:])
    return time.monotonic() - start, process.stdout
