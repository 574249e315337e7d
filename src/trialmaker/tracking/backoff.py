"""Growing pauses between attempts."""

import threading

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0


class Backoff:
    """Pauses that double from ``FIRST_PAUSE_SECONDS`` to ``LONGEST_PAUSE_SECONDS``.

    Args:
        interruption: what ends a pause early, and makes all later ones as short as the first.
    """

    def __init__(self, interruption: threading.Event) -> None:
        self._interruption = interruption
        self._seconds = FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        """Wait for the next pause's time."""
        if self._interruption.is_set():
            threading.Event().wait(FIRST_PAUSE_SECONDS)
        else:
            self._interruption.wait(self._seconds)
            self._seconds = min(2 * self._seconds, LONGEST_PAUSE_SECONDS)

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._seconds = FIRST_PAUSE_SECONDS
