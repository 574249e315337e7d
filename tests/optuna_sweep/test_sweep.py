"""The Optuna sweeper, with an application of its own: what is typed, and what the study holds in the end."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from optuna_sweep import space
from optuna_sweep.attributes import OVERRIDES
from optuna_sweep.sampling import SamplerFactory
from optuna_sweep.storage import open_storage
from support.sweeping import APP, environment, states, study, sweep, trials, wait_until_running
from support.waiting import HANG_SECONDS, wait_until

# ---- the search space


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("interval(0, 1)", FloatDistribution(0.0, 1.0)),
        ("interval(0.0, 1)", FloatDistribution(0.0, 1.0)),
        ("int(interval(0.4, 3.2))", IntDistribution(0, 3)),
        ("tag(log, interval(1e-4, 1.0))", FloatDistribution(1e-4, 1.0, log=True)),
        ("tag(log, int(interval(1, 64)))", IntDistribution(1, 64, log=True)),
        ("range(1, 4)", IntDistribution(1, 3)),
        ("range(0, 10, 4)", IntDistribution(0, 8, step=4)),
        ("range(0.0, 1.0, 0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("choice(a, b)", CategoricalDistribution(["a", "b"])),
        ("choice(1, 2.5, true)", CategoricalDistribution([1, 2.5, True])),
        ("choice('1', 'a,b')", CategoricalDistribution(["'1'", "'a,b'"])),
        ("choice('a b', [1, 2])", CategoricalDistribution(["a b", "[1,2]"])),
        ("1, 2, 4", CategoricalDistribution([1, 2, 4])),
        ("shuffle(range(1, 4))", IntDistribution(1, 3)),
        ("shuffle(a, b)", CategoricalDistribution(["a", "b"])),
    ],
)
def test_a_sweep_of_hydras_grammar_is_a_distribution(typed: str, expected: object) -> None:
    assert space.read({"x": typed}, []).distributions == {"x": expected}


@pytest.mark.parametrize(
    ("typed", "law"),
    [
        ("interval(2.0, 1.0)", "low <= high"),
        ("tag(log, interval(0.0, 1.0))", "low > 0"),
        ("range(3, 1)", "the range is empty"),
        ("range(0, 1000000000000)", "at most 1000000 values"),
        ("range(0.0, 1.0, 0.0)", "a step other than 0"),
        ("tag(log, range(1, 9))", "cannot be logarithmic"),
    ],
)
def test_a_space_that_is_none_is_refused(typed: str, law: str) -> None:
    with pytest.raises(HydraException, match=law):
        space.read({"x": typed}, [])


def test_a_grid_that_memory_cannot_hold_is_refused() -> None:
    with pytest.raises(HydraException, match=r"x: has 1e\+12 points, and a grid at most 1000000"):
        space.grid_values("x", IntDistribution(0, 10**12))
    grid = OmegaConf.create({"_target_": "optuna.samplers.GridSampler", "seed": 0})
    with pytest.raises(HydraException, match=r"sampler=grid: has 1e\+09 points"):
        SamplerFactory(grid, {name: IntDistribution(1, 1000) for name in "abc"})


def test_the_command_line_wins_over_the_sweep_file() -> None:
    merged = space.read({"x": "interval(0.0, 1.0)", "y": 3, "z": "choice(1, 2)"}, ["x=2", "y=choice(4, 5)", "+new=a"])
    assert merged.distributions == {"z": CategoricalDistribution([1, 2]), "y": CategoricalDistribution([4, 5])}
    assert merged.fixed_overrides == ("x=2", "+new=a")
    assert merged.overrides({"y": 4, "z": None}) == ["x=2", "+new=a", "y=4", "z=null"]


# ---- trials


def test_a_quadratic_finds_its_minimum(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.n_trials=40")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 40
    best = study(tmp_path).best_trial
    assert best.params["x"] == pytest.approx(1, abs=0.3)
    assert f"best trial={best.number} square={best.value:.6g}\n" in done.stdout
    assert f"to repeat it: python {APP} x={best.params['x']} hydra.mode=RUN\n" in done.stdout


def test_a_trial_that_came_with_a_study_sets_nothing_beside_the_search_space(tmp_path: Path) -> None:
    name = "++hydra.job.env_set.FROM_HYDRA"
    waiting = optuna.trial.create_trial(
        state=TrialState.WAITING, params={name: "evil"}, distributions={name: CategoricalDistribution(["evil"])}
    )
    optuna.create_study(study_name="study", storage=open_storage(str(tmp_path / "study.log"))).add_trial(waiting)
    assert sweep(tmp_path, "hydra.sweeper.n_trials=1").returncode == 0
    (trial,) = trials(tmp_path)
    assert trial.state == TrialState.COMPLETE and trial.user_attrs[OVERRIDES] == [f"x={trial.params['x']}"]
    assert (tmp_path / "seen").read_text().endswith(" None")


def test_outside_of_a_sweep_the_task_needs_no_special_case(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(APP), "steps=2"], env=environment(tmp_path), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0 and "task of trial None of None x=0.5" in done.stdout


def test_the_same_command_again_completes_the_study(tmp_path: Path) -> None:
    sweep(tmp_path, "hydra.sweeper.n_trials=5")
    first = [trial.params for trial in trials(tmp_path)]
    again = sweep(tmp_path, "hydra.sweeper.n_trials=9")
    params = [trial.params for trial in trials(tmp_path)]
    assert params[:5] == first and len({trial["x"] for trial in params}) == 9
    assert "task of trial 4" not in again.stdout and "task of trial 5" in again.stdout
    assert {path.name for path in (tmp_path / "multirun").iterdir() if path.is_dir()} == set(map(str, range(9)))
    done = sweep(tmp_path, "hydra.sweeper.n_trials=9")
    assert done.returncode == 0 and "task of" not in done.stdout


def test_a_study_in_two_parts_is_the_study_in_one(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    sweep(whole, "hydra.sweeper.n_trials=14")
    sweep(parts, "hydra.sweeper.n_trials=12")
    sweep(parts, "hydra.sweeper.n_trials=14")
    assert [trial.params for trial in trials(whole)] == [trial.params for trial in trials(parts)]


def test_a_failed_trial_is_recorded_and_the_sweep_goes_on(tmp_path: Path) -> None:
    done = sweep(tmp_path, "fails=[2]", "nothing=[4]", "hydra.sweeper.max_failure_rate=0.5")
    assert done.returncode == 0, done.stderr
    failed = {trial.number: trial.user_attrs["error"] for trial in trials(tmp_path) if trial.state == TrialState.FAIL}
    assert failed == {2: "ValueError: trial 2 is to fail", 4: "the task returned None: expected a number"}


def test_too_many_failures_end_the_sweep_with_a_report(tmp_path: Path) -> None:
    done = sweep(tmp_path, "fails=[0,1,2,3,4]", "hydra.sweeper.max_failure_rate=0.2")
    assert done.returncode != 0
    assert "2 of 8 trials failed, max_failure_rate=0.2; the last: ValueError: trial 1 is to fail" in done.stderr
    assert states(tmp_path).count(TrialState.WAITING) == 6


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("hydra.sweeper.timeout_seconds=0.001", "timeout_seconds=0.001 are over"),
        ("hydra.sweeper.target=100", "target=100 is reached"),
    ],
)
def test_further_ends(tmp_path: Path, end: str, reason: str) -> None:
    sweep(tmp_path, "hydra.sweeper.n_trials=2")
    done = sweep(tmp_path, end)
    assert f"the sweep ends: {reason}" in done.stdout
    assert states(tmp_path).count(TrialState.COMPLETE) == 2


def test_a_pruned_trial_is_pruned(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra/sweeper/pruner=median", "steps=3", "hydra.sweeper.n_trials=25")
    assert done.returncode == 0, done.stderr
    pruned = [trial for trial in trials(tmp_path) if trial.state == TrialState.PRUNED]
    assert pruned and all(1 <= len(trial.intermediate_values) <= 3 for trial in pruned)


def test_a_task_that_never_reports_is_told_so_under_a_pruner(tmp_path: Path) -> None:
    assert "the task reports no values" in sweep(tmp_path, "hydra/sweeper/pruner=median").stdout
    assert "the task reports no values" not in sweep(tmp_path).stdout


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsgaii", "nsgaiii", "cmaes", "motpe", "bruteforce"])
def test_samplers(tmp_path: Path, sampler: str) -> None:
    done = sweep(tmp_path, f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.n_trials=3", "x=range(0,9)")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("pruner", ["median", "percentile", "hyperband", "successive_halving", "patient", "wilcoxon"])
def test_pruners(tmp_path: Path, pruner: str) -> None:
    done = sweep(tmp_path, f"hydra/sweeper/pruner={pruner}", "steps=2", "hydra.sweeper.n_trials=3")
    assert done.returncode == 0, done.stderr


def test_a_sampler_without_its_package_is_refused(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra/sweeper/sampler=gp", "hydra.sweeper.sampler.n_startup_trials=1")
    assert done.returncode != 0
    assert "hydra/sweeper/sampler: No module named 'torch'" in done.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_grid_is_gone_through_once(tmp_path: Path, jobs: int) -> None:
    """The config's own point, which a sweep file may begin with, is none of this grid's."""
    words = ("hydra/sweeper/sampler=grid", "x=choice(1,2,3)", "y=range(0,2)", f"hydra.sweeper.n_jobs={jobs}")
    words += ("hydra.sweeper.enqueue=[default]",)
    done = sweep(tmp_path, *words, "hydra.sweeper.n_trials=100")
    assert done.returncode == 0, done.stderr
    params = [(trial.params["x"], trial.params["y"]) for trial in trials(tmp_path)]
    assert sorted(params) == [(x, y) for x in (1, 2, 3) for y in (0, 1)]
    assert "task of" not in sweep(tmp_path, *words, "hydra.sweeper.n_trials=200").stdout


def test_what_the_chosen_pruner_does_not_take_is_left_out_and_said(tmp_path: Path) -> None:
    """A sweep file sets its own pruner; the command line chooses another one."""
    done = sweep(tmp_path, "hydra/sweeper/pruner=none", "+hydra.sweeper.pruner.min_resource=1")
    assert done.returncode == 0, done.stderr
    assert "hydra.sweeper.pruner: NopPruner does not take min_resource: left out" in done.stdout


def test_a_sweep_file_for_hydra_optuna_sweeper_runs_unchanged(tmp_path: Path) -> None:
    done = sweep(tmp_path, "--config-name", "of_another_sweeper")
    assert done.returncode == 0, done.stderr
    (name,) = {path.name for path in (tmp_path / "multirun").glob("*.yaml")}
    assert name == "optimization_results.yaml"
    results = OmegaConf.load(tmp_path / "multirun" / name)
    assert results.name == "optuna" and set(results.best_params) == {"x", "y"} and results.best_value >= 0


def test_several_objectives(tmp_path: Path) -> None:
    done = sweep(tmp_path, "two=true", "y=range(0,5)", "hydra.sweeper.direction=[minimize,maximize]")
    assert done.returncode == 0, done.stderr
    assert study(tmp_path).metric_names == ["square", "y"]
    assert {len(trial.values) for trial in trials(tmp_path)} == {2}
    front = study(tmp_path).best_trials
    assert f"Pareto front: trials {', '.join(str(trial.number) for trial in front)}\n" in done.stdout
    solutions = OmegaConf.load(tmp_path / "multirun" / "optimization_results.yaml").solutions
    assert [solution["values"] for solution in solutions] == [trial.values for trial in front]


def test_known_points_come_first(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.enqueue=[default,{x:-2.5}]")
    assert done.returncode == 0, done.stderr
    assert [trial.params["x"] for trial in trials(tmp_path)[:2]] == [0.5, -2.5]
    assert "x=7" in sweep(tmp_path, "hydra.sweeper.enqueue=[{x:7}]").stderr


def test_a_custom_search_space_may_be_conditional(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.custom_search_space=app.wide")
    assert done.returncode == 0, done.stderr
    for trial in trials(tmp_path):
        assert ("y" in trial.params) == (trial.params["x"] > 0)


def test_a_dry_run_shows_the_space_and_stores_nothing(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.dry_run=true", "hydra.sweeper.enqueue=[default]")
    assert done.returncode == 0, done.stderr
    assert "x: FloatDistribution(high=5.0, log=False, low=-5.0, step=None)\ntrial 0: x=0.5\ntrial 1: x=" in done.stdout
    assert not (tmp_path / "study.log").exists() and "task of" not in done.stdout


# ---- workers


def test_workers_share_the_study_and_lose_nothing(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.n_trials=40", "hydra.sweeper.n_jobs=3", "hydra/sweeper/sampler=random")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 40
    assert [trial.number for trial in trials(tmp_path)] == list(range(40))
    assert len({trial.params["x"] for trial in trials(tmp_path)}) == 40


def test_a_worker_that_dies_costs_its_trial_one_retry(tmp_path: Path) -> None:
    done = sweep(tmp_path, "dies=3", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 8
    assert (tmp_path / "multirun" / "3_retry_1").is_dir()


def test_workers_end_when_the_process_that_started_them_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(APP), "-m", "sleep=30", "hydra.sweeper.n_jobs=2"],
        cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_until_running(tmp_path, 2)
        workers = children(process.pid)
        process.kill()
    wait_until(lambda: not any(is_running(pid) for pid in workers))
    assert set(states(tmp_path)) == {TrialState.WAITING}


def test_workers_that_all_have_the_same_bug_are_not_replaced_for_ever(tmp_path: Path) -> None:
    done = sweep(tmp_path, "hydra.sweeper.custom_search_space=app.broken", "hydra.sweeper.n_jobs=2")
    assert done.returncode != 0
    log = re.search(r"ended with exit code 1: .*; see (\S+)", done.stderr)
    assert log and "ZeroDivisionError" in Path(log[1]).read_text()
    assert set(states(tmp_path)) == {TrialState.WAITING}


def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """The command, its workers, and then the command again, until it says that it is done."""
    draw = random.Random(0)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, str(APP), "-m", "sleep=0.05", "hydra.sweeper.n_trials=25", "hydra.sweeper.n_jobs=3",
             "hydra.sweeper.max_retries=100", "hydra/sweeper/sampler=random"],
            cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            deadline = time.monotonic() + draw.uniform(2, 4)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(draw.uniform(0.05, 0.3))
                if workers := children(process.pid):
                    kill(draw.choice(workers))
            for pid in [*children(process.pid), process.pid]:
                kill(pid)
    done = sweep(tmp_path, "hydra.sweeper.n_trials=25", "hydra.sweeper.n_jobs=2", "hydra.sweeper.max_retries=100")
    assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 25
    assert [trial.number for trial in trials(tmp_path)] == list(range(25))


@pytest.mark.parametrize(("how", "jobs"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_sweep_that_is_stopped_runs_its_trial_again(tmp_path: Path, how: signal.Signals, jobs: int) -> None:
    with subprocess.Popen(
        [sys.executable, str(APP), "-m", "sleep=30", f"hydra.sweeper.n_jobs={jobs}"],
        cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_until_running(tmp_path, 1)
        process.send_signal(how)
        assert process.wait(timeout=HANG_SECONDS) != 0
    assert set(states(tmp_path)) == {TrialState.WAITING}
    assert sweep(tmp_path).returncode == 0
    assert states(tmp_path) == [TrialState.COMPLETE] * 8


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
