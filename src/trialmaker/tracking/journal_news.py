"""The records of a journal that MLflow does not have yet, in batches: a write costs as much as many records."""

import time
from pathlib import Path

from trialmaker.tracking.journal import END_TYPES, Position, read_records

BATCH_RECORDS = 1000
METRICS_SECONDS = 1.0  # between two writes of metrics, while nothing else comes


class News:
    """What comes to a journal's end, read once.

    Args:
        journal: the file.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._offset = 0
        self._kept: list[Position] = []  # which follow the offset
        self._metrics_at = -METRICS_SECONDS  # when metrics alone were returned last, by ``time.monotonic()``

    def read(self, offset: int, *, is_last: bool) -> list[Position]:
        """Return the records after an offset, up to an end of the run, or as many as are written at once.

        Metrics that come soon after others are kept back for up to ``METRICS_SECONDS``, as long as nothing else comes.

        Args:
            offset: how far the journal is delivered.
            is_last: whether nobody appends to the journal any more, so that nothing is kept back.
        """
        if offset != self._offset:
            self._offset, self._kept = offset, []
        self._read_further()
        if self._kept and not is_last and len(self._kept) < BATCH_RECORDS and all(map(_is_of_metrics, self._kept)):
            if time.monotonic() - self._metrics_at < METRICS_SECONDS:
                return []
            self._metrics_at = time.monotonic()
        news, self._kept = self._kept, []
        return news

    def _read_further(self) -> None:
        start = self._kept[-1].end if self._kept else self._offset
        if self.journal.stat().st_size <= start:
            return
        for position in read_records(self.journal, start):
            self._kept.append(position)
            if position.record["type"] in END_TYPES or len(self._kept) == BATCH_RECORDS:
                return


def _is_of_metrics(position: Position) -> bool:
    return bool(position.record["type"] == "metrics")
