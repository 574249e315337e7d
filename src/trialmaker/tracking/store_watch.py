"""An output's own store while a run is delivered to it: whether it is still the same one, and can be used."""

from trialmaker.tracking import experiments, output_store, sqlite_store
from trialmaker.tracking.insistence import Report
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.settings import STORE_FILE


class StoreReplaced(Exception):
    """A store that was removed, or set aside, since the delivery began: another one gets all of the run."""


class StoreWatch:
    """The watch over an output's own store. Any other store is left to whoever keeps it.

    Args:
        place: of the run.
        report: told ``notice``, a line for the person, when what cannot be used has been set aside.
    """

    def __init__(self, place: RunPlace, report: Report) -> None:
        self._place, self._report = place, report
        self._identity: tuple[int, int] | None = None  # of the store that has the run

    def clear_place(self, *, is_suspect: bool = False) -> bool:
        """Set aside what cannot be used as the store; return whether there was anything. See ``output_store``."""
        notice = None if self._place.uri else output_store.clear_place(self._place.output, is_suspect=is_suspect)
        if notice:
            self._report({"notice": notice})
        return notice is not None

    def note_use(self) -> None:
        """Note that the store has the run."""
        self._identity = self._identity or output_store.identity(self._place.output)

    def is_replaced(self, *, is_open: bool) -> bool:
        """Return whether the store is another one now, or none.

        Args:
            is_open: whether this process has it open.
        """
        there = output_store.identity(self._place.output)
        return not self._place.uri and is_open and (there is None or self._identity not in (None, there))

    def is_lost(self, error: Exception, *, is_open: bool) -> bool:
        """Return whether an error means that the store is another one now, or must be; it is set aside then."""
        if self._place.uri:
            return False
        return self.is_replaced(is_open=is_open) or (
            output_store.is_damage(error) and self.clear_place(is_suspect=True)
        )

    def begin_anew(self) -> None:
        """Forget the store, and what MLflow and this process know of it."""
        self._identity = None
        experiments.forget()
        sqlite_store.close_connections(self._place.output / STORE_FILE)
