"""Mistakes in sweeps, and their messages: a line that names the law, the value and what to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study
from support.sweeping import APP, environment, states, sweep, trials, wait_until_running
from support.waiting import HANG_SECONDS, wait_until


@pytest.mark.parametrize(
    ("words", "law"),
    [
        (
            ["hydra.sweeper.pruner=median"],
            "hydra.sweeper.pruner=median: write hydra/sweeper/pruner=median to choose one",
        ),
        (["hydra.sweeper.sampler=tpe"], "hydra.sweeper.sampler=tpe: write hydra/sweeper/sampler=tpe to choose one"),
        (["hydra.sweeper.direction=up"], "hydra.sweeper.direction=up: must be minimize or maximize, or a list of them"),
        (["hydra.sweeper.direction=null"], "hydra.sweeper.direction=None: must be minimize or maximize"),
        (["hydra.sweeper.direction=[]"], "hydra.sweeper.direction=[]: must be minimize or maximize"),
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be at least 1"),
        (["hydra.sweeper.n_jobs=0"], "hydra.sweeper.n_jobs=0: must be at least 1"),
        (["hydra.sweeper.max_failure_rate=-1"], "hydra.sweeper.max_failure_rate=-1.0: must be 0 to 1"),
        (["hydra.sweeper.timeout_seconds=0"], "hydra.sweeper.timeout_seconds=0.0: must be more than 0"),
        (["hydra.sweeper.custom_search_space=nowhere.at_all"], "custom_search_space=nowhere.at_all: No module named"),
        (["hydra.sweeper.enqueue=[defalt]"], "hydra.sweeper.enqueue=defalt: must be default, or parameters such as"),
        (["hydra.sweeper.enqueue=[{z:1}]"], "hydra.sweeper.enqueue: z=1 lies outside of None"),
        (
            ["hydra.sweeper.sampler.n_startup_trials=abc"],
            "hydra.sweeper.sampler.n_startup_trials=abc: must be a number",
        ),
        (
            ["+hydra.sweeper.search_space.x=1"],
            "hydra.sweeper.search_space: there is no such field; write params: x: interval(0.0, 1.0)",
        ),
        (["+hydra.sweeper.n_trails=9"], "hydra.sweeper.n_trails: there is no such field; did you mean n_trials?"),
        (["+hydra.sweeper.zebra=9"], "hydra.sweeper.zebra: there is no such field; there are custom_search_space, "),
        (
            ["+hydra.sweeper.sampler.n_startup=9"],
            "hydra.sweeper.sampler.n_startup: there is no such argument; did you mean n_startup_trials?",
        ),
        (
            ["hydra/sweeper/pruner=percentile", "+hydra.sweeper.pruner.percent=9"],
            "hydra.sweeper.pruner.percent: there is no such argument; did you mean percentile?",
        ),
        (["hydra.sweeper.sampler.group=abc"], "hydra.sweeper.sampler.group=abc: must be true or false"),
        (["hydra.sweeper.params=null"], "hydra.sweeper.params: there is nothing to search"),
        (["x=interval(0,inf)"], "must be finite"),
        (["hydra.sweeper.target=1", "hydra.sweeper.direction=[minimize,minimize]"], "target=1.0: needs one direction"),
        (
            ["hydra.sweeper.storage='grpc://localhost:abc'"],
            "hydra.sweeper.storage=grpc://localhost:abc: invalid literal",
        ),
        (["hydra.sweeper.storage='postgresql://u:p@h:12x/db'"], "hydra.sweeper.storage=postgresql://u:***@h:12x/db: "),
        (["hydra.sweeper.storage=/tmp"], "hydra.sweeper.storage=/tmp: is no regular file; name another one"),
        ([f"hydra.sweeper.storage='{APP}'"], "is no journal of Optuna's; name another file"),
        ([f"hydra.sweeper.storage='sqlite:///{APP}'"], "file is not a database"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path: Path, words: list[str], law: str) -> None:
    done = sweep(tmp_path, *words)
    assert done.returncode != 0 and law in done.stderr.splitlines()[-1], done.stderr


def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "precious.json"
    path.write_text('{"precious": 1}')
    assert sweep(tmp_path, f"hydra.sweeper.storage={path}").returncode != 0
    assert path.read_text() == '{"precious": 1}'


def test_a_study_with_other_directions_or_choices_is_not_gone_on_with(tmp_path: Path) -> None:
    assert sweep(tmp_path, "x=choice(1,2)", "hydra.sweeper.n_trials=2").returncode == 0
    other = "take another hydra.sweeper.study_name"
    done = sweep(tmp_path, "x=choice(1,2,3)")
    assert "x: study study has CategoricalDistribution(choices=(1, 2)) for it, not" in done.stderr
    assert other in done.stderr
    done = sweep(tmp_path, "x=choice(1,2)", "hydra.sweeper.direction=maximize")
    assert "has direction ['minimize'], not ['maximize']" in done.stderr and other in done.stderr


def test_passwords_among_overrides_are_not_shown(tmp_path: Path) -> None:
    done = sweep(tmp_path, "y='http://me:secret@host'", "hydra.sweeper.n_trials=1")
    assert "to repeat it: " in done.stdout and "secret" not in done.stdout


def test_a_failed_trials_traceback_is_kept(tmp_path: Path) -> None:
    done = sweep(tmp_path, "fails=[1]", "hydra.sweeper.max_failure_rate=1")
    path = tmp_path / "multirun" / "1" / "traceback.txt"
    assert f"trial 1 failed: ValueError: trial 1 is to fail; see {path}\n" in done.stdout
    assert "raise ValueError" in path.read_text()


def test_failures_of_earlier_commands_do_not_end_this_one(tmp_path: Path) -> None:
    words = ("hydra.sweeper.max_failure_rate=1", "hydra.sweeper.max_consecutive_failures=2")
    first = sweep(tmp_path, "fails=[0,1]", *words)
    assert "the last 2 trials failed" in first.stderr
    assert sweep(tmp_path, *words).returncode == 0
    assert states(tmp_path) == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 6


def test_the_second_attempt_of_a_trial_is_a_new_one(tmp_path: Path) -> None:
    """Its directory, its reports, and what the pruner sees of them."""
    words = ["steps=5", "hydra/sweeper/pruner=median", "hydra.sweeper.n_trials=2"]
    with subprocess.Popen(
        [sys.executable, str(APP), "-m", "sleep=30", *words], cwd=tmp_path, env=environment(tmp_path),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_until_running(tmp_path, 1)
        wait_until(lambda: len(trials(tmp_path)[0].intermediate_values) == 5)
        process.send_signal(signal.SIGTERM)
    done = sweep(tmp_path, *words)
    assert done.returncode == 0 and "already reported" not in done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "multirun").iterdir() if path.is_dir()} == {"0", "0_retry_1", "1"}


def test_a_space_of_few_points_is_gone_through_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    words = ("hydra/sweeper/sampler=bruteforce", "x=choice(1,2)", "hydra.sweeper.n_trials=8")
    for _ in range(2):
        assert sweep(tmp_path, *words).returncode == 0
    assert sorted(trial.params["x"] for trial in trials(tmp_path)) == [1, 2]


def test_two_commands_that_start_together_go_through_a_grid_once(tmp_path: Path) -> None:
    words = ["hydra/sweeper/sampler=grid", "x=range(0,20)", "hydra.sweeper.n_trials=20"]
    commands = [
        subprocess.Popen(
            [sys.executable, str(APP), "-m", *words], cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [command.wait(timeout=HANG_SECONDS) for command in commands] == [0, 0, 0]
    done = [trial.params["x"] for trial in trials(tmp_path) if trial.state == TrialState.COMPLETE]
    assert sorted(done) == list(range(20))


def test_workers_share_a_study_in_sqlite(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/study.db"
    words = ["hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=20", "hydra/sweeper/sampler=random"]
    done = sweep(tmp_path, f"hydra.sweeper.storage={place}", *words)
    assert done.returncode == 0, done.stderr
    storage = optuna.storages.RDBStorage(place)
    assert [trial.state for trial in storage.get_all_trials(1)] == [TrialState.COMPLETE] * 20
    storage.engine.dispose()
    lines = [line for log in tmp_path.glob("multirun/worker-*.log") for line in log.read_text().splitlines()]
    assert sum(line.startswith("task of trial ") for line in lines) == 20


def test_jobs_of_other_launchers_keep_their_trials_numbers(tmp_path: Path) -> None:
    rows = Study(
        open_storage(str(tmp_path / "study.log")), "study", [StudyDirection.MINIMIZE], 4, 0, optuna.pruners.NopPruner()
    )
    rows.prepare()
    second = rows.storage.get_all_trials(rows.id)[1]._trial_id
    rows.storage.set_trial_state_values(second, TrialState.RUNNING)
    rows.storage.set_trial_state_values(second, TrialState.COMPLETE, [0.5])
    done = sweep(tmp_path, "hydra/launcher=joblib", "hydra.sweeper.n_jobs=3", "hydra.sweeper.n_trials=4")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "multirun").iterdir() if path.is_dir()} == {"0", "2", "3"}
    assert states(tmp_path) == [TrialState.COMPLETE] * 4


def test_workers_that_die_at_once_are_not_started_for_ever(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif 'HYDRA_OPTUNA_WORKER' in os.environ:\n    os.kill(os.getpid(), 9)\n"
    )
    paths = environment(tmp_path)["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, str(APP), "-m", "hydra.sweeper.n_jobs=2"], cwd=tmp_path, capture_output=True, text=True,
        env=environment(tmp_path) | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{paths}"}, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.returncode != 0
    assert "was killed by signal 9 before it began a trial" in done.stderr
    assert set(states(tmp_path)) == {TrialState.WAITING}
