"""The git checkout that holds the code."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """The commit of a checkout and its uncommitted changes.

    Args:
        commit: the full hash; "" outside a checkout of the project.
        changes: the lines of ``git status --porcelain``.
    """

    commit: str
    changes: str


def state(project: Path) -> Checkout:
    """Return the commit and the uncommitted changes of a folder with ``train.py``.

    A repository that does not track ``train.py``, such as one around the project's folder, does not count.
    """
    commit = output_of(project, "rev-parse", "HEAD").strip() if output_of(project, "ls-files", "train.py") else ""
    return Checkout(commit, output_of(project, "status", "--porcelain").strip("\n") if commit else "")


def files(project: Path) -> list[str]:
    """Return the files that git tracks, relative to the folder."""
    return output_of(project, "ls-files", "-z", "--cached", "--", ".").split("\0")[:-1]


def untracked(project: Path) -> list[str]:
    """Return the files that git neither tracks nor ignores, relative to the folder; ``name/`` is a folder of such."""
    options = ("--others", "--exclude-standard", "--directory", "--no-empty-directory")
    return output_of(project, "ls-files", "-z", *options, "--", ".").split("\0")[:-1]


def output_of(project: Path, *arguments: str) -> str:
    """Return the standard output of a git command, or "" where it fails, takes over 10 s, or git is not installed.

    The code of the folder is run here, so its repository is trusted too, which in a container is often another
    account's; one that lies around the folder is not. Bytes that are not UTF-8 become surrogates, as in Python's file
    names.
    """
    try:
        process = subprocess.run(
            ["git", "-C", str(project), "-c", f"safe.directory={project.resolve()}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout if process.returncode == 0 else ""
