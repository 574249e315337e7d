"""The versions in a folder of published models."""

from pathlib import Path


def version_numbers(directory: Path) -> list[int]:
    """The numbers of the versions that lie there, ascending."""
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal() and path.is_dir())
