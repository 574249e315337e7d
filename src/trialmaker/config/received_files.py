"""The files of a folder that somebody else made: what is read of them, and whether they are small, plain YAML."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from trialmaker.errors import UserError, one_line
from trialmaker.platform.regular_files import open_regular

MAX_FILE_BYTES = 65536  # of a file
MAX_FOLDER_BYTES = 1 << 20  # of all YAML files together
MAX_ENTRIES = 2000  # files and folders in the folder
MAX_NODES = 10_000  # of a file, aliases counted as what they stand for
MAX_LEVELS = 20
SUFFIXES = (".yaml", ".yml")


def yaml_files(folder: Path) -> list[Path]:
    """Return the YAML files at any depth of a folder.

    Raises:
        UserError: a link leads out of the folder or to a folder, or there is too much in it.
    """
    files, entries, size = [], 0, 0
    for place, folders, names in os.walk(folder):
        entries += len(folders) + len(names)
        if entries > MAX_ENTRIES:
            raise UserError(f"{folder}: must have at most {MAX_ENTRIES} files and folders: it is for config files")
        for path in (Path(place, name) for name in sorted([*folders, *names])):
            if path.is_symlink() and (path.is_dir() or not path.resolve().is_relative_to(folder.resolve())):
                raise UserError(f"{path}: is a link to a folder, or out of {folder}; copy what it leads to")
            if path.name.endswith(SUFFIXES):
                files.append(path)
                size += path.lstat().st_size
    if size > MAX_FOLDER_BYTES:
        raise UserError(
            f"{folder}: its config files must have at most {MAX_FOLDER_BYTES} bytes in all, but have {size}"
        )
    return sorted(files)


def read(path: Path) -> str:
    """Return the text of a YAML file, once it is known to be small.

    Raises:
        UserError: without the path: it cannot be read, or holds more than plain names and values.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise UserError(f"must have at most {MAX_FILE_BYTES} bytes")
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")  # as whoever opens a text file
        _check(yaml.parse(text, Loader=yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"cannot be read as YAML: {one_line(error)}") from error
    return text


def _check(events: Iterator[yaml.Event]) -> None:
    """Check that a file is small once its aliases are expanded, flat, and without tags.

    Raises:
        UserError: it is not.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and the number of nodes before it
    count = 0
    for event in events:
        if getattr(event, "tag", None) not in (None, "!"):
            raise UserError(f"line {event.start_mark.line + 1}: must have no tag ({event.tag})")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise UserError(f"line {event.start_mark.line + 1}: *{event.anchor} must stand for what is before it")
            count += sizes[event.anchor]
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, count))
            elif event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before + 1
        if count > MAX_NODES or len(open_nodes) > MAX_LEVELS:
            raise UserError(f"must have at most {MAX_NODES} values, and {MAX_LEVELS} levels of them")
