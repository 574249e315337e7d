"""Claims on trials: by processes of this machine, of another container, or of another machine."""

import time
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import leases
from optuna_sweep.attributes import OWNER
from optuna_sweep.process_identity import machine
from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study

THIS_MACHINE = machine()


def study_with_a_claim(tmp_path: Path) -> tuple[Study, int]:
    """A study, and its one trial, which this process has claimed."""
    pruner = optuna.pruners.NopPruner()
    study = Study(open_storage(str(tmp_path / "study.log")), "study", [StudyDirection.MINIMIZE], 1, 3, pruner)
    study.prepare()
    trial = study.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    return study, trial._trial_id


@pytest.mark.parametrize(
    ("host", "pid", "silent_seconds", "lives"),
    [
        (THIS_MACHINE, 1, 0, False),  # alive, but begun at another time: the number was given again
        ("another-machine pid:[4026531836]", 1 << 22, 10, True),
        ("another-machine pid:[4026531836]", 1, 1000, False),
        (THIS_MACHINE.partition(" ")[0] + " pid:[1]", 1 << 22, 10, True),  # a container of the same name
    ],
)
def test_a_worker_elsewhere_lives_while_it_sends_heartbeats(
    tmp_path: Path, host: str, pid: int, silent_seconds: float, lives: bool
) -> None:
    study, trial = study_with_a_claim(tmp_path)
    owner = {"host": host, "pid": pid, "began": 0.0, "seen": time.time() - silent_seconds, "attempt": 0}
    study.storage.set_trial_system_attr(trial, OWNER, owner)
    study.leases.recover()
    assert study.storage.get_trial(trial).state == (TrialState.RUNNING if lives else TrialState.WAITING)


def test_a_claim_without_a_heartbeat_is_requeued_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, trial = study_with_a_claim(tmp_path)
    study.storage.set_trial_system_attr(trial, OWNER, {})
    assert study.leases.has_unconfirmed_claims() and not study.leases.recover()
    monkeypatch.setattr(leases, "CLAIM_SECONDS", 0.01)
    time.sleep(0.02)
    assert not study.leases.has_unconfirmed_claims() and study.leases.recover()
    assert study.storage.get_trial(trial).state == TrialState.WAITING
