"""The output of an earlier job, given as the input file ``resume``, brought into this job's own output.

A kill at any instant of that leaves one run in MLflow, whole, when the same command comes again. All is copied to a
hidden folder first, then renamed, the runs' directories last: as long as a run is not there, the same command copies
again what is missing. By then the output has the earlier job's store, or none. Of a run whose store did not come
along in the same copy, the delivery is begun anew, and looks in whatever store there is for the run by its key.
"""

import errno
import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from trialmaker.errors import UserError, one_line
from trialmaker.experiment.resume.file_copies import copy_database, copy_entry
from trialmaker.experiment.resume.opening import START_ANEW
from trialmaker.platform import paths
from trialmaker.platform.atomic_files import locked
from trialmaker.platform.system_errors import is_lack_of_space
from trialmaker.tracking.artifact_places import ARTIFACT_FOLDER, move_inside
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.journal import read_records
from trialmaker.tracking.output_journals import LOGS_FOLDER, journals
from trialmaker.tracking.places import STATE_FILE
from trialmaker.tracking.settings import STORE_FILE, STORE_LOCK_FILE

log = logging.getLogger(__name__)
EARLIER_JOB = "resume"
COPY_LOCK = ".resume.lock"  # in the output: one process at a time copies to it
STAGING = ".resume-"  # begin of the name of the folder there to which all is copied first
MODEL_FOLDER = "model"  # copied whole, to an output without models
ENTRY_FOLDERS = ("studies", "tensorboard", "checkpoints", LOGS_FOLDER)  # each entry of them is a whole of its own
RENAME_ORDER = (*ENTRY_FOLDERS[:-1], MODEL_FOLDER, ARTIFACT_FOLDER, STORE_FILE, LOGS_FOLDER)
TAIL_BYTES = 1 << 16  # of a journal, in which its last records lie


def given_output() -> Path | None:
    """Return the folder of the earlier job's output, ``input/resume`` or one below it; None where none was given.

    Of several it is the one whose journals were written to last.
    """
    folder = paths.inputs().get(EARLIER_JOB)
    if folder is None or not folder.is_dir() or _is_own_folder(folder / LOGS_FOLDER):
        return folder
    below = [path for path in sorted(folder.iterdir()) if _is_own_folder(path)]
    places = [place for path in below for place in (path, path / "output") if _is_own_folder(place / LOGS_FOLDER)]
    if not places:
        return folder
    latest = max(places, key=lambda place: (max(map(_last_time, journals(place)), default=0), place))
    if len(places) > 1:
        log.info(f"{folder}: holds {len(places)} outputs: {latest.relative_to(folder)} is the latest, and is taken")
    return latest


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _last_time(journal: Path) -> int:
    """Return when a journal was last written to, by its own records: the times of an input's files are its upload's."""
    try:
        begin = max(0, journal.stat().st_size - TAIL_BYTES)
        return max((int(position.record["time"]) for position in read_records(journal, begin)), default=0)
    except OSError:
        return 0


def copy_output(source: Path, output: Path) -> None:
    """Copy what the output has not of an earlier one: runs, checkpoints, studies; models and MLflow's store if alone.

    Where the store does not come along, MLflow gets the copied runs from their journals. Links are left out: what they
    point to is no part of the output. An entry is there whole or not at all.

    Raises:
        OSError: there is no space (``ENOSPC``).
        UserError: a file cannot be read or written.
    """
    with _plain_errors(source, output):
        output.mkdir(parents=True, exist_ok=True)
        with locked(output / COPY_LOCK), _staging_folder(output) as staging:
            for relative in list(_missing(source, output)):
                copy_entry(source / relative, staging / relative)
            if _copy_store(source, output, staging) and _is_own_folder(source / ARTIFACT_FOLDER):
                copy_entry(source / ARTIFACT_FOLDER, staging / ARTIFACT_FOLDER)
            with locked(output / STORE_LOCK_FILE):
                _move_all(staging, output)


def prepare_study(output: Path, study: str, storage: str) -> None:
    """Copy the earlier job's output, so that its study goes on here; ``failure`` says if that cannot be.

    Args:
        output: the output directory.
        study: the study's name.
        storage: where it is kept: a file, or a URL.
    """
    _failures.clear()
    file = Path(storage)
    try:
        if source := given_output():
            is_new = "://" not in storage and file.is_relative_to(output) and not file.exists()
            copy_output(source, output)
            if is_new:
                log.info(f"{source}: {_study_text(study, file, output)}")
    except (OSError, UserError) as error:
        _failures.append(error)


def failure() -> Exception | None:
    """Return why the earlier job's study could not be copied: Hydra swallows what its callbacks raise."""
    return _failures[0] if _failures else None


_failures: list[Exception] = []  # at most one


def _study_text(study: str, file: Path, output: Path) -> str:
    """Return whether the study came along in its file, as a line's end."""
    from hydra.errors import HydraException

    from optuna_sweep.storage import find_study  # Optuna's import

    place = file.relative_to(output)
    try:
        if find_study(str(file), study):
            return f"its study {study} goes on, from {place}"
    except HydraException as error:
        return f"its {place} cannot be used: {one_line(error)}"
    return f"holds no study {study} in {place}: it begins anew"


@contextmanager
def _plain_errors(source: Path, output: Path) -> Iterator[None]:
    """Have want of space be one error of the output's, and anything else a line that names the file."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if is_lack_of_space(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output)) from error
        file, reason = getattr(error, "filename", None) or source, getattr(error, "strerror", None) or one_line(error)
        law = "the earlier job's output must be copied to this one's"
        raise UserError(f"{file}: {reason}: {law}; mend it, or {START_ANEW}") from error


@contextmanager
def _staging_folder(output: Path) -> Iterator[Path]:
    """Yield a new hidden folder in the output; remove it at the end, and before that those of killed copies."""
    for leftover in output.glob(f"{STAGING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = output / f"{STAGING}{secrets.token_hex(8)}"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _missing(source: Path, output: Path) -> Iterator[Path]:
    """Yield what to copy, relative to both, but for the store."""
    if _is_own_folder(source / MODEL_FOLDER) and not any((output / MODEL_FOLDER).glob("*")):
        yield Path(MODEL_FOLDER)
    for folder in ENTRY_FOLDERS:
        entries = sorted((source / folder).iterdir()) if _is_own_folder(source / folder) else []
        for entry in entries:
            if not os.path.lexists(output / folder / entry.name):
                yield Path(folder, entry.name)


def _copy_store(source: Path, output: Path, staging: Path) -> bool:
    """Copy MLflow's store to an output without one; return whether it comes along. One that is damaged does not."""
    file, copy = source / STORE_FILE, staging / STORE_FILE
    if os.path.lexists(output / STORE_FILE) or not os.path.lexists(file):
        return False
    try:
        if file.is_symlink() or not file.is_file():
            raise UserError("is no regular file")
        copy_database(file, copy)
        _move_artifacts(copy, output)
    except (sqlite3.Error, UserError) as error:
        copy.unlink(missing_ok=True)
        if is_lack_of_space(error):
            raise
        log.warning(f"{file} is left out: {one_line(error)}; MLflow gets the runs from their journals, in a new store")
        return False
    return True


def _move_artifacts(store: Path, output: Path) -> None:
    """Have a copied store say where the artifacts of its runs will lie."""
    query = "SELECT experiments.name, run_uuid FROM experiments LEFT JOIN runs USING (experiment_id)"
    with closing(sqlite3.connect(store)) as connection, connection:
        for experiment, run_id in connection.execute(query).fetchall():
            move_inside(connection, output, experiment, run_id or "")


def _forget_deliveries(staging: Path) -> None:
    """Have the runs be delivered from their beginning that were delivered to an output's own store."""
    for path in (staging / LOGS_FOLDER).rglob(STATE_FILE):
        if not DeliveryState.read(path).store:
            DeliveryState(is_creating=True).write(path)


def _move_all(staging: Path, output: Path) -> None:
    """Give all that was copied its name in the output; the store not if another job has made one meanwhile."""
    if os.path.lexists(output / STORE_FILE) or not (staging / STORE_FILE).exists():
        (staging / STORE_FILE).unlink(missing_ok=True)
        shutil.rmtree(staging / ARTIFACT_FOLDER, ignore_errors=True)
        _forget_deliveries(staging)
    for name in RENAME_ORDER:
        if (staging / name).exists():
            _move(staging / name, output / name)


def _move(staged: Path, target: Path) -> None:
    """Rename a file or a folder; of a folder whose name is taken by one, what it has more."""
    if not os.path.lexists(target) or (_is_own_folder(target) and not any(target.iterdir())):
        staged.rename(target)
    elif staged.is_dir() and target.is_dir():
        for entry in sorted(staged.iterdir()):
            _move(entry, target / entry.name)
