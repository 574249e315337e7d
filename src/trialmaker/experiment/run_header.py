"""The opening lines of a job's log: what runs, on what, with what."""

import os
import platform as machine
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from trialmaker.config import environment
from trialmaker.platform import git, paths
from trialmaker.platform.memory import memory_limit
from trialmaker.platform.redaction import without_password

USED_INPUTS = ("config", "data", "init_model")


def lines(config: Mapping[str, Any], command: str) -> Iterator[str]:
    """Yield the lines. None looks like a metric to the platform's expressions, and none holds a password.

    Args:
        config: nested, by group.
        command: repeats the run.
    """
    yield f"TrialMaker {version()}, Python {machine.python_version()}"
    cores = len(os.sched_getaffinity(0))
    yield f"machine: {machine.system()} {machine.machine()}, {cores} cores, {memory_limit() / 2**30:.1f} GB of memory"
    yield f"root: {paths.root()}; " + ("; ".join(map(_input, paths.inputs().values())) or "no inputs")
    yield f"to repeat this run: {without_password(command)}"
    if settings := ", ".join(environment.settings(config)):
        yield without_password(f"from the environment: {settings}; an explicit value would win")
    groups = {name: values for name, values in config.items() if isinstance(values, dict)}
    for group, fields in {**groups, "run": {name: config[name] for name in config if name not in groups}}.items():
        yield without_password(f"{group}: " + " ".join(f"{name}={_text(value)}" for name, value in fields.items()))


@lru_cache
def version() -> str:
    """Return the project's version, with its commit where it is known."""
    project = tomllib.loads((paths.PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['version']}{_commit()}"


def _commit() -> str:
    checkout = git.state(paths.PROJECT)
    if not checkout.commit:
        return ""
    return f", commit {checkout.commit[:10]}" + (" with uncommitted changes" if checkout.changes else "")


def _input(path: Path) -> str:
    try:
        entries = f"{sum(1 for _ in path.iterdir()) if path.is_dir() else 1} entries"
    except OSError as error:
        entries = str(error.strerror)
    return f"input/{path.name}: {entries}" + ("" if path.name in USED_INPUTS else ", not used")


def _text(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)
