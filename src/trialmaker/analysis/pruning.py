"""What of an output can go when only its best runs are worth keeping whole."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker.analysis.store.outputs import STORE_FILE, Output
from trialmaker.analysis.store.relocation import local_path
from trialmaker.analysis.store.runs import Run

MODELS = "SELECT model_id, artifact_location FROM logged_models WHERE source_run_id = ?"
HOLDERS = "SELECT database FROM trialmaker_source_runs WHERE run_uuid = ?"
SupersededVersions = Callable[[Path, str], Iterable[Path]]  # of a model folder and a run's id


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


def prunable_runs(runs: Sequence[Run], keep: int) -> list[Run]:
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
    store: Path,
    runs: Iterable[Run],
    everything: Sequence[Run],
    outputs: Mapping[str, Output],
    superseded_versions: SupersededVersions,
) -> Iterator[Leftover]:
    """Yield what these runs left, for each run that left something and for each output that holds it.

    Args:
        store: the merged store.
        everything: all runs.
        outputs: by label.
        superseded_versions: given a folder of published models and a run's id, the run's versions that can go.
    """
    names = Counter(run.name for run in everything)
    by_database = {str(output.database): output for output in outputs.values()}
    with closing(sqlite3.connect(f"file:{store / STORE_FILE}?mode=ro", uri=True)) as connection:
        for run in runs:
            models = dict(connection.execute(MODELS, (run.run_id,)).fetchall())
            recorded = _recorded_folders(run, models)
            for (database,) in connection.execute(HOLDERS, (run.run_id,)).fetchall():
                if output := by_database.get(database):
                    paths = [*_here(recorded, output, outputs.values())]
                    paths += superseded_versions(output.directory / "model", run.run_id)
                    paths += _named_folders(output.directory, run) if names[run.name] == 1 else []
                    if inside := [path for path in paths if _is_below(path, output.directory)]:
                        yield Leftover(run, output, list(models), inside)


def _recorded_folders(run: Run, models: Mapping[str, str]) -> list[Path]:
    """Return the folders of a run's artifacts and of its models, as far as their paths name the run or the model."""
    folders = {name: local_path(address) for name, address in ({run.run_id: run.artifacts} | dict(models)).items()}
    return [folder for name, folder in folders.items() if folder and name in folder.parts]


def _named_folders(output: Path, run: Run) -> list[Path]:
    return [output / "logs" / run.name / "saved_model", output / "checkpoints" / run.name]


def _here(places: Iterable[Path], output: Output, outputs: Iterable[Output]) -> Iterator[Path]:
    """The same folders in a copy of the output."""
    for path in places:
        for other in outputs:
            if path.is_relative_to(other.directory):
                yield output.directory / path.relative_to(other.directory)


def _is_below(path: Path, directory: Path) -> bool:
    """A folder of the output's own: no link, and not by a link elsewhere."""
    return path.is_dir() and path.resolve() == path and path != directory and path.is_relative_to(directory)
