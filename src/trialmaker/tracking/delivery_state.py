"""How far MLflow has a run's journal, in a file beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from trialmaker.platform.redaction import without_password
from trialmaker.platform.regular_files import read_text
from trialmaker.tracking.places import STATE_FILE, RunPlace
from trialmaker.tracking.settings import STORE_FILE

MAX_OFFSET = 1 << 50  # no journal is longer


@dataclass
class DeliveryState:
    """How far MLflow has a run's journal.

    Args:
        store: the tracking URI without its password; "" for SQLite in the output.
        experiment_id: MLflow's id of the run's experiment.
        run_id: MLflow's id of the run; "" while it is not known.
        offset: in the journal, up to which all is delivered.
        is_creating: whether a run may have been created whose id is not known.
        is_ended: whether MLflow has the end of the run's last attempt.
    """

    store: str = ""
    experiment_id: str = ""
    run_id: str = ""
    offset: int = 0
    is_creating: bool = False
    is_ended: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the state in a file; that of a run that may have been created, where the file is damaged."""
        try:
            values = json.loads(read_text(path))
            state = cls(**{name: type(default)(values[name]) for name, default in vars(cls()).items()})
            return state if 0 <= state.offset < MAX_OFFSET else cls(is_creating=True)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return cls(is_creating=True)

    def write(self, path: Path) -> None:
        """Replace a file by the state, without waiting for the disk: what a crash of the machine loses is looked for.

        Raises:
            OSError: it cannot be written.
        """
        temporary = path.with_name(f".{path.name}")  # one process writes it, under the lock of the delivery
        try:
            temporary.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def delivered_run_id(place: RunPlace) -> str:
    """Return MLflow's id of a run as far as earlier deliveries to the same store know it; "" where none does."""
    state = DeliveryState.read(place.directory / STATE_FILE)
    is_there = place.uri is not None or (place.output / STORE_FILE).exists()
    return state.run_id if is_there and state.store == store_name(place) else ""


def store_name(place: RunPlace) -> str:
    """Return what a state calls the store of a place."""
    return without_password(place.uri) if place.uri else ""
