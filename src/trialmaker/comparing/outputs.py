"""Where outputs lie: folders that hold an MLflow store."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.errors import UserError

STORE = "mlflow.db"
MOST_LEVELS = 4  # below a folder that is named
NOT_ENTERED = {"mlartifacts", "mlruns", "model", "logs", "tensorboard", "checkpoints", "studies", "node_modules"}
FILE_STORE = (
    "an MLflow file store: mlflow migrate-filestore --source {0} --target sqlite:///{1} makes one that can be read"
)


@dataclass(frozen=True)
class Output:
    """A store.

    Args:
        database: SQLite's file.
        label: tells it from the others, for people.
    """

    database: Path
    label: str

    @property
    def directory(self) -> Path:
        """In which the store and its artifacts lie."""
        return self.database.parent


@dataclass(frozen=True)
class Skipped:
    """What is named, or found, and can't be shown. ``reason``: why, and the way on."""

    place: Path
    reason: str

    def __str__(self) -> str:
        return f"skipped {self.place}: {self.reason}"


def find(places: Sequence[Path]) -> tuple[list[Output], list[Skipped]]:
    """The stores in folders, or in folders below them, each once, and the folders that hold none.

    Args:
        places: outputs, folders that contain some, or SQLite files.

    Raises:
        UserError: there is no such place, one line for each.
    """
    if missing := [place for place in places if not place.exists()]:
        raise UserError(*(f"{place}: there is no such directory" for place in missing))
    databases: dict[Path, None] = {}
    skipped = []
    for place in places:
        found = [place] if place.is_file() else list(_below(place.absolute(), MOST_LEVELS))
        databases |= dict.fromkeys(path.resolve() for path in found if path.is_file())
        skipped += [Skipped(path, _file_store(path)) for path in found if path.is_dir()]
        if not found:
            skipped.append(Skipped(place, f"holds no {STORE}, so no job's output"))
    return [Output(path, label) for path, label in zip(databases, _labels(list(databases)), strict=True)], skipped


def _below(folder: Path, levels: int) -> Iterator[Path]:
    """Stores, and the old kind of store, which is a folder."""
    if (folder / STORE).is_file():
        yield folder / STORE
    elif any((folder / "mlruns").glob("*/meta.yaml")):
        yield folder / "mlruns"
    elif levels:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name not in NOT_ENTERED)
        for name in names:
            if not name.startswith("."):
                yield from _below(folder / name, levels - 1)


def _file_store(folder: Path) -> str:
    return FILE_STORE.format(folder, folder.parent / STORE)


def _labels(databases: Sequence[Path]) -> list[str]:
    """The shortest ends of their folders' paths that tell them apart."""
    parts = [path.parent.parts for path in databases]
    if len(parts) == 1:
        return ["/".join([part for part in parts[0] if part != "output"][-1:])]
    shared = len(Path(os.path.commonpath([path.parent for path in databases])).parts)
    labels = ["/".join(part[shared:]) or part[-1] for part in parts]
    shorter = [label.removesuffix("/output") for label in labels]
    return shorter if len(set(shorter)) == len(labels) else labels
