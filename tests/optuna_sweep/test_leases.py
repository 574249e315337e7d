"""Whose a trial is that runs: of this machine's processes, another container's, or another machine's."""

import time
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import study as studies
from optuna_sweep.storage import open_storage

HERE = studies._machine()


def claimed(tmp_path: Path) -> tuple[studies.Study, int]:
    """A study, and its one trial, which this process has claimed."""
    pruner = optuna.pruners.NopPruner()
    study = studies.Study(open_storage(str(tmp_path / "study.log")), "study", [StudyDirection.MINIMIZE], 1, 3, pruner)
    study.prepare()
    trial = study.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    return study, trial._trial_id


@pytest.mark.parametrize(
    ("host", "pid", "silent_seconds", "lives"),
    [
        (HERE, 1, 0, False),  # alive, but begun at another time: the number was given again
        ("another-machine pid:[4026531836]", 1 << 22, 10, True),
        ("another-machine pid:[4026531836]", 1, 1000, False),
        (HERE.partition(" ")[0] + " pid:[1]", 1 << 22, 10, True),  # a container of the same name
    ],
)
def test_a_worker_elsewhere_lives_while_it_gives_signs(
    tmp_path: Path, host: str, pid: int, silent_seconds: float, lives: bool
) -> None:
    study, trial = claimed(tmp_path)
    owner = {"host": host, "pid": pid, "began": 0.0, "seen": time.time() - silent_seconds, "attempt": 0}
    study.storage.set_trial_system_attr(trial, studies.OWNER, owner)
    study.recover()
    assert study.storage.get_trial(trial).state == (TrialState.RUNNING if lives else TrialState.WAITING)


def test_a_trial_that_nobody_works_on_waits_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, trial = claimed(tmp_path)
    study.storage.set_trial_system_attr(trial, studies.OWNER, {})
    assert study.is_unclear() and not study.recover()
    monkeypatch.setattr(studies, "CLAIM_SECONDS", 0.01)
    time.sleep(0.02)
    assert not study.is_unclear() and study.recover()
    assert study.storage.get_trial(trial).state == TrialState.WAITING
