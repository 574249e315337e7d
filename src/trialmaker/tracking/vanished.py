"""What is left of a training process that can no longer say how it ended."""

from contextlib import suppress

from trialmaker.platform import result_files
from trialmaker.tracking.journal import has_ended, head, is_released
from trialmaker.tracking.places import RunPlace


def leave_failure(place: RunPlace) -> None:
    """Write ``failure`` for a run whose process is gone without an end: it was killed, or has crashed.

    A study's trials leave that to the process of the study. A run that another process has taken up is left alone.
    """
    with suppress(OSError):
        start = head(place.journal)
        if start is None or start.study or has_ended(place.journal) or not is_released(place.journal):
            return
        if not any((place.output / name).exists() for name in ("success", "failure")):
            cause = "the process vanished: it was killed, perhaps for want of memory, or has crashed"
            result_files.write_failure(
                place.output, f"{cause}; a smaller training.batch_size or model needs less memory"
            )
