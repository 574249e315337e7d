"""The directories of an emulated platform: a copy of the code, of the data and of the other inputs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from trialmaker import checkout
from trialmaker.errors import UserError

FIRST_PORT = 10100


class Failed(Exception):
    """The platform could not prepare the job; the message says why."""


def copy_code(code: Path, target: Path) -> list[str]:
    """Copy the files that git tracks, as they are now.

    Returns:
        files that are left out because git neither tracks nor ignores them.

    Raises:
        UserError: the folder is no git checkout, or has no ``train.py``.
    """
    tracked = checkout.git(code, "ls-files", "-z", "--cached", "--", ".").split("\0")[:-1]
    if not tracked:
        raise UserError(f"{code}: expected a git checkout, since the job gets the files that git tracks; try git add")
    if "train.py" not in tracked:
        raise UserError(f"{code}: git tracks no train.py there, the boot file of a job")
    for name in tracked:
        if (code / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(code / name, target / name)
    return checkout.git(code, "ls-files", "-z", "--others", "--exclude-standard", "--", ".").split("\0")[:-1]


def copy_inputs(inputs: Mapping[str, Path], root: Path) -> None:
    """Copy each folder to ``input/<name>/``, a single file into it; make the other directories of a job."""
    for name, source in inputs.items():
        target = root / "input" / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.mkdir(parents=True)
            shutil.copy2(source, target)
    for name in ("input/data", "config", "output"):
        (root / name).mkdir(parents=True, exist_ok=True)


def write_instances(roots: list[Path]) -> None:
    """``config/resource.json``, the same for all. The platform does not document its form."""
    addresses = [{"ip": "127.0.0.1", "port": FIRST_PORT + number} for number in range(len(roots))]
    for root in roots:
        (root / "config" / "resource.json").write_text(json.dumps({"instances": addresses}, indent=2) + "\n")


def install(requirements: Path, target: Path) -> Path:
    """Make a virtual environment and install into it.

    Returns:
        its Python.

    Raises:
        Failed: pip did.
    """
    subprocess.run([sys.executable, "-m", "venv", target], check=True)
    python = target / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", str(requirements)]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed(f"pip could not install {requirements.name}:\n{done.stdout.rstrip()}")
    return python


def environment(root: Path) -> dict[str, str]:
    """What a process of the job has in its environment: none of the person's own."""
    return {"PATH": os.defpath, "HOME": str(root), "LANG": "C.UTF-8", "AI_ROOT": str(root)}
