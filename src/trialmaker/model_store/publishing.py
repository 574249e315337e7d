"""Publishing of a model as the best version so far."""

import shutil
import time
import uuid
from dataclasses import replace
from pathlib import Path

from trialmaker.model_store.card import LOCK, Card, read_best, write_best
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import version_numbers
from trialmaker.platform.atomic_files import locked


def publish(exportable: Exportable, card: Card, directory: Path, *, replaces: int = 0) -> Card:
    """Make the model the best version, if it beats the one that is.

    Args:
        directory: of the versions; ``prepare`` makes it. Several processes may publish there at once.
        replaces: a version of the same run that is then removed; 0 for none.

    Returns:
        the card of what is best now: this one with its version, or that of the model it did not beat.
    """
    best = read_best(directory)
    if best and not card.beats(best):
        return best
    hidden = directory / f".{uuid.uuid4().hex}"
    try:
        exportable.export(hidden)
        with locked(directory / LOCK):
            best = read_best(directory)
            if best and not card.beats(best):
                return best
            card = replace(card, version=max(version_numbers(directory), default=0) + 1)
            hidden.rename(directory / str(card.version))
            write_best(card, directory)
            if replaces:
                (directory / str(replaces)).rename(hidden)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return card


def prepare(directory: Path) -> None:
    """Make the directory of versions, and clear away what killed processes left half-written there an hour ago.

    Raises:
        UserError: its record of the best cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    read_best(directory)
    for hidden in directory.glob(".*/"):
        if time.time() - hidden.stat().st_mtime > 3600:
            shutil.rmtree(hidden, ignore_errors=True)
