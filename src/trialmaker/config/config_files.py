"""The files of config groups: where a choice's file lies, and what it holds."""

import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from trialmaker.errors import UserError, one_line
from trialmaker.platform import paths
from trialmaker.platform.regular_files import read_text

GLOBAL_GROUPS = ("experiment", "debug", "sweeps")  # groups whose files change more than their own group


def find(group: str, choice: str, directories: Iterable[Path] = ()) -> Path | None:
    """Return the file of a config group's choice; None where there is none.

    Args:
        group: such as ``model``.
        choice: such as ``cnn``.
        directories: config directories that a command line adds to ``conf/``, ``sweeps/`` and ``input/config/``.
    """
    if not all(re.fullmatch(r"[\w-]+", name) for name in (group, choice)):
        return None
    own = paths.inputs().get("config")
    folders = [paths.CONF, paths.SWEEPS.parent, *directories, *([own] if own else [])]
    files = (folder / group / f"{choice}.yaml" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def read(path: Path) -> DictConfig:
    """Return the names and values in a file, interpolations unresolved.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        content = OmegaConf.load(StringIO(read_text(path)))
    except (OSError, ValueError, RecursionError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: cannot be read as YAML: {one_line(error)}") from error
    if not isinstance(content, DictConfig):
        raise UserError(f"{path}: expected names and values, received a {type(content).__name__}")
    return content
