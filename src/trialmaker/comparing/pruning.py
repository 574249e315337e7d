"""What of an output can go when only its best runs are worth keeping whole."""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trialmaker.comparing.outputs import STORE, Output
from trialmaker.comparing.runs import Run


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
            shutil.rmtree(path, ignore_errors=True)
            if path.parent.name == self.run.run_id:  # MLflow's folder of the run, now empty
                path.parent.rmdir()


def superfluous(runs: Sequence[Run], keep: int) -> list[Run]:
    """All but the best ``keep`` runs of each experiment, worst last.

    Kept in any case: runs that still run, studies, whose pictures are small, and trials, which left no files.
    """
    found = []
    for name in dict.fromkeys(run.experiment for run in runs):
        plain = [run for run in runs if run.experiment == name and not run.is_study and not run.is_trial]
        ranked = sorted(plain, key=lambda run: run.rank)
        found += [run for run in ranked[keep:] if run.status not in ("RUNNING", "SCHEDULED")]
    return found


def leftovers(store: Path, runs: Iterable[Run], outputs: Mapping[str, Output]) -> Iterator[Leftover]:
    """What these runs left, of each that left something.

    Args:
        store: the merged store.
        outputs: by label.
    """
    with closing(sqlite3.connect(f"file:{store / STORE}?mode=ro", uri=True)) as connection:
        for run in runs:
            query = "SELECT model_id, artifact_location FROM logged_models WHERE source_run_id = ?"
            models = connection.execute(query, (run.run_id,)).fetchall()
            output = outputs[run.output]
            places = [_folder(address) for address in (run.artifacts, *(place for _, place in models))]
            logs = output.directory / "logs" / run.name / "saved_model"
            places += [logs, output.directory / "checkpoints" / run.name, *_versions(output.directory / "model", run)]
            inside = [place for place in places if _is_below(place, output.directory)]
            if inside:
                yield Leftover(run, output, [model for model, _ in models], inside)


def _versions(folder: Path, run: Run) -> Iterator[Path]:
    """Deployable models of the run, except the one that is best now."""
    best = _read(folder / "best.json").get("version")
    for version in folder.glob("[0-9]*"):
        card = _read(version / "assets.extra" / "card.json")
        if card.get("run_id") == run.run_id and version.name != str(best):
            yield version


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _folder(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


def _is_below(path: Path, directory: Path) -> bool:
    """A folder of the output's own: no link, and not by a link elsewhere."""
    return path.is_dir() and path.resolve() == path and path != directory and path.is_relative_to(directory)
