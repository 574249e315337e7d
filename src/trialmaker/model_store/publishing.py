"""Publishing of a model as the best version of its data in a folder."""

import shutil
import time
import uuid
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from trialmaker.errors import UserError
from trialmaker.model_store.card import Card, card_of
from trialmaker.model_store.catalog import (
    LOCK_FILE,
    best_among,
    best_comparable,
    read_best,
    read_cards,
    write_best,
    write_card,
)
from trialmaker.model_store.versions import CARD_FILE, find_version, version_numbers
from trialmaker.platform.atomic_files import locked

if TYPE_CHECKING:  # TensorFlow's import
    from trialmaker.model_store.saved_model import Exportable

REPLACED_SECONDS = 5.0  # for which a version can still be loaded after a better one of its run has come
ABANDONED_SECONDS = 3600  # the age at which a hidden folder is taken for that of a killed process


def rival(card: Card, directory: Path) -> Card | None:
    """Return the best version of the card's data, unless the card beats it or there is none."""
    best = best_comparable(directory, card)
    return None if best is None or card.is_better(best) else best


def publish(exportable: "Exportable", card: Card, directory: Path) -> Card:
    """Publish a model as the version that is served, if it beats all versions of its data.

    The export is written under a hidden name and renamed, so that a number never names half a model. Earlier versions
    of the same run are removed some seconds later, since somebody may be loading them: by the next publication or
    ``remove_replaced``. Several processes may publish in the same folder at once.

    Args:
        exportable: the model.
        card: its record, with version 0.
        directory: the folder of versions, which ``prepare`` has made.

    Returns:
        the card of the best version of the data: ``card`` with its number, or that of the model it did not beat.
    """
    hidden = _hidden(directory, card.run_key)
    try:
        exportable.export(hidden)
        return _publish(hidden, card, directory)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def adopt(version: Path, directory: Path) -> Card:
    """Publish a copy of a version of another folder as ``publish`` does, if it beats all versions of its data here.

    Args:
        version: its folder; the id of its run is of another MLflow store, and is left out.
        directory: the folder of versions, which ``prepare`` has made.

    Returns:
        the card of the best version of the data.

    Raises:
        UserError: it has no card, or is no complete model.
    """
    complete = find_version(version)
    card = card_of(complete.card, 0)
    if card is None:
        raise UserError(f"{version}: has no card, or one that says not what it is of; expected a published version")
    card = replace(card, run_id="")
    if best := rival(card, directory):
        return best
    hidden = _hidden(directory, card.run_key if card.run_key.isalnum() else "")
    try:
        shutil.copytree(version, hidden)
        return _publish(hidden, card, directory)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _publish(hidden: Path, card: Card, directory: Path) -> Card:
    """Give an export its number, unless another version is better; return the card of the best one."""
    with locked(directory / LOCK_FILE):
        if best := rival(card, directory):
            return best
        card = replace(card, version=_next_number(directory))
        write_card(card, hidden)
        hidden.rename(directory / str(card.version))
        write_best(card, read_cards(directory), directory)
        _remove_replaced(directory, card.run_key, REPLACED_SECONDS)
    return card


def remove_replaced(directory: Path, run_key: str) -> None:
    """Remove all versions of a run but its last one, at its end; ``best.json`` names a version that is there then.

    Raises:
        UserError: ``best.json`` cannot be read.
    """
    with locked(directory / LOCK_FILE):
        _remove_replaced(directory, run_key, 0.0)


def _remove_replaced(directory: Path, run_key: str, seconds: float) -> None:
    """Remove the versions of a run that a later one of it took the place of so many seconds ago. Call it locked."""
    cards, served = read_cards(directory), read_best(directory)
    own = [card for card in cards if run_key and card.run_key == run_key]
    replaced = [old for old, new in pairwise(own) if _age(directory / str(new.version)) >= seconds]
    remaining = [card for card in cards if card not in replaced]
    is_served = served is not None and served.version in [card.version for card in remaining]
    if own and not is_served:  # a process was killed before it had said which version is served now
        served = best_among(remaining, own[-1])
    if served and (replaced or not is_served):  # before the rest goes: what it names must be there at every moment
        write_best(served, remaining, directory)
    for card in replaced:
        _remove(directory / str(card.version), run_key)


def _age(version: Path) -> float:
    """Return the seconds since a version was published, or its card was last changed."""
    return time.time() - (version / CARD_FILE).stat().st_mtime


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


def prepare(directory: Path, run_key: str = "") -> None:
    """Make the folder of versions, and remove what killed processes left half-written there an hour ago.

    Args:
        run_key: of a run that no other process works on: what an interrupted one left of it is removed at once.

    Raises:
        UserError: its ``best.json`` cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    read_best(directory)
    for hidden in directory.glob(".*/"):
        is_own = run_key and hidden.name.startswith(f".{run_key}.")
        if is_own or time.time() - hidden.stat().st_mtime > ABANDONED_SECONDS:
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


def _remove(version: Path, run_key: str = "") -> None:
    """Remove a version's folder, which vanishes at once."""
    hidden = _hidden(version.parent, run_key)
    version.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _hidden(directory: Path, run_key: str = "") -> Path:
    return directory / ".".join(["", *filter(None, [run_key]), uuid.uuid4().hex])
