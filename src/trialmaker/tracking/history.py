"""What a run's journal has of one type of message."""

from collections.abc import Iterator
from typing import TypeVar

from trialmaker.tracking.journal import read_records
from trialmaker.tracking.journal_messages import NAMES, RecordError, from_record
from trialmaker.tracking.messages import DataUsed, Metrics
from trialmaker.tracking.places import RunPlace

Kind = TypeVar("Kind", Metrics, DataUsed)


def read_messages(place: RunPlace, kind: type[Kind]) -> Iterator[Kind]:
    """Yield all messages of a type, in order; what cannot be read is passed over."""
    for record, _ in read_records(place.journal):
        if record["type"] == NAMES[kind]:
            try:
                message = from_record(record, place.directory, place.output)
            except RecordError:
                continue
            if isinstance(message, kind):
                yield message
