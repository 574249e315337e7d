"""The earlier run that a process goes on with, and where it takes it up."""

import fcntl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trialmaker.experiment.resume.checkpoint_format import CheckpointMisfit, check_values
from trialmaker.experiment.resume.earlier_run import EarlierRun

if TYPE_CHECKING:  # NumPy's import, which a new run hides behind others
    from trialmaker.training.snapshot import Snapshot

CLAIM_FILE = ".claim"  # in a run's directory; locked by the process that goes on with it


@dataclass(frozen=True)
class Resumption:
    """An interrupted run that this process goes on with.

    Args:
        run: as it was left.
        snapshot: of its last checkpoint; None where it was interrupted before the first.
        claim: the file whose lock keeps other processes away.
        notices: what to say about it beside that it goes on, a line each.

    Raises:
        CheckpointMisfit: another version of TrialMaker has written the checkpoint.
    """

    run: EarlierRun
    snapshot: "Snapshot | None"
    claim: IO[str]
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the checkpoint, before anything of the run is touched; another process may claim it if that fails.

        Raises:
            CheckpointMisfit: another version has written it.
        """
        try:
            if self.snapshot:
                check_values(self.snapshot.values, self.run.checkpoints)
        except CheckpointMisfit:
            self.claim.close()
            raise

    @property
    def directory(self) -> Path:
        """Return the run's directory."""
        return self.run.directory

    @property
    def precision(self) -> str:
        """Return the precision that it was begun in; "" where it had not come so far."""
        return str(self.snapshot.values["loop"]["precision"]) if self.snapshot else self.run.precision

    @property
    def log_size(self) -> int:
        """Return the size of the log file at the checkpoint, bytes."""
        return int(self.snapshot.values["run"]["log_size"]) if self.snapshot else 0

    @property
    def run_key(self) -> str:
        """Return the random name by which its models and its MLflow run are known."""
        return self.run.head.run_key


def claim(run: EarlierRun) -> IO[str] | None:
    """Return a file whose lock keeps other processes from a run until it is closed; None where another has it."""
    with suppress(OSError):
        file = (run.directory / CLAIM_FILE).open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file
    return None
