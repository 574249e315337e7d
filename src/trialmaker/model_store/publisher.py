"""A listener that publishes each better model while the training goes on."""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from trialmaker.errors import UserError
from trialmaker.model_store import catalog, publishing
from trialmaker.model_store.card import Card
from trialmaker.model_store.saved_model import Exportable
from trialmaker.training.events import EpochDone, Event


class Publisher:
    """A listener that exports on a thread of its own; when epochs are faster than exports, it skips to the latest.

    A failure of publishing is raised by the next call.

    Args:
        export_model: a model of the trained architecture, for the publisher alone: the weights of an event are set
            there and exported, while the training goes on with its own model.
        class_names: by label.
        card: returns the record of an event's model, still without the run's id and key.
        run_id: waits for the run's id in MLflow, and returns it. It is called on a thread of its own when there is
            something to publish, which does not wait for it.
        directory: the folder of versions.
        run_key: a random name of the run, by which it knows what it has published before it was interrupted.
        at_end: publish the best model at the end of the context, and only if no exception passes through it: until
            then ``withhold`` may be called. For a trial, which may be pruned.
        on_published: called on the publisher's thread after each publication.

    Attributes:
        own_best: the card of the version that holds this run's best model; None where that is not published.
        best: the card of the best version of this data, whoever published it.
        withheld: why nothing is published; "" if it is.
        served_before: the card of the version that was served until this run, if it is of other data.

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
        *,
        run_key: str,
        at_end: bool = False,
        on_published: Callable[[], None] = lambda: None,
    ) -> None:
        self.export_model, self.card, self.wait_for_run_id, self.directory = export_model, card, run_id, directory
        self.class_names, self.at_end, self.on_published = class_names, at_end, on_published
        self.run_key, self.run_id = run_key, ""
        self.own_best: Card | None = None
        self.best: Card | None = None
        self.served_before: Card | None = None
        self.withheld = ""
        self.pending_event: EpochDone | None = None
        self.condition = threading.Condition()  # of pending_event and is_ending
        self.is_ending = False
        self.error: Exception | None = None
        self.run_id_lock = threading.Lock()
        self.run_id_thread = threading.Thread(target=self._add_run_id, daemon=True)
        publishing.prepare(directory, self.run_key)
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

    def withhold(self, reason: str) -> None:
        """Publish nothing more, for a reason that the log can say."""
        self.withheld = reason

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Publish what waits, and end. A failure of publishing is raised here, unless something else failed."""
        with self.condition:
            if error and self.at_end:
                self.pending_event = None
            self.is_ending = True
            self.condition.notify()
        self.thread.join()
        if self.own_best and not error:
            publishing.remove_replaced(self.directory, self.run_key)
        if self.error and not error:
            raise self.error

    @property
    def version_directory(self) -> Path | None:
        """Return the folder of this run's best model; None where another version is better, or nothing is published."""
        cards = catalog.read_cards(self.directory) if self.own_best else []  # its number may have changed meanwhile
        versions = [self.directory / str(card.version) for card in cards if card.run_key == self.run_key]
        return versions[-1] if versions else None

    def export(self, directory: Path) -> Path:
        """Write this run's best model elsewhere, whole or not at all; return the folder. Call after the context."""
        try:
            self.exportable.export(directory)
        except BaseException:  # such as a full disk's, which half a model would keep full
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return directory

    def record_test_metrics(self, metrics: Mapping[str, float]) -> None:
        """Add the test metrics to the record of this run's best model, if it is published. Call after the context."""
        if self.own_best:
            catalog.update(self.directory, self.run_key, metrics=metrics)

    def record_run_id(self, run_id: str) -> None:
        """Add the run's id in MLflow to what this run has published, and publishes from now on; "" changes nothing."""
        with self.run_id_lock:  # whoever comes second finds it written
            if run_id and self.run_id != run_id:
                self.run_id = run_id
                catalog.update(self.directory, self.run_key, run_id=run_id)

    def _publish_events(self) -> None:
        try:
            while event := self._next_event():
                self._publish(event.best_weights or [], self.card(event))
        except Exception as error:  # raised again by the next call, or at the end
            self.error = error

    def _next_event(self) -> EpochDone | None:
        """Wait for an event, and return it; None at the end."""
        with self.condition:
            self.condition.wait_for(lambda: (self.pending_event and not self.at_end) or self.is_ending)
            event, self.pending_event = self.pending_event, None
            return event

    def _publish(self, weights: list[np.ndarray], card: Card) -> None:
        """Publish a model that beats all versions of its data; else have the best one served, the first time.

        That may be this run's own, which an earlier attempt was killed in the midst of publishing.
        """
        self.export_model.set_weights(weights)
        if self.withheld:
            return
        is_first, served = self.best is None, catalog.read_best(self.directory)
        card = replace(card, run_key=self.run_key, run_id=self.run_id)
        rival = publishing.rival(card, self.directory)
        self.best = rival or publishing.publish(self.exportable, card, self.directory)
        if is_first and (rival or self.best.run_key != self.run_key):
            # later it would take turns with a concurrent run on other data
            self.best = publishing.serve_best(card, self.directory) or self.best
        self.own_best = self.best if self.best.run_key == self.run_key else None
        if self.own_best:
            self._complete_run_id(self.own_best)
        if is_first and served and not served.is_comparable(card):
            self.served_before = served
        if self.own_best:
            self.on_published()

    def _complete_run_id(self, card: Card) -> None:
        """Have the run's id added to a version that was published without it."""
        if card.run_id != self.run_id:  # which came during the export
            catalog.update(self.directory, self.run_key, run_id=self.run_id)
        elif not self.run_id and not self.at_end and not self.run_id_thread.ident:
            self.run_id_thread.start()

    def _add_run_id(self) -> None:
        try:
            self.record_run_id(self.wait_for_run_id())
        except UserError:
            pass  # of the store: the model is published without the id, and the tracker says why at the run's end
        except Exception as error:  # raised again by the next call
            self.error = error
