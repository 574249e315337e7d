"""The reasons for which a sweep ends."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import workers
from optuna_sweep.study import Study


class Limits:
    """The limits of a sweep, checked before each trial.

    Args:
        fields: those of ``hydra.sweeper``.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.start_seconds = workers.sweep_start_seconds()  # a worker that replaces a dead one has no time of its own
        self.start = datetime.fromtimestamp(self.start_seconds)

    def reason(self, study: Study) -> str:
        """Return why to begin no further trial; "" to go on."""
        seconds = self.fields["timeout_seconds"]
        if seconds is not None and time.time() - self.start_seconds >= seconds:
            return f"timeout_seconds={seconds:g} are over"
        if study.is_exhausted:
            return "the sampler has nothing more to suggest"
        return self.failure_reason(study) or self._target_reason(study)

    def failure_reason(self, study: Study) -> str:
        """Return which limit of failed trials is exceeded; "" if none is."""
        trials = study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        failed = sum(trial.state == TrialState.FAIL for trial in trials)
        if failed > (rate := self.fields["max_failure_rate"]) * study.n_trials:
            return f"{failed} of {study.n_trials} trials failed, max_failure_rate={rate:g}"
        if limit := self.fields["max_consecutive_failures"]:
            own = [trial for trial in trials if trial.datetime_complete and trial.datetime_complete >= self.start]
            last = sorted(own, key=lambda trial: trial.datetime_complete or self.start)[-limit:]
            if len(last) == limit and all(trial.state == TrialState.FAIL for trial in last):
                return f"the last {limit} trials failed, max_consecutive_failures={limit}"
        return ""

    def _target_reason(self, study: Study) -> str:
        target = self.fields["target"]
        if target is None or not (best := study.best()) or best[0].value is None:
            return ""
        is_maximized = study.study.direction == StudyDirection.MAXIMIZE
        is_reached = best[0].value >= target if is_maximized else best[0].value <= target
        return f"target={target:g} is reached" if is_reached else ""
