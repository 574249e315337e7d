"""Large files that an output can do without when only its best runs are kept whole.

The SQL is written for the schema of MLflow 3.17.
"""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from trialmaker.analysis.store.outputs import Output
from trialmaker.analysis.store.relocation import local_path
from trialmaker.analysis.store.runs import Run
from trialmaker.tracking.settings import STORE_FILE

MODELS_OF_RUN = "SELECT model_id, artifact_location FROM logged_models WHERE source_run_id = ?"
DATABASES_OF_RUN = "SELECT database FROM trialmaker_source_runs WHERE run_uuid = ?"
SupersededVersions = Callable[[Path, str], Iterable[Path]]  # of a model folder and a run's id


@dataclass(frozen=True)
class Leftover:
    """The large files of a run in one output.

    Args:
        run: the run.
        output: the output that holds the files.
        models: ids of the run's MLflow models.
        paths: the folders to remove, all of them inside the output.
    """

    run: Run
    output: Output
    models: Sequence[str]
    paths: Sequence[Path]

    @property
    def size(self) -> int:
        """Return the total size of the files in bytes."""
        return sum(file.lstat().st_size for path in self.paths for file in path.rglob("*") if not file.is_dir())

    def remove(self) -> None:
        """Remove the folders, and MLflow's folders around them that are empty then."""
        for path in self.paths:
            shutil.rmtree(path)
            if path.parent.name in (self.run.run_id, *self.models):  # MLflow's folder around it
                with suppress(OSError):  # there is something else in it
                    path.parent.rmdir()


def prunable_runs(runs: Sequence[Run], keep: int) -> list[Run]:
    """Return all runs but the best ``keep`` of each experiment and objective, the worst last.

    Runs that have not ended are never returned, nor are studies, whose pictures are small, and trials, which leave no
    files.
    """
    prunable = []
    for peers in dict.fromkeys(run.peers for run in runs):
        ranked = [run for run in runs if run.peers == peers and not run.is_study and not run.is_trial]
        ranked.sort(key=lambda run: run.rank)
        prunable += [run for run in ranked[keep:] if run.status not in ("RUNNING", "SCHEDULED")]
    return prunable


def leftovers(
    store: Path,
    runs: Iterable[Run],
    all_runs: Sequence[Run],
    outputs: Mapping[str, Output],
    superseded_versions: SupersededVersions,
) -> Iterator[Leftover]:
    """Yield the large files of runs, for each run that left some and for each output that holds it.

    Args:
        store: the folder of the merged store.
        runs: the runs to prune.
        all_runs: all runs of the store. Folders named for a run count as its own only if no other run has its name.
        outputs: the outputs by label.
        superseded_versions: given a folder of published models and a run's id, returns the run's versions that can go.
    """
    name_counts = Counter(run.name for run in all_runs)
    by_database = {str(output.database): output for output in outputs.values()}
    with closing(sqlite3.connect(f"file:{store / STORE_FILE}?mode=ro", uri=True)) as connection:
        for run in runs:
            models = dict(connection.execute(MODELS_OF_RUN, (run.run_id,)).fetchall())
            folders = _recorded_folders(run, models)
            for (database,) in connection.execute(DATABASES_OF_RUN, (run.run_id,)).fetchall():
                if output := by_database.get(database):
                    paths = [*_folders_in(output, folders, outputs.values())]
                    paths += superseded_versions(output.directory / "model", run.run_id)
                    paths += _named_folders(output.directory, run) if name_counts[run.name] == 1 else []
                    if own_paths := [path for path in paths if _is_own_folder(path, output.directory)]:
                        yield Leftover(run, output, list(models), own_paths)


def _recorded_folders(run: Run, models: Mapping[str, str]) -> list[Path]:
    """Return the folders of a run's artifacts and of its models, as far as their paths name the run or the model."""
    folders = {name: local_path(address) for name, address in ({run.run_id: run.artifacts} | dict(models)).items()}
    return [folder for name, folder in folders.items() if folder and name in folder.parts]


def _named_folders(directory: Path, run: Run) -> list[Path]:
    return [directory / "logs" / run.name / "saved_model", directory / "checkpoints" / run.name]


def _folders_in(output: Output, folders: Iterable[Path], outputs: Iterable[Output]) -> Iterator[Path]:
    """Yield the paths that folders of any output have in ``output``, which may be a copy of theirs."""
    for folder in folders:
        for other in outputs:
            if folder.is_relative_to(other.directory):
                yield output.directory / folder.relative_to(other.directory)


def _is_own_folder(path: Path, directory: Path) -> bool:
    """Return whether a path is a folder below ``directory``, reached through no symbolic link."""
    return path.is_dir() and path.resolve() == path and path != directory and path.is_relative_to(directory)
