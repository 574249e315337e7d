"""The studies in ``sweeps/``, at the top of the project, as the config group ``sweeps``."""

from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from trialmaker.errors import UserError, one_line
from trialmaker.platform import paths

GROUP = "sweeps"


def sweep_files() -> list[Path]:
    """Return the project's sweep files, by name."""
    return sorted(paths.SWEEPS.glob("*.yaml"))


def register() -> None:
    """Make each sweep file a choice of the group for Hydra, whose search path holds ``conf/`` and not this folder.

    Raises:
        UserError: a line for each file that is no YAML file of names and values.
    """
    mistakes = []
    for path in sweep_files():
        try:
            node = OmegaConf.load(path)
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            mistakes.append(f"{path}: cannot be read as YAML: {one_line(error)}")
            continue
        if isinstance(node, DictConfig):
            ConfigStore.instance().store(name=path.stem, node=node, group=GROUP, package="_global_", provider=str(path))
        else:
            mistakes.append(f"{path}: expected names and values, received a {type(node).__name__}")
    if mistakes:
        raise UserError(*mistakes)
