"""What of an output can go when only its best runs are worth keeping whole."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker.analysis.store.outputs import STORE, Output
from trialmaker.analysis.store.relocation import local_path
from trialmaker.analysis.store.runs import Run

HOLDERS = "SELECT database FROM trialmaker_source_runs WHERE run_uuid = ?"


@dataclass(frozen=True)
class Leftover:
    """What a run left that is large.

    Args:
        models: ids of its MLflow models.
        paths: folders, none outside the output.
    """

    run: Run
    output: Output
    models: Sequence[str]
    paths: Sequence[Path]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.lstat().st_size for path in self.paths for file in path.rglob("*") if not file.is_dir())

    def remove(self) -> None:
        """Take away the files."""
        for path in self.paths:
            shutil.rmtree(path)
            if path.parent.name in (self.run.run_id, *self.models):  # MLflow's folder around it
                with suppress(OSError):  # there is something else in it
                    path.parent.rmdir()


def superfluous(runs: Sequence[Run], keep: int) -> list[Run]:
    """All but the best ``keep`` runs of each experiment and objective, worst last.

    Kept in any case: runs that still run, studies, whose pictures are small, and trials, which left no files.
    """
    found = []
    for peers in dict.fromkeys(run.peers for run in runs):
        plain = [run for run in runs if run.peers == peers and not run.is_study and not run.is_trial]
        ranked = sorted(plain, key=lambda run: run.rank)
        found += [run for run in ranked[keep:] if run.status not in ("RUNNING", "SCHEDULED")]
    return found


def leftovers(
    store: Path, runs: Iterable[Run], everything: Sequence[Run], outputs: Mapping[str, Output]
) -> Iterator[Leftover]:
    """What these runs left, of each that left something, once for each output that holds the run.

    Args:
        store: the merged store.
        everything: all runs.
        outputs: by label.
    """
    names = Counter(run.name for run in everything)
    by_database = {str(output.database): output for output in outputs.values()}
    with closing(sqlite3.connect(f"file:{store / STORE}?mode=ro", uri=True)) as connection:
        for run in runs:
            query = "SELECT model_id, artifact_location FROM logged_models WHERE source_run_id = ?"
            models = dict(connection.execute(query, (run.run_id,)).fetchall())
            own = {run.run_id: run.artifacts} | models
            paths = {name: local_path(address) for name, address in own.items()}
            places = [path for name, path in paths.items() if path and name in path.parts]
            holders = connection.execute(
                "SELECT database FROM trialmaker_source_runs WHERE run_uuid = ?", (run.run_id,)
            )
            for (database,) in holders.fetchall():
                if output := by_database.get(database):
                    found = [*_here(places, output, outputs.values()), *_versions(output.directory / "model", run)]
                    if names[run.name] == 1:
                        found += [output.directory / "logs" / run.name / "saved_model"]
                        found += [output.directory / "checkpoints" / run.name]
                    if inside := [path for path in found if _is_below(path, output.directory)]:
                        yield Leftover(run, output, list(models), inside)


def _here(places: Iterable[Path], output: Output, outputs: Iterable[Output]) -> Iterator[Path]:
    """The same folders in a copy of the output."""
    for path in places:
        for other in outputs:
            if path.is_relative_to(other.directory):
                yield output.directory / path.relative_to(other.directory)


def _versions(folder: Path, run: Run) -> Iterator[Path]:
    """Deployable models of the run, except the one that is best now; none where it is not known which that is."""
    best = _read(folder / "best.json").get("version")
    for version in folder.glob("[0-9]*") if best else ():
        card = _read(version / "assets.extra" / "card.json")
        if card.get("run_id") == run.run_id and version.name != str(best):
            yield version


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_below(path: Path, directory: Path) -> bool:
    """A folder of the output's own: no link, and not by a link elsewhere."""
    return path.is_dir() and path.resolve() == path and path != directory and path.is_relative_to(directory)
