"""The record ``best.json``: which version in a folder is the best one, and where it comes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.versions import BEST_FILE
from trialmaker.platform.atomic_files import locked, write_text
from trialmaker.platform.regular_files import read_text
from trialmaker.training.objective import Objective

LOCK_FILE = ".lock"  # locked while a version or the record is written


@dataclass(frozen=True)
class Card:
    """The record of a version, as ``best.json`` holds it.

    Args:
        run_id: MLflow's id of the run that trained the version.
        model: the architecture's name.
        data: the data set's name.
        data_digest: the digest of the data set's examples.
        objective: the metric that decides which version is better.
        direction: ``maximize`` or ``minimize``.
        epoch: the epoch that the weights are from, counted from 1.
        metrics: those of that epoch; the test metrics are added when the run ends.
        version: the folder's number; 0 before the version is published.
    """

    run_id: str
    model: str
    data: str
    data_digest: str
    objective: str
    direction: str
    epoch: int
    metrics: Mapping[str, float]
    version: int = 0

    def beats(self, other: "Card | None") -> bool:
        """Return whether this version takes the other's place: it is better by the objective, or not comparable."""
        if other is None or (self.data_digest, self.objective) != (other.data_digest, other.objective):
            return True
        return Objective(self.objective, self.direction).is_better(self.metrics, other.metrics)


def read_best(directory: Path) -> Card | None:
    """Return the card of the best version; None where there is none, or its folder is gone.

    Raises:
        UserError: ``best.json`` cannot be read as a card.
    """
    path = directory / BEST_FILE
    try:
        card = Card(**json.loads(read_text(path)))
        float(card.metrics[card.objective]), float(card.metrics["val_loss"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise UserError(f"{path}: is not the record of a best model ({error}): remove it or restore it") from error
    return card if (directory / str(card.version)).is_dir() else None


def add_metrics(card: Card, metrics: Mapping[str, float], directory: Path) -> None:
    """Add metrics to the record of the best version, if that is still ``card``."""
    with locked(directory / LOCK_FILE):
        if card == read_best(directory):
            write_best(replace(card, metrics={**card.metrics, **metrics}), directory)


def write_best(card: Card, directory: Path) -> None:
    """Replace ``best.json``, at once and whole."""
    write_text(directory / BEST_FILE, json.dumps(asdict(card), indent=2) + "\n")
