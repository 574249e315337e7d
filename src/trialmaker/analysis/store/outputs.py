"""Where outputs lie: folders that hold an MLflow store."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.errors import UserError

STORE_FILE = "mlflow.db"
MARKER_FILE = ".comparison"  # a file beside a merged store, which is no output
MOST_LEVELS = 6  # below a folder that is named
NOT_ENTERED = {"mlartifacts", "mlruns", "node_modules"}
FILE_STORE = "an MLflow file store: to make one of it: mlflow migrate-filestore --source {0} --target sqlite:///{1}"


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
class SkippedOutput:
    """What is named, or found, and can't be shown. ``reason``: why, and the way on."""

    place: Path
    reason: str

    def __str__(self) -> str:
        return f"skipped {self.place}: {self.reason}"


def find(places: Sequence[Path]) -> tuple[list[Output], list[SkippedOutput]]:
    """The stores in folders, or in folders below them, each once, and the folders that hold none.

    Args:
        places: outputs, folders that contain some, or SQLite files.

    Raises:
        UserError: there is no such place, one line for each.
    """
    if missing := [place for place in places if not os.path.lexists(place)]:
        raise UserError(*(f"{place}: there is no such directory" for place in missing))
    databases: dict[Path, None] = {}
    skipped = []
    for place in places:
        found = list(_below(place.absolute(), MOST_LEVELS)) if not place.is_file() else [place]
        databases |= dict.fromkeys(path.resolve() for path in found if isinstance(path, Path))
        skipped += [one for one in found if isinstance(one, SkippedOutput)]
        if not found:
            skipped.append(SkippedOutput(place, f"holds no {STORE_FILE}, so no job's output"))
    return [Output(path, label) for path, label in zip(databases, _labels(list(databases)), strict=True)], skipped


def _below(folder: Path, levels: int) -> Iterator[Path | SkippedOutput]:
    """Stores, the old kind of store, and folders that can't be entered; those that vanish meanwhile are none."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
        if STORE_FILE in names:
            yield from [] if MARKER_FILE in names else [folder / STORE_FILE]
        elif "mlruns" in names and any((folder / "mlruns").glob("*/meta.yaml")):
            yield SkippedOutput(folder / "mlruns", FILE_STORE.format(folder / "mlruns", folder / STORE_FILE))
        elif levels:
            for name in sorted(name for name, is_folder in names.items() if is_folder and name not in NOT_ENTERED):
                if not name.startswith("."):
                    yield from _below(folder / name, levels - 1)
    except FileNotFoundError:
        return
    except OSError as error:
        yield SkippedOutput(folder, f"cannot be looked into: {error.strerror}")


def _labels(databases: Sequence[Path]) -> list[str]:
    """The shortest ends of their folders' paths that tell them apart."""
    if not databases:
        return []
    folders = [path.parent for path in databases]
    shared = len(Path(os.path.commonpath(folders)).parts) if len(set(folders)) > 1 else 0
    labels = ["/".join(folder.parts[shared:] if shared else folder.parts[-2:]) or folder.name for folder in folders]
    shorter = [label.removesuffix("/output") for label in labels]
    labels = shorter if len(set(shorter)) == len(set(labels)) else labels
    if not shared:
        labels = [label.rpartition("/")[2] for label in labels]
    repeated = {label for label, count in Counter(labels).items() if count > 1}
    return [
        f"{label}/{path.name}" if label in repeated else label for label, path in zip(labels, databases, strict=True)
    ]
