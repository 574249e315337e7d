"""Search for outputs: folders that hold an MLflow store."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.platform import paths
from trialmaker.platform.received_files import is_inside
from trialmaker.tracking.settings import STORE_FILE

MARKER_FILE = ".comparison"  # lies beside a merged store, which is not an output
MAX_OUTPUT_DEPTH = 6  # levels of folders to search below a given one
LINKED_DEPTH = 2  # the same below a folder that a link leads to: an output, or a folder of jobs
UNSEARCHED_FOLDERS = {"mlartifacts", "mlruns", "node_modules"}
FILE_STORE_REASON = (
    "an MLflow file store: to make one of it: mlflow migrate-filestore --source {0} --target sqlite:///{1}"
)


@dataclass(frozen=True)
class Output:
    """A folder with an MLflow store.

    Args:
        database: the store's SQLite file.
        label: a short text that tells the output from the others.
    """

    database: Path
    label: str

    @property
    def directory(self) -> Path:
        """Return the folder that holds the store and its artifacts."""
        return self.database.parent


@dataclass(frozen=True)
class SkippedOutput:
    """A place whose runs cannot be shown.

    Args:
        place: a folder or a store's SQLite file.
        reason: why its runs cannot be shown, and what to do about it.
    """

    place: Path
    reason: str

    def __str__(self) -> str:
        return f"skipped {self.place}: {self.reason}"


def find(places: Sequence[Path], *, follows_links: bool = True) -> tuple[list[Output], list[SkippedOutput]]:
    """Return the outputs in folders and in the folders below them, each once, and the places without a usable store.

    Args:
        places: outputs, folders that contain outputs, or SQLite files.
        follows_links: whether links to folders that lie in a place itself lead to further outputs.

    Raises:
        UserError: a place does not exist; one line for each such place.
    """
    if missing := [place for place in places if not os.path.lexists(place)]:
        raise UserError(*(f"{place}: there is no such directory" for place in missing))
    databases: dict[Path, None] = {}
    skipped_outputs = []
    depth = MAX_OUTPUT_DEPTH if follows_links else MAX_OUTPUT_DEPTH - 1  # links of the first level are followed
    for place in places:
        results = [place] if place.is_file() else list(_search(place.absolute(), place, depth))
        databases |= dict.fromkeys(_address(result) for result in results if isinstance(result, Path))
        skipped_outputs += [result for result in results if isinstance(result, SkippedOutput)]
        if links := [result for result in results if isinstance(result, _Link)]:
            reason = f"{len(links)} links in it, the first {links[0].path}, lead to stores elsewhere"
            skipped_outputs.append(SkippedOutput(place, f"{reason}: name those places themselves, if they are meant"))
        if not results:
            skipped_outputs.append(SkippedOutput(place, f"holds no {STORE_FILE}, so no job's output"))
    labels = _labels(list(databases))
    return [Output(path, label) for path, label in zip(databases, labels, strict=True)], skipped_outputs


@dataclass(frozen=True)
class _Link:
    """A link to a store, or to an output, outside the place in which it lies."""

    path: Path


def _address(store: Path) -> Path:
    """Return the path of a store with its links followed, but for that to the store in one's own output."""
    return store.parent.resolve() / store.name if paths.is_own_output(store.parent) else store.resolve()


def _search(folder: Path, place: Path, depth: int) -> Iterator[Path | SkippedOutput | _Link]:
    """Yield the stores in a folder and below it, and what is skipped: file stores, unreadable folders, links elsewhere.

    Links to folders that lie in the place itself, which a person has named, are places too. A folder that is deleted
    during the search yields nothing.
    """
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
        if STORE_FILE in names:
            store = folder / STORE_FILE
            yield from [] if MARKER_FILE in names else [store if is_inside(store, folder) else _Link(store)]
        elif "mlruns" in names and any((folder / "mlruns").glob("*/meta.yaml")):
            yield SkippedOutput(folder / "mlruns", FILE_STORE_REASON.format(folder / "mlruns", folder / STORE_FILE))
        elif depth:
            for name in sorted(name for name, is_folder in names.items() if is_folder):
                if name not in UNSEARCHED_FOLDERS and not name.startswith("."):
                    yield from _search_below(folder / name, place, depth)
    except FileNotFoundError:
        return
    except OSError as error:
        yield SkippedOutput(folder, f"cannot be looked into: {error.strerror}")


def _search_below(path: Path, place: Path, depth: int) -> Iterator[Path | SkippedOutput | _Link]:
    """Do as ``_search`` does with a folder in one of this depth, or with a link to a folder."""
    if is_inside(path, place):
        yield from _search(path, place, depth - 1)
    elif depth == MAX_OUTPUT_DEPTH:
        yield from _search(path.resolve(), path.resolve(), LINKED_DEPTH)
    elif any(store.exists() for store in (path / STORE_FILE, path / "output" / STORE_FILE)):
        yield _Link(path)


def _labels(databases: Sequence[Path]) -> list[str]:
    """Return a label for each store: the shortest end of its folder's path that tells it from the other stores."""
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
