"""The opening lines of a job's log: what runs, on what, with what."""

import logging
import os
import platform as machine
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from trialmaker.config import environment
from trialmaker.config.differences import Difference
from trialmaker.errors import printable
from trialmaker.platform import git, paths
from trialmaker.platform.console import FILE_LOGGER
from trialmaker.platform.memory import memory_limit
from trialmaker.platform.redaction import without_password

USED_INPUTS = ("config", "data", "init_model", "resume")
log = logging.getLogger(__name__)
COLUMN_WIDTH = 38  # two columns with what parts them are 80 wide


def log_lines(config: Mapping[str, Any], command: str, changes: Sequence[Difference]) -> None:
    """Log the opening lines of a run, and to the log file the whole config too; see ``lines``."""
    for line in lines(config, f"repeat this run: {command}", changes):
        log.info(line)
    for line in config_lines(config):
        logging.getLogger(FILE_LOGGER).info(line)


def lines(config: Mapping[str, Any], command: str, changes: Sequence[Difference]) -> Iterator[str]:
    """Yield the lines. None looks like a metric to the platform's expressions, and none holds a password.

    Args:
        config: nested, by group.
        command: what it does, a colon, and what to type.
        changes: what the config has that its defaults have not.
    """
    count = len(os.sched_getaffinity(0))
    cores = "1 core" if count == 1 else f"{count} cores"
    yield f"TrialMaker {version()}, Python {machine.python_version()}"
    yield f"machine: {machine.system()} {machine.machine()}, {cores}, {memory_limit() / 2**30:.1f} GB of memory"
    yield f"root: {paths.root()}; " + ("; ".join(map(_input, paths.inputs().values())) or "no inputs")
    yield f"to {without_password(command)}"
    if settings := ", ".join(environment.settings(config)):
        yield without_password(f"from the environment: {settings}; an explicit value would win")
    yield "what differs from the defaults:" if changes else "nothing differs from the defaults"
    yield from in_columns([without_password(str(one)) for one in changes])


def config_lines(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the whole config, a line a group, without passwords.

    Args:
        config: nested, by group.
    """
    groups = {name: values for name, values in config.items() if isinstance(values, dict) and name != "tags"}
    for group, fields in {**groups, "run": {name: config[name] for name in config if name not in groups}}.items():
        yield without_password(f"{group}: " + " ".join(f"{name}={_text(value)}" for name, value in fields.items()))


def in_columns(texts: Sequence[str]) -> Iterator[str]:
    """Yield lines of two texts each, in columns of equal width, at most 80 columns wide; a longer text has its own."""
    waiting: list[str] = []
    for text in map(printable, texts):
        if cell_len(text) > COLUMN_WIDTH:
            yield from (*_row(waiting), f"  {text}")
            waiting = []
        elif waiting:
            yield from _row([*waiting, text])
            waiting = []
        else:
            waiting = [text]
    yield from _row(waiting)


def _row(texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield "  " + "  ".join(set_cell_size(text, COLUMN_WIDTH) for text in texts).rstrip()


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
