"""A user's own config files, ``input/config/<group>/<name>.yaml``, checked before Hydra reads them."""

from collections.abc import Iterator
from pathlib import Path

from trialmaker.config import config_files, sweep_files
from trialmaker.errors import UserError
from trialmaker.platform import paths


def folders() -> list[Path]:
    """Return the folder ``input/config``, if there is one, for Hydra's search path.

    Raises:
        UserError: one line for each mistake: a file that Hydra would not read, one outside a group's folder, one with
            the name of TrialMaker's own, or one that lacks its ``@package`` line.
    """
    folder = paths.inputs().get("config")
    if folder is None:
        return []
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder of config files, such as config/experiment/mine.yaml")
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml"))
    mistakes = [f"{path}: {mistake}" for path in files for mistake in _mistakes(path, path.relative_to(folder))]
    if mistakes:
        raise UserError(*mistakes)
    return [folder]


def search_path(folder: Path) -> str:
    """Return the override that adds a folder to Hydra's search path."""
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{quoted}']"


def _mistakes(path: Path, name: Path) -> Iterator[str]:
    if path.suffix == ".yml":
        yield "Hydra reads .yaml files only: rename it"
    if len(name.parts) == 1:
        yield "belongs in a folder named for its group, such as experiment/ or model/"
    if (paths.CONF / name).exists() or (paths.SWEEPS.parent / name) in sweep_files.sweep_files():
        yield "TrialMaker has a config file of that name: rename yours"
    try:
        config_files.read(path)
    except UserError as error:
        yield str(error).removeprefix(f"{path}: ")
        return
    if name.parts[0] in config_files.GLOBAL_GROUPS and "@package _global_" not in path.read_text(encoding="utf-8"):
        yield "its first line must be '# @package _global_', so that it may change all groups"
