"""The cards of all versions in a folder, and ``best.json``, which names the version that is served.

Each version's folder holds its own card. ``best.json`` holds the card of the served version, and below ``versions``
those of all versions by their number, for who looks at the folder.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from trialmaker.errors import UserError
from trialmaker.model_store.card import Card, best_of, card_of
from trialmaker.model_store.versions import BEST_FILE, CARD_FILE, read_record, version_numbers
from trialmaker.platform.atomic_files import locked, write_text
from trialmaker.platform.regular_files import read_text

Metrics = Mapping[str, float]
LOCK_FILE = ".lock"  # locked while a version, a card or the record is written


def read_best(directory: Path) -> Card | None:
    """Return the card of the served version; None where there is none, or its folder is gone.

    Raises:
        UserError: ``best.json`` cannot be read as a card.
    """
    path = directory / BEST_FILE
    try:
        record = json.loads(read_text(path))
        card = card_of(record, record["version"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError, OSError, RecursionError) as error:
        raise _damaged(path, error) from error
    if card is None:
        raise _damaged(path, "it lacks a version's metrics or data")
    return card if (directory / str(card.version)).is_dir() else None


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(f"{path}: is not the record of a best model ({reason}): remove it or restore it")


def read_cards(directory: Path) -> list[Card]:
    """Return the cards of the versions that lie in a folder, by ascending number; some may have none.

    A version of an earlier release may have its card in ``best.json`` alone, if it is the one that is served.
    """
    best = read_record(directory / BEST_FILE)
    cards = []
    for number in version_numbers(directory):
        record = read_record(directory / str(number) / CARD_FILE)
        if not record and best.get("version") == number:
            record = best
        if card := card_of(record, number):
            cards.append(card)
    return cards


def best_comparable(directory: Path, card: Card) -> Card | None:
    """Return the best version of the card's data and objective, what it supersedes left out; None for none."""
    return best_among(read_cards(directory), card)


def best_among(cards: Iterable[Card], card: Card) -> Card | None:
    """Return the best of the cards of a card's data and objective, what it supersedes left out; None for none."""
    return best_of(one for one in cards if one.is_comparable(card) and not one.is_superseded(card))


def best_of_each_data(cards: Iterable[Card]) -> list[Card]:
    """Return the best of each group of comparable cards, the highest number first."""
    groups: list[list[Card]] = []
    for card in cards:
        group = next((group for group in groups if group[0].is_comparable(card)), None)
        if group is None:
            groups.append([card])
        else:
            group.append(card)
    return sorted((best for group in groups if (best := best_of(group))), key=lambda card: -card.version)


def served_text(directory: Path, version: int) -> str | None:
    """Return what is served, and where the best models of other data lie; None where there are none.

    Args:
        directory: the folder of versions.
        version: the number of the one that is served.
    """
    cards = read_cards(directory)
    served = next((card for card in cards if card.version == version), None)
    others = _of_other_data(cards, version)
    if served is None or not others:
        return None
    places = [
        f"model/{card.version} {card.difference(served)}: --model-dir {shlex.quote(f'{directory}/{card.version}')}"
        for card in best_of_each_data(others)
    ]
    return "; ".join([f"serves {served}", *places])


def write_card(card: Card, folder: Path) -> None:
    """Write the card into a version's folder; do nothing where somebody has just removed that."""
    path = folder / CARD_FILE
    with suppress(FileNotFoundError):
        path.parent.mkdir(exist_ok=True)
        write_text(path, _text(asdict(card)))


def write_best(card: Card, cards: Iterable[Card], directory: Path) -> None:
    """Replace ``best.json``, at once and whole. Call it under the lock.

    Args:
        card: of the version to serve.
        cards: of all versions.
        directory: the folder of versions.
    """
    versions = {}
    for one in cards:
        versions[str(one.version)] = asdict(one)
        if not (directory / str(one.version) / CARD_FILE).exists():  # of an earlier release, in best.json alone
            write_card(one, directory / str(one.version))
    write_text(directory / BEST_FILE, _text(asdict(card) | {"versions": versions}))


def update(
    directory: Path, run_key: str, *, version: int = 0, run_id: str = "", metrics: Metrics | None = None
) -> None:
    """Add to the cards of a run's versions what was not known when they were published.

    Args:
        directory: the folder of versions.
        run_key: the run's; "" in the cards of earlier releases, for which ``version`` decides.
        version: the number of the one version to change, where there is no key.
        run_id: MLflow's id of the run, or "".
        metrics: to add to those that are there.
    """
    with locked(directory / LOCK_FILE):
        best, cards = read_best(directory), read_cards(directory)
        for at, card in enumerate(cards):
            if card.run_key == run_key and (run_key or card.version == version):
                added = {**card.metrics, **(metrics or {})}
                cards[at] = replace(card, run_id=run_id or card.run_id, metrics=added)
                write_card(cards[at], directory / str(card.version))
        if served := next((card for card in cards if best and card.version == best.version), None):
            write_best(served, cards, directory)


def superseded_versions(directory: Path, run_id: str) -> Iterator[Path]:
    """Yield the folders of the versions that a run published, but for the best one of each data set.

    Without a ``best.json`` that names a version which is there, there are none: the best one could be among them.
    """
    numbers = version_numbers(directory)
    best = read_record(directory / BEST_FILE).get("version")
    cards = read_cards(directory)
    kept = {best, *(card.version for card in best_of_each_data(_of_other_data(cards, best)))}
    for number in numbers if best in numbers else ():
        if number not in kept and read_record(directory / str(number) / CARD_FILE).get("run_id") == run_id:
            yield directory / str(number)


def _of_other_data(cards: Sequence[Card], version: object) -> list[Card]:
    """Return the cards that are not comparable to that of the version."""
    served = [card for card in cards if card.version == version]
    return [card for card in cards if not any(card.is_comparable(one) for one in served)]


def _text(record: object) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
