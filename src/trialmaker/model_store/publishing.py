"""Publishing of a model as the best version of its data in a folder."""

import shutil
import time
import uuid
from dataclasses import replace
from pathlib import Path

from trialmaker.model_store.card import Card
from trialmaker.model_store.catalog import LOCK_FILE, best_comparable, read_best, read_cards, write_best, write_card
from trialmaker.model_store.saved_model import Exportable
from trialmaker.model_store.versions import version_numbers
from trialmaker.platform.atomic_files import locked

ABANDONED_SECONDS = 3600  # the age at which a hidden folder is taken for that of a killed process


def rival(card: Card, directory: Path) -> Card | None:
    """Return the best version of the card's data, unless the card beats it or there is none."""
    best = best_comparable(directory, card)
    return None if best is None or card.is_better(best) else best


def publish(exportable: Exportable, card: Card, directory: Path) -> Card:
    """Publish a model as the version that is served, if it beats all versions of its data.

    The export is written under a hidden name and renamed, so that a number never names half a model. Earlier versions
    of the same run are removed. Several processes may publish in the same folder at once.

    Args:
        exportable: the model.
        card: its record, with version 0.
        directory: the folder of versions, which ``prepare`` has made.

    Returns:
        the card of the best version of the data: ``card`` with its number, or that of the model it did not beat.
    """
    hidden = _hidden(directory)
    try:
        exportable.export(hidden)
        with locked(directory / LOCK_FILE):
            if best := rival(card, directory):
                return best
            card = replace(card, version=_next_number(directory))
            write_card(card, hidden)
            hidden.rename(directory / str(card.version))
            cards = read_cards(directory)
            earlier = [one for one in cards if one.run_key == card.run_key and one.version != card.version]
            write_best(card, [one for one in cards if one not in earlier], directory)
            for one in earlier if card.run_key else ():
                _remove(directory / str(one.version))
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return card


def serve_best(card: Card, directory: Path) -> Card | None:
    """Have the best version of a card's data served: name it in ``best.json``, give it the highest number.

    TensorFlow Serving takes the highest number, so a version that is served again gets a new one. It is copied, since
    what ``best.json`` names must be there at every moment.

    Returns:
        the card of that version; None where there is none.

    Raises:
        UserError: ``best.json`` cannot be read.
    """
    with locked(directory / LOCK_FILE):
        best, served = best_comparable(directory, card), read_best(directory)
        if best is None or (served and served.version == best.version):
            return best
        earlier = best
        if best.version < max(version_numbers(directory)):
            best = _copy_to_highest(best, directory)
        cards = [one for one in read_cards(directory) if one.version != earlier.version or one == best]
        write_best(best, cards, directory)
        if best != earlier:
            _remove(directory / str(earlier.version))
    return best


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


def _next_number(directory: Path) -> int:
    return max(version_numbers(directory), default=0) + 1


def _copy_to_highest(card: Card, directory: Path) -> Card:
    copy, hidden = replace(card, version=_next_number(directory)), _hidden(directory)
    try:
        shutil.copytree(directory / str(card.version), hidden)
        write_card(copy, hidden)
        hidden.rename(directory / str(copy.version))
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return copy


def _remove(version: Path) -> None:
    """Remove a version's folder, which vanishes at once."""
    hidden = _hidden(version.parent)
    version.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _hidden(directory: Path) -> Path:
    return directory / f".{uuid.uuid4().hex}"
