"""Peers: their environments, their data, their commands."""

import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
from measure import PROJECT, mnist

from trialmaker.data import mnist as data

PEERS = PROJECT / "workspace" / "peers"


def environment(name: str, *packages: str) -> Path:
    """The Python of a peer's own environment, made once, with this one's TensorFlow behind its own packages."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS / name], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        paths = json.loads(
            subprocess.check_output([python, "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"])
        )
        Path(paths["purelib"], "zz_tensorflow.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def arrays(root: Path) -> Path:
    """MNIST in our split, for a peer to read with NumPy."""
    split = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    path = root / "mnist.npz"
    np.savez(
        path,
        images=split.train.images.astype(np.float32) / 255,
        labels=split.train.labels,
        validation_images=split.validation.images.astype(np.float32) / 255,
        validation_labels=split.validation.labels,
    )
    return path


def timed(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, str]:
    """How long a command takes, in seconds, and what it prints."""
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    return time.monotonic() - began, done.stdout
