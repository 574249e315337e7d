"""The config files that a job was given, ``input/config/<group>/<name>.yaml``, checked before Hydra reads them.

They may be somebody else's: they may set what ``received`` allows. A folder of ``--config-dir`` is the person's own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.plugins.config_source import ConfigSource
from omegaconf import OmegaConf

from trialmaker.config import config_files, received, received_defaults, received_files, sweep_files
from trialmaker.config.fields import GROUPS
from trialmaker.errors import UserError
from trialmaker.platform import paths

HEADER_CHARACTERS = 512  # of a file, in which Hydra looks for its package


def folders() -> list[Path]:
    """Return the folder ``input/config``, if there is one, for Hydra's search path.

    Raises:
        UserError: one line for each mistake: a file that Hydra would not read, one outside a group's folder, one with
            the name of TrialMaker's own, one that lacks its ``@package`` line, or one that sets what only whoever runs
            a command may set.
    """
    folder = paths.inputs().get("config")
    if folder is None:
        return []
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of config files, such as config/experiment/mine.yaml")
    files = received_files.yaml_files(folder)
    leaves: list[tuple[str, Any]] = []
    mistakes = [f"{path}: {mistake}" for path in files for mistake in _mistakes(path, path.relative_to(folder), leaves)]
    mistakes = mistakes or [f"{folder}: {mistake}" for mistake in received.expansion_mistakes(leaves)]
    if mistakes:
        raise UserError(*mistakes)
    return [folder]


def search_path(folder: Path) -> str:
    """Return the override that adds a folder to Hydra's search path."""
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{quoted}']"


def _mistakes(path: Path, name: Path, leaves: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with a file; add what it sets to ``leaves``."""
    if path.suffix == ".yml":
        yield "Hydra reads .yaml files only: rename it"
    if len(name.parts) == 1:
        yield "belongs in a folder named for its group, such as experiment/ or model/"
    if (paths.CONF / name).exists() or (paths.SWEEPS.parent / name) in sweep_files.sweep_files():
        yield "TrialMaker has a config file of that name: rename yours"
    if name.parts[0] == "hydra":
        yield f"is of a group of Hydra's: {received.HYDRA_LAW}"
    try:
        text = received_files.read(path)
        content: Any = OmegaConf.to_container(config_files.read(path))
        package = _package(text, name)
    except (UserError, ValueError) as error:
        yield str(error).removeprefix(f"{path}: ")
        return
    if name.parts[0] not in GROUPS and package:
        yield "its first line must be '# @package _global_', so that it may change all groups"
        return
    if package and package != ".".join(name.parts[:-1]):
        yield f"@package {package}: must be _global_, or be left out"
    yield from received_defaults.mistakes(content.pop("defaults", []))
    yield from received.mistakes(content, package)
    leaves += received.leaves(content, package)


def _package(text: str, name: Path) -> str:
    """Return where Hydra puts the values of a file: "" for the top of the config, else the name of a section.

    Hydra's own reader of the header is used, which is private: what it reads is what counts. Seen in hydra-core 1.3.8.
    """
    group = ".".join(name.parts[:-1])
    package = ConfigSource._get_header_dict(text[:HEADER_CHARACTERS])["package"]
    return {None: group, "_group_": group, "_global_": ""}.get(package, package or "")
