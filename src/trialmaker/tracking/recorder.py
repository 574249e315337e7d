"""What a journal's records do to MLflow: those of a run, or those of a study's result."""

import threading
from collections.abc import Sequence
from contextlib import suppress

from trialmaker.platform.garbage_collection import paused_garbage_collection
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.insistence import Report
from trialmaker.tracking.messages import End, Start, StudyDone
from trialmaker.tracking.places import RunPlace
from trialmaker.tracking.run import Run, Timed, open_store
from trialmaker.tracking.system_metrics import SystemMetrics


class Recorder:
    """The MLflow run of a journal, made when it has something to record.

    Args:
        place: of the journal.
        start: of the run; of a study, that of its own run.
        state: how far MLflow has it.
        report: told ``run_id``.
        is_live: whether the training goes on, so that the machine's metrics are sampled.
    """

    def __init__(self, place: RunPlace, start: Start, state: DeliveryState, report: Report, *, is_live: bool) -> None:
        self.place, self.start, self.state, self.report, self.is_live = place, start, state, report, is_live
        self.is_of_study = bool(start.study) and start.trial is None
        self.run: Run | None = None
        self.system_metrics: SystemMetrics | None = None

    def record(self, batch: Sequence[Timed]) -> None:
        """Record messages in order. Raises whatever MLflow raises; then the same may be recorded again."""
        if self.is_of_study:
            self._record_study(batch)
            return
        run = self.run = self.run or self._open(batch)
        if self.system_metrics and any(isinstance(one.message, End) for one in batch):
            self.system_metrics.finish()
        run.record(batch)

    def note_failure(self) -> None:
        """Note that something may have been recorded whose confirmation was lost."""
        if self.run:
            self.run.may_repeat = True

    def resume_sampling(self) -> None:
        """Sample the machine's metrics again, which ended when the store was away."""
        if self.system_metrics and not self.state.is_ended:
            self.system_metrics.begin(goes_on=True)

    def abandon(self) -> None:
        """Sample the machine's metrics no longer; their store is gone."""
        if self.system_metrics:
            with suppress(Exception):
                self.system_metrics.finish()

    def _open(self, batch: Sequence[Timed]) -> Run:
        """Return the run, which is created if it was not."""
        had_id = bool(self.state.run_id)
        run = Run(self.place, self.start, self.state, batch[0].time)
        if not had_id:
            self.report({"run_id": run.run_id})
        if self.is_live:
            if self.start.trial is not None:
                # Not in the thread, beside MLflow: while this is imported, the whole process lacks scikit-learn.
                import optuna_sweep.importance  # noqa: F401
            threading.Thread(target=_import_plotting, args=(self.start,), daemon=True).start()
            if not self.start.study:
                self.system_metrics = SystemMetrics(run.run_id, self.start.system_metrics_seconds, self.place.store)
                self.system_metrics.begin(goes_on=had_id)
        return run

    def _record_study(self, batch: Sequence[Timed]) -> None:
        from trialmaker.tracking import study

        for time, message in batch:
            if isinstance(message, StudyDone):
                self.state.run_id = run_id = study.record(open_store(self.place), message, time)
                self.report({"run_id": run_id})


def _import_plotting(start: Start) -> None:
    """Import, while the training goes on, what draws the figures at its end, or at the end of its study."""
    if start.trial is None:
        with paused_garbage_collection("matplotlib"):
            from trialmaker.tracking.figures import artifacts  # noqa: F401
    else:
        from trialmaker.tracking import study

        study.import_plotting(start.trial)
