"""A listener that publishes each better model while the training goes on."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from trialmaker.model_store import publishing
from trialmaker.model_store.card import Card, add_metrics, read_best
from trialmaker.model_store.saved_model import Exportable
from trialmaker.training.events import EpochDone, Event


class Publisher:
    """A listener that exports on a thread of its own; when epochs are faster than exports, it skips to the latest.

    A failure of publishing is raised by the next call.

    Args:
        export_model: a model of the trained architecture, for the publisher alone: the weights of an event are set
            there and exported, while the training goes on with its own model.
        class_names: by label.
        card: returns the record of an event's model, still without the run's id.
        run_id: returns the run's id, and may wait for it; called when there is something to publish.
        directory: the folder of versions.

    Attributes:
        own_best: the card of the version that holds this run's best model; None where that is not published.
        best: the card of the best version, whoever published it.

    Raises:
        UserError: the folder's ``best.json`` cannot be read.
    """

    def __init__(
        self,
        export_model: keras.Model,
        class_names: tuple[str, ...],
        card: Callable[[EpochDone], Card],
        run_id: Callable[[], str],
        directory: Path,
    ) -> None:
        self.export_model, self.card, self.run_id, self.directory = export_model, card, run_id, directory
        self.class_names = class_names
        self.own_best: Card | None = None
        self.best: Card | None = None
        self.replaces = 0  # this run's latest version, which its next one makes superfluous
        self.pending_event: EpochDone | None = None
        self.condition = threading.Condition()  # of pending_event and is_ending
        self.is_ending = False
        self.error: Exception | None = None
        publishing.prepare(directory)
        self.thread = threading.Thread(target=self._publish_events, daemon=True)
        self.thread.start()

    @cached_property
    def exportable(self) -> Exportable:
        """Return the exported form, which is made when it is needed: most trials of a study publish nothing."""
        return Exportable(self.export_model, self.class_names)

    def __call__(self, event: Event) -> None:
        """Have an epoch's model published, if it is this run's best so far."""
        if self.error:
            raise self.error  # now, and not after hours of training
        if isinstance(event, EpochDone) and event.best_weights is not None:
            with self.condition:
                self.pending_event = event
                self.condition.notify()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Publish what waits, and end. A failure of publishing is raised here, unless something else failed."""
        with self.condition:
            self.is_ending = True
            self.condition.notify()
        self.thread.join()
        if self.error and not error:
            raise self.error

    @property
    def version_directory(self) -> Path | None:
        """Return the folder of this run's best model; None where a model of an earlier run is better."""
        return self.directory / str(self.own_best.version) if self.own_best else None

    def export(self, directory: Path) -> Path:
        """Write this run's best model elsewhere, and return that folder. Call after the context has ended."""
        self.exportable.export(directory)
        return directory

    def record_test_metrics(self, metrics: Mapping[str, float]) -> None:
        """Add the test metrics to the record of this run's version, if it is still the best. Call after the context."""
        if self.own_best:
            add_metrics(self.own_best, metrics, self.directory)

    def _publish_events(self) -> None:
        try:
            while event := self._next_event():
                self._publish(event.best_weights or [], self.card(event))
        except Exception as error:  # raised again by the next call, or at the end
            self.error = error

    def _next_event(self) -> EpochDone | None:
        """Wait for an event, and return it; None at the end."""
        with self.condition:
            self.condition.wait_for(lambda: self.pending_event or self.is_ending)
            event, self.pending_event = self.pending_event, None
            return event

    def _publish(self, weights: list[np.ndarray], card: Card) -> None:
        self.export_model.set_weights(weights)
        self.best = read_best(self.directory)
        if self.best is None or card.beats(self.best):
            card = replace(card, run_id=self.run_id())
            self.best = publishing.publish(self.exportable, card, self.directory, replaces=self.replaces)
        self.own_best = self.best if card.run_id and self.best.run_id == card.run_id else None
        self.replaces = self.own_best.version if self.own_best else self.replaces
