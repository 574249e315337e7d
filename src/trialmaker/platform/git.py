"""The git checkout that holds the code."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """``commit``: its hash, "" outside of git; ``changes``: what ``git status`` says differs from it."""

    commit: str
    changes: str


def state(project: Path) -> Checkout:
    """The commit, and the files that differ from it. A repository that only happens to lie around is none of ours."""
    commit = output_of(project, "rev-parse", "HEAD").strip() if output_of(project, "ls-files", "train.py") else ""
    return Checkout(commit, output_of(project, "status", "--porcelain").strip("\n") if commit else "")


def files(project: Path) -> list[str]:
    """Those that git tracks, relative to the folder."""
    return output_of(project, "ls-files", "-z", "--cached", "--", ".").split("\0")[:-1]


def untracked(project: Path) -> list[str]:
    """Those that git neither tracks nor ignores."""
    return output_of(project, "ls-files", "-z", "--others", "--exclude-standard", "--", ".").split("\0")[:-1]


def output_of(project: Path, *arguments: str) -> str:
    """What a git command prints, file names as Python has them; "" where it fails, or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
