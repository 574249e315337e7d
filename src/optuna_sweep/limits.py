"""Why a sweep ends."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import workers
from optuna_sweep.study import Study


class Limits:
    """The limits of a sweep, asked before each trial.

    Args:
        fields: of ``hydra.sweeper``.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.began = workers.began()  # a worker that replaces a dead one has no time of its own
        self.moment = datetime.fromtimestamp(self.began)

    def reason(self, study: Study) -> str:
        """Why to begin no further trial; "" to go on."""
        seconds = self.fields["timeout_seconds"]
        if seconds is not None and time.time() - self.began >= seconds:
            return f"timeout_seconds={seconds:g} are over"
        if study.is_exhausted:
            return "the sampler has nothing more to suggest"
        return self.failures(study) or self._target(study)

    def failures(self, study: Study) -> str:
        """Whether there are too many of them, and which law says so."""
        trials = study.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        failed = sum(trial.state == TrialState.FAIL for trial in trials)
        if failed > (rate := self.fields["max_failure_rate"]) * study.n_trials:
            return f"{failed} of {study.n_trials} trials failed, max_failure_rate={rate:g}"
        if most := self.fields["max_consecutive_failures"]:
            own = [trial for trial in trials if trial.datetime_complete and trial.datetime_complete >= self.moment]
            last = sorted(own, key=lambda trial: trial.datetime_complete or self.moment)[-most:]
            if len(last) == most and all(trial.state == TrialState.FAIL for trial in last):
                return f"the last {most} trials failed, max_consecutive_failures={most}"
        return ""

    def _target(self, study: Study) -> str:
        target = self.fields["target"]
        if target is None or not (best := study.best()) or best[0].value is None:
            return ""
        is_more = study.study.direction == StudyDirection.MAXIMIZE
        is_reached = best[0].value >= target if is_more else best[0].value <= target
        return f"target={target:g} is reached" if is_reached else ""
