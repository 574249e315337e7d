"""Where artifacts lie now that were written elsewhere."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOTS = ("mlartifacts", "mlruns")  # MLflow's names for the folder beside its store


def local_path(address: str | None) -> Path | None:
    """The path of an address on this machine; None for one on the network, or none at all."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    if not address or parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else address)


class Relocation:
    """From the address that a store holds to the address of the same files beside the store, where it lies now.

    MLflow writes absolute addresses (https://github.com/mlflow/mlflow/issues/3144). What the copied folder was called
    there is not recorded, so the address's own end is looked for here.

    Args:
        directory: that holds the store.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[tuple[str, ...], Path] = {}  # the beginning of an address, and what it is now

    def __call__(self, address: str | None) -> str | None:
        """The address now; unchanged for one elsewhere on the network, or of which nothing is found here."""
        parts = _parts(address or "")
        if not parts or ".." in parts:
            return address
        for beginning, now in self.known.items():
            if parts[: len(beginning)] == beginning:
                return now.joinpath(*parts[len(beginning) :]).as_uri()
        at = self._cut(parts)
        if at is None:
            return address
        self.known[parts[: at + 1]] = self.directory / parts[at]
        return self.directory.joinpath(*parts[at:]).as_uri()

    def _cut(self, parts: tuple[str, ...]) -> int | None:
        """Where in an address the part begins that exists here: the longest that does. Of a run that left no files
        none does; then the folder beside the store decides."""
        for at in range(parts[0] == "/", len(parts)):
            telling = len(parts) - at > 1 or parts[at] in ROOTS
            if telling and self.directory.joinpath(*parts[at:]).exists():
                return at
        if Path(*parts).exists():
            return None
        named = [at for at, part in enumerate(parts) if part in ROOTS and (self.directory / part).is_dir()]
        return named[-1] if named else None


def _parts(address: str) -> tuple[str, ...]:
    """Of a path, a ``file:`` address or one that a server resolves (``mlflow-artifacts:``); none for any other."""
    try:
        scheme, rest = urlsplit(address).scheme, urlsplit(address).path
    except ValueError:
        return ()
    if scheme == "mlflow-artifacts":
        return ("/", ROOTS[0], *Path(unquote(rest)).parts[1:])
    if scheme == "file":
        return Path(unquote(rest)).parts
    return Path(address).parts if not scheme else ()
