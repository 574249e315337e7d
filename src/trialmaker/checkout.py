"""The git checkout that the code lies in, if it lies in one."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """``commit``: its hash, "" outside of git; ``changes``: what ``git status`` says differs from it."""

    commit: str
    changes: str


def state(project: Path) -> Checkout:
    """The commit, and the files that differ from it."""
    commit = git(project, "rev-parse", "HEAD").strip()
    return Checkout(commit, git(project, "status", "--porcelain").strip("\n") if commit else "")


def git(project: Path, *arguments: str) -> str:
    """What a git command prints; "" where it fails, or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
