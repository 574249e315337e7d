"""Publishing of a model as the best version in a folder."""

import shutil
import time
import uuid
from dataclasses import replace
from pathlib import Path

from trialmaker.model_store.card import LOCK_FILE, Card, read_best, write_best
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import version_numbers
from trialmaker.platform.atomic_files import locked

ABANDONED_SECONDS = 3600  # the age at which a hidden folder is taken for that of a killed process


def publish(exportable: Exportable, card: Card, directory: Path, *, replaces: int = 0) -> Card:
    """Publish a model as the best version, if it beats the present one.

    The export is written under a hidden name and renamed, so that a number never names half a model. Several processes
    may publish in the same folder at once.

    Args:
        exportable: the model.
        card: its record, with version 0.
        directory: the folder of versions, which ``prepare`` has made.
        replaces: an earlier version of the same run, which is removed; 0 for none.

    Returns:
        the card of the best version: ``card`` with its number, or that of the model it did not beat.

    Raises:
        UserError: ``best.json`` cannot be read.
    """
    best = read_best(directory)
    if best and not card.beats(best):
        return best
    hidden = directory / f".{uuid.uuid4().hex}"
    try:
        exportable.export(hidden)
        with locked(directory / LOCK_FILE):
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
    """Make the folder of versions, and remove what killed processes left half-written there an hour ago.

    Raises:
        UserError: its ``best.json`` cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    read_best(directory)
    for hidden in directory.glob(".*/"):
        if time.time() - hidden.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(hidden, ignore_errors=True)
