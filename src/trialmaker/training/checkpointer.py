"""The listener that writes checkpoints while the training goes on."""

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from trialmaker.errors import one_line
from trialmaker.training.checkpoint_files import write_checkpoint
from trialmaker.training.events import Event, Stopping
from trialmaker.training.snapshot import Snapshot

log = logging.getLogger(__name__)
CAPTURE_SHARE = 0.01  # of the time, for captures that nobody may need
COMPLETE = ("epochs", "patience", "pruned")


class Checkpointer:
    """A listener, and the context of a training, that writes a checkpoint every so many seconds on a thread of its own.

    It must be the last of the loop's own listeners (behind ``StepMeans``, not among those that this passes events on
    to): a checkpoint holds that all others have had the event. What it needs of the training is copied on the
    training's thread, which waits for nothing else. While one is being written, none is begun, unless the training is
    stopped: then at once. A write that fails costs a line, never the training.

    Args:
        directory: of the checkpoints.
        capture: returns the state of the training, copied.
        every_seconds: from the training's start, or from the last capture.
        complete: the reasons to end for which nobody goes on: such an end has a checkpoint only where it is due anyway.
        keeps_latest: whether to capture after other events too, as long as that costs little, for ``write_latest``.

    Attributes:
        capture_seconds: the time spent in captures on the training's thread.
    """

    def __init__(
        self,
        directory: Path,
        capture: Callable[[], Snapshot],
        every_seconds: float,
        *,
        complete: Collection[str] = COMPLETE,
        keeps_latest: bool = False,
    ) -> None:
        self.directory, self.capture, self.every_seconds, self.complete = directory, capture, every_seconds, complete
        self.keeps_latest = keeps_latest
        self.latest: Snapshot | None = None  # the last capture, where it is not written yet
        self.capture_seconds = 0.0
        self.began = self.last = time.monotonic()  # last: the start, or the last capture that is written
        self.has_failed = False  # whether the last write did
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")  # which starts with the first write
        self.writing: Future[None] | None = None

    def __enter__(self) -> "Checkpointer":
        self.began = self.last = time.monotonic()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.writer.shutdown(wait=True)
        if error is None:
            self._is_idle()

    def __call__(self, event: Event) -> None:
        """Write a checkpoint if one is due after this event."""
        is_due = time.monotonic() - self.last >= self.every_seconds and self._is_idle()
        if is_due or (isinstance(event, Stopping) and event.reason not in self.complete):
            self.write_now()
        elif self.keeps_latest and self._is_cheap():
            self.latest = self._captured()

    def write_now(self) -> None:
        """Capture the training's state as it is, and have it written; the context's end waits for that."""
        self.last = time.monotonic()
        snapshot, self.latest = self._captured(), None
        self.writing = self.writer.submit(self._write, snapshot)

    def write_latest(self) -> None:
        """Write the last capture, where that is not done: what a training that ended within a call goes on from.

        It returns when the file is there, or could not be written, and may be called behind the context too.
        """
        if self.writing is not None:
            self.writing.exception()  # which its own place raises
        if self.latest is not None:
            self._write(self.latest)
            self.latest = None

    def _captured(self) -> Snapshot:
        began = time.monotonic()
        snapshot = self.capture()
        self.capture_seconds += time.monotonic() - began
        return snapshot

    def _is_cheap(self) -> bool:
        return self.capture_seconds <= CAPTURE_SHARE * (time.monotonic() - self.began)

    def _is_idle(self) -> bool:
        """Return whether no write goes on; raise what one raised that no full disk explains."""
        if self.writing is None:
            return True
        if self.writing.done():
            self.writing.result()
            self.writing = None
        return self.writing is None

    def _write(self, snapshot: Snapshot) -> None:
        try:
            write_checkpoint(self.directory, snapshot)
        except (OSError, MemoryError) as error:
            if not self.has_failed:
                log.warning(self._failure(error))
            self.has_failed = True
            return
        if self.has_failed:
            log.info(f"checkpoints can be written again to {self.directory}")
        self.has_failed = False

    def _failure(self, error: Exception) -> str:
        why = one_line(getattr(error, "strerror", None) or error)
        return (
            f"{self.directory}: no checkpoint could be written ({why}); the training goes on and tries again every"
            f" {self.every_seconds:g} s, and until then an interrupted run goes on from the one before: free some space"
            " there, or make it writable"
        )
