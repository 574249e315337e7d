"""The card of a version: which run trained it, on which data, and how good it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from trialmaker.training.objective import Objective

MAX_NUMBER = 2**63  # of versions and epochs: what JSON's readers, and TensorFlow Serving, take


@dataclass(frozen=True)
class Card:
    """The record of a version, as it lies in its folder and as ``best.json`` holds it.

    Args:
        run_id: MLflow's id of the run that trained the version; "" as long as MLflow has not answered.
        model: the architecture's name.
        data: the data set's name.
        data_digest: the digest of the data set's examples.
        objective: the metric that decides which version is better.
        direction: ``maximize`` or ``minimize``.
        epoch: the epoch that the weights are from, counted from 1.
        metrics: those of that epoch; the test metrics are added when the run ends.
        version: the folder's number; 0 before the version is published.
        validation_digest: the digest of the validation examples; "" in the cards of earlier releases.
        run_key: a random name of the run, which is known before ``run_id`` is; "" in the cards of earlier releases.
        study: of which the run was a trial; "" for a plain run, and in the cards of earlier releases.
        stopped_by: why the epoch ended early, such as ``signal``; "" for a whole one. A run that goes on does not count
            what it published of a part of an epoch.
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
    validation_digest: str = ""
    run_key: str = ""
    study: str = ""
    stopped_by: str = ""

    @property
    def value(self) -> float:
        """Return the value of the objective."""
        return self.metrics[self.objective]

    def is_comparable(self, other: "Card") -> bool:
        """Return whether two versions were measured alike: by one objective, on the same validation examples."""
        digests = self.validation_digest, other.validation_digest
        if not all(digests):
            digests = self.data_digest, other.data_digest
        return self.objective == other.objective and digests[0] == digests[1]

    def is_superseded(self, card: "Card") -> bool:
        """Return whether this is of a part of an epoch, and the card of a whole epoch of the same run."""
        return bool(self.run_key and self.run_key == card.run_key and self.stopped_by and not card.stopped_by)

    def is_better(self, other: "Card") -> bool:
        """Return whether this version is better than a comparable one; not by equal metrics."""
        return Objective(self.objective, self.direction).is_better(self.metrics, other.metrics)

    def difference(self, other: "Card") -> str:
        """Return in what a version that is not comparable to ``other`` differs from it."""
        if self.data != other.data:
            return f"is of {self.data}"
        if self.objective != other.objective:
            return f"is best by {self.objective}"
        return f"is of other validation examples of {self.data}"

    def __str__(self) -> str:
        return f"model/{self.version} ({self.data}, {self.objective}={self.value:.4f})"


def card_of(record: Mapping[str, Any], version: int) -> Card | None:
    """Return the card that a JSON object holds, for the version in whose folder it lies; None if it holds none.

    Entries that this release does not know are left out.
    """
    known = {one.name: record[one.name] for one in fields(Card) if one.name in record}
    try:
        card = Card(**known | {"version": version})
        float(card.value), float(card.metrics["val_loss"])
    except (TypeError, ValueError, LookupError, OverflowError):
        return None
    return card if _is_card(card) else None


def _is_card(card: Card) -> bool:
    """Return whether all values of a card are of their types: it may be anybody's."""
    texts = (card.run_id, card.model, card.data, card.data_digest, card.objective, card.direction)
    others = (card.validation_digest, card.run_key, card.study, card.stopped_by)
    numbers = (card.epoch, card.version)
    return (
        all(isinstance(text, str) for text in (*texts, *others))
        and all(type(number) is int and 0 <= number < MAX_NUMBER for number in numbers)
        and all(type(value) in (int, float) for value in card.metrics.values())
    )


def best_of(cards: Iterable[Card]) -> Card | None:
    """Return the best of comparable cards, of equal ones the last; None where there are none."""
    best = None
    for card in cards:
        if best is None or not best.is_better(card):
            best = card
    return best
