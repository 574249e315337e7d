"""The studies in ``sweeps/``, at the top of the project, as the config group ``sweeps``."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore

from trialmaker.config import config_files
from trialmaker.errors import UserError
from trialmaker.platform import paths

GROUP = "sweeps"
NEUTRAL_FLAGS = ("--help", "-h", "--hydra-help", "--cfg", "-c", "--resolve", "-m", "--multirun", "-r")
NO_DEFAULT = re.compile(r"^\s*- sweeps: null\b", re.MULTILINE)  # in the defaults of conf/config.yaml


def sweep_files() -> list[Path]:
    """Return the project's sweep files, by name."""
    return sorted(paths.SWEEPS.glob("*.yaml"))


def register(argv: Sequence[str], config_directories: Iterable[Path] = ()) -> None:
    """Make each sweep file a choice of the group for Hydra, whose search path holds ``conf/`` and not this folder.

    Hydra copies what is registered again and again, a hundred times for ``--help``; so nothing is, unless it may be
    chosen.

    Args:
        argv: flags and overrides; a file that none of them chooses may be half-written.
        config_directories: those that the command line adds.

    Raises:
        UserError: the chosen file is no YAML file of names and values, or another directory has one of its name.
    """
    if not _may_choose(argv):
        return
    rivals = {path.name: path for folder in config_directories for path in (folder / GROUP).glob("*.yaml")}
    for path in sweep_files():
        is_chosen = f"{GROUP}={path.stem}" in argv
        if is_chosen and path.name in rivals:
            raise UserError(f"{rivals[path.name]}: TrialMaker has a config file of that name: rename yours")
        try:
            _store(path)
        except UserError:
            if is_chosen:
                raise


def _may_choose(argv: Sequence[str]) -> bool:
    """Return whether a word, a file that it chooses, or the project's own config may choose a sweep file."""
    names = {word.lstrip("+").partition("=")[0] for word in argv}
    flags = {name for name in names if name.startswith("-")}
    if names & set(config_files.GLOBAL_GROUPS) or flags - set(NEUTRAL_FLAGS):
        return True
    return not NO_DEFAULT.search((paths.CONF / "config.yaml").read_text(encoding="utf-8"))


def _store(path: Path) -> None:
    node = config_files.read(path)
    ConfigStore.instance().store(name=path.stem, node=node, group=GROUP, package="_global_", provider=str(path))
