"""Artifact addresses that were recorded on another machine, mapped to where the files lie now.

The names and address schemes are those of MLflow 3.17.
"""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACT_FOLDERS = ("mlartifacts", "mlruns")  # MLflow's names for the folder of artifacts beside its store
# Addresses of models and of runs' folders by their ids, which MLflow looks up in the same store.
STORE_ALIAS = re.compile(r"models:/m-[0-9a-f]{1,64}|runs:/[0-9a-f]{32}(/[A-Za-z0-9_-]+)*")


@lru_cache(maxsize=1 << 16)  # a merge asks for each address ten times
def local_path(address: str | None) -> Path | None:
    """Return the path of an address on this machine; None for an address on the network, an invalid or an empty one."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    if not address or parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else address)


def artifacts_exist(address: str | None) -> bool:
    """Return whether there is a file or folder at an address; an address on the network is assumed to exist."""
    path = local_path(address)
    return _exists(path) if path else bool(address)


class Relocation:
    """A map from the artifact addresses in a store to the addresses of the same files beside the store now.

    MLflow records absolute addresses (https://github.com/mlflow/mlflow/issues/3144). The name of the store's folder at
    that time is not recorded, so an address is matched by its end.

    Args:
        directory: the folder that holds the store.
        nowhere: the address for what lies elsewhere, which nobody who received the output looks into.
    """

    def __init__(self, directory: Path, nowhere: str) -> None:
        self.directory, self.nowhere = directory, nowhere
        self.prefixes: dict[tuple[str, ...], Path] = {}  # the beginning of an address → the folder that replaces it

    def __call__(self, address: str | None) -> str | None:
        """Return the address now, in the store's folder; ``nowhere`` for one on the network or that matches nothing."""
        if address is None or STORE_ALIAS.fullmatch(address):
            return address
        parts = _parts(address)
        if not parts or ".." in parts:
            return self.nowhere
        for prefix, folder in self.prefixes.items():
            if parts[: len(prefix)] == prefix:
                return folder.joinpath(*parts[len(prefix) :]).as_uri()
        start = self._matching_end(parts)
        if start is None:
            return self.nowhere
        self.prefixes[parts[: start + 1]] = self.directory / parts[start]
        return self.directory.joinpath(*parts[start:]).as_uri()

    def _matching_end(self, parts: tuple[str, ...]) -> int | None:
        """Return the index in ``parts`` at which the longest end begins that exists in the store's folder.

        No end exists for a run that left no files; then the folder of artifacts beside the store decides, or its name
        where none of the store's runs left any.
        """
        for start in range(parts[0] == "/", len(parts)):
            is_specific = len(parts) - start > 1 or parts[start] in ARTIFACT_FOLDERS
            if is_specific and _exists(self.directory.joinpath(*parts[start:])):
                return start
        if _exists(Path(*parts)):
            return None
        places = [at for at, part in enumerate(parts) if part in ARTIFACT_FOLDERS]
        existing = [at for at in places if (self.directory / parts[at]).is_dir()]
        return next(reversed(existing or places), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name with a NUL, or one that is too long
        return False


def _parts(address: str) -> tuple[str, ...]:
    """Return the parts of a path, of a ``file:`` address or of a server's ``mlflow-artifacts:``; none of any other."""
    try:
        scheme, path = urlsplit(address).scheme, urlsplit(address).path
    except ValueError:
        return ()
    if scheme == "mlflow-artifacts":
        return ("/", ARTIFACT_FOLDERS[0], *Path(unquote(path)).parts[1:])
    if scheme == "file":
        return Path(unquote(path)).parts
    return Path(address).parts if not scheme else ()
