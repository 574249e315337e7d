"""Running the sweeper on a small application in tests, and reading the study that it leaves."""

import os
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from optuna_sweep.attributes import OWNER
from optuna_sweep.storage import open_storage
from support.entry import PROJECT
from support.forking import ForkingPython
from support.waiting import HANG_SECONDS, wait_until

IMPORTS = """
import hydra.main, optuna.importance, optuna.samplers, optuna.storages.journal, optuna.pruners, sqlalchemy.orm
import optuna_sweep.study, optuna_sweep.sweep
from hydra.core.plugins import Plugins
Plugins.instance()
"""
APP = PROJECT / "tests" / "support" / "sweep_app" / "app.py"
Done = subprocess.CompletedProcess[str]


def environment(root: Path) -> dict[str, str]:
    path = os.pathsep.join([str(PROJECT / "src"), str(APP.parent)])
    return os.environ | {"SWEEP_ROOT": str(root), "PYTHONPATH": path}


@lru_cache
def _python() -> ForkingPython:
    return ForkingPython(IMPORTS, environment(PROJECT))


def sweep(root: Path, *arguments: str) -> Done:
    """Run a whole sweep in a process of its own."""
    return _python().run(APP, ["-m", *arguments], root, environment(root), timeout=HANG_SECONDS)


def study(root: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=open_storage(str(root / "study.log")))


def trials(root: Path) -> list[FrozenTrial]:
    return study(root).get_trials(deepcopy=False)


def states(root: Path) -> list[TrialState]:
    return [trial.state for trial in trials(root)]


def wait_until_running(root: Path, count: int) -> None:
    """Wait until `count` trials run, each with a heartbeat: a signal before it leaves the claim to the next command."""
    wait_until(lambda: (root / "study.log").exists() and _running_count(root) >= count)


def _running_count(root: Path) -> int:
    with suppress(KeyError):  # the study is not there yet
        return sum(trial.state == TrialState.RUNNING and OWNER in trial.system_attrs for trial in trials(root))
    return 0
