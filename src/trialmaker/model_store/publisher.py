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
    """Exports on a thread of its own, from a twin of the model; when epochs are faster than exports, the latest wins.

    A failure of publishing is raised by the next call.

    Args:
        twin: a model of the same architecture, for the publisher alone.
        card: given an event, what to say of its model; the run's id is still missing.
        run_id: asked for when there is something to publish; it may have to be waited for.
        directory: of the versions.
    """

    def __init__(
        self,
        twin: keras.Model,
        class_names: tuple[str, ...],
        card: Callable[[EpochDone], Card],
        run_id: Callable[[], str],
        directory: Path,
    ) -> None:
        self.twin, self.card, self.run_id, self.directory = twin, card, run_id, directory
        self.class_names = class_names
        self.mine: Card | None = None  # the version that holds this run's best model, if one does
        self.best: Card | None = None  # the best version, whoever published it
        self.replaces = 0  # this run's last version, which its next one makes superfluous
        self.waiting: EpochDone | None = None
        self.wake = threading.Condition()
        self.ending = False
        self.error: Exception | None = None
        publishing.prepare(directory)
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    @cached_property
    def exportable(self) -> Exportable:
        """Made when it is needed: most trials of a study publish nothing."""
        return Exportable(self.twin, self.class_names)

    def __call__(self, event: Event) -> None:
        if self.error:
            raise self.error  # now, and not after hours of training
        if isinstance(event, EpochDone) and event.best_weights is not None:
            with self.wake:
                self.waiting = event
                self.wake.notify()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Publish what waits, and end. A failure of publishing is raised here, unless something else failed."""
        with self.wake:
            self.ending = True
            self.wake.notify()
        self.thread.join()
        if self.error and not error:
            raise self.error

    @property
    def version_directory(self) -> Path | None:
        """Where this run's best model is published; None where a model of an earlier run is better."""
        return self.directory / str(self.mine.version) if self.mine else None

    def export(self, directory: Path) -> Path:
        """Write this run's best model elsewhere. Call after the context has ended."""
        self.exportable.export(directory)
        return directory

    def tested(self, metrics: Mapping[str, float]) -> None:
        """Add the test metrics to the record of this run's version, if it is still the best. Call after the context."""
        if self.mine:
            add_metrics(self.mine, metrics, self.directory)

    def _work(self) -> None:
        try:
            while event := self._next():
                self._publish(event.best_weights or [], self.card(event))
        except Exception as error:  # raised again on the thread that closes
            self.error = error

    def _next(self) -> EpochDone | None:
        with self.wake:
            self.wake.wait_for(lambda: self.waiting or self.ending)
            event, self.waiting = self.waiting, None
            return event

    def _publish(self, weights: list[np.ndarray], card: Card) -> None:
        self.twin.set_weights(weights)
        self.best = read_best(self.directory)
        if self.best is None or card.beats(self.best):
            card = replace(card, run_id=self.run_id())
            self.best = publishing.publish(self.exportable, card, self.directory, replaces=self.replaces)
        self.mine = self.best if card.run_id and self.best.run_id == card.run_id else None
        self.replaces = self.mine.version if self.mine else self.replaces
