"""The reports of a trial that are kept back to be written together: none is lost, nor late."""

import time
from pathlib import Path

import optuna
import pytest
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf
from optuna.study import StudyDirection
from optuna.trial import Trial

from optuna_sweep.attributes import OWNER
from optuna_sweep.interruption import Deferral
from optuna_sweep.live_trial import LiveTrial
from optuna_sweep.runner import TrialRunner
from optuna_sweep.sampling import SamplerFactory
from optuna_sweep.space import Space
from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study
from optuna_sweep.suggestion import Suggester
from optuna_sweep.trial import current_trial
from support.waiting import wait_until


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(
        open_storage(str(tmp_path / "study.log")), "study", [StudyDirection.MINIMIZE], 1, 3, optuna.pruners.NopPruner()
    )
    study.prepare()
    return study


def claim(study: Study) -> Trial:
    trial = study.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    return trial


def stored(study: Study) -> dict[int, float]:
    return study.storage.get_all_trials(study.id)[0].intermediate_values


def test_the_last_report_is_written_in_time(study: Study) -> None:
    live = LiveTrial(claim(study), write_seconds=1.0)
    for step in (1, 2, 3):
        live.report(0.5, step)
    assert stored(study) == {}
    wait_until(lambda: stored(study) == {1: 0.5, 2: 0.5, 3: 0.5})
    live.report(0.25, 4)
    wait_until(lambda: 4 in stored(study))
    live.write_seconds = 0.0  # the time is over
    live.report(0.125, 5)
    assert 5 in stored(study)


def test_reports_that_come_while_others_are_written_are_all_stored(study: Study) -> None:
    live = LiveTrial(claim(study), write_seconds=0.002)
    for step in range(300):
        live.report(float(step), step)
    live.flush()
    assert stored(study) == {step: float(step) for step in range(300)}


class Stopping:
    """A launcher whose task reports and is stopped, as by a signal."""

    def __init__(self, study: Study, *, is_lost: bool) -> None:
        self.study, self.is_lost = study, is_lost

    def launch(self, _jobs: object, initial_job_idx: int) -> list[JobReturn]:
        current_trial().report(0.5, 1)
        if self.is_lost:
            owner = {"host": "elsewhere", "pid": 1, "began": 0.0, "seen": time.time(), "attempt": 1}
            self.study.storage.set_trial_system_attr(self.study.trials()[initial_job_idx]._trial_id, OWNER, owner)
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_trial_that_is_stopped_stores_its_reports_if_it_is_still_its_own(study: Study, is_lost: bool) -> None:
    sampler = OmegaConf.create({"_target_": "optuna.samplers.RandomSampler", "seed": 0})
    space, samplers = Space({}, ()), SamplerFactory(sampler, {})
    suggester = Suggester(OmegaConf.create({}), "study", "", space, None, samplers, is_in_process=True)
    runner = TrialRunner(study, suggester, Stopping(study, is_lost=is_lost), 1, Deferral())
    trial = claim(study)
    with pytest.raises(KeyboardInterrupt):
        runner._run([trial])
    assert stored(study) == ({} if is_lost else {1: 0.5})
