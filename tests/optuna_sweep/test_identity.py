"""A study is one study: what is fixed in it, and the refusal of a command that differs, before its first trial."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.study import StudyDirection

from optuna_sweep import space
from optuna_sweep.application import Application
from optuna_sweep.fingerprint import SEARCHED, UNSET, Fingerprint, of_study
from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study
from support.sweeping import APP, environment, study, sweep, trials
from support.waiting import HANG_SECONDS

WAYS_ON = "; take another hydra.sweeper.study_name, or those values"


@pytest.mark.parametrize(
    ("old", "new", "differences"),
    [
        ({"x": 1}, {"x": 1}, []),
        ({"x": 1, "y": [1, 2]}, {"x": 2, "y": [1]}, [("x", 1, 2), ("y", [1, 2], [1])]),
        ({"x": 1}, {"x": 1.0}, []),
        ({"x": float("nan")}, {"x": float("nan")}, []),
        ({"x": 1}, {}, [("x", 1, UNSET)]),
        ({}, {"x": None}, [("x", UNSET, None)]),
        ({"x": 1}, {"x": SEARCHED}, [("x", 1, SEARCHED)]),
        ({"x": SEARCHED}, {"x": SEARCHED}, []),
    ],
)
def test_differences(old: dict[str, Any], new: dict[str, Any], differences: list[tuple[str, Any, Any]]) -> None:
    assert list(Fingerprint(old, {}, {}).differences(Fingerprint(new, {}, {}))) == differences


def test_a_groups_choice_stands_for_the_fields_of_one_side() -> None:
    old = Fingerprint({"model.name": "mlp", "model.units": 8, "model.rate": 0.1}, {"model": "mlp", "sweeps": "a"}, {})
    new = Fingerprint({"model.name": "cnn", "model.filters": 4, "model.rate": 0.2}, {"model": "cnn", "sweeps": "b"}, {})
    assert list(old.differences(new)) == [("model", "mlp", "cnn"), ("model.rate", 0.1, 0.2)]
    renamed = Fingerprint(old.fixed, {"model": "my_mlp"}, {})
    assert list(old.differences(renamed)) == []


def test_a_field_that_another_version_brings_is_no_difference() -> None:
    old, new = Fingerprint({"x": 1}, {}, {"app": "1"}), Fingerprint({"x": 1, "y": 2}, {}, {"app": "2"})
    assert list(old.differences(new)) == list(new.differences(old)) == []
    assert list(old.differences(Fingerprint({"x": 3, "y": 2}, {}, {"app": "2"}))) == [("x", 1, 3)]


def test_what_is_fixed() -> None:
    values = {
        "x": 0.5, "seed": 3, "twice": "${seed}", "job": "run ${hydra.job.num} ${now:%S}", "place": "/here", "empty": {},
        "address": "http://me:secret@host", "model": {"name": "mlp", "units": [8, 8]}, "other": {"name": "a", "y": 1},
        "hydra": {"runtime": {"choices": {"model": "mlp", "other": "a", "experiment": None}}},
    }  # fmt: skip
    searched = space.read({"x": "interval(0.0,1.0)", "other": "choice(a,b)"}, ["other.y=2", "seed=3"])
    application = Application(("place",), lambda config, names: {"data": f"{config.seed} {sorted(names)}"}, dict)
    fingerprint = of_study(OmegaConf.create(values), searched, application, {"more": None})
    assert fingerprint.fixed == {
        "x": SEARCHED, "other": SEARCHED, "other.y": 2, "seed": 3, "twice": 3, "job": "run $hydra.job.num} $now:%S}",
        "address": "http://***@host", "model.name": "mlp", "model.units": [8, 8], "empty": {}, "more": None,
        "data": "3 ['other', 'x']",
    }  # fmt: skip
    assert fingerprint.groups == {"model": "mlp", "other": "a"}
    values["broken"] = "${nowhere}"
    assert of_study(OmegaConf.create(values), searched, application, {}).fixed["twice"] == "${seed}"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one trial, of y=2 and the data a."""
    root = tmp_path_factory.mktemp("begun")
    (root / "data.txt").write_text("a")
    assert sweep(root, "hydra.sweeper.n_trials=1").returncode == 0
    return root


@pytest.mark.parametrize(
    ("words", "differences"),
    [
        (["y=3"], "y=2, not 3"),
        (["y=3", "hydra.sweeper.dry_run=true"], "y=2, not 3"),
        (["y=3", "hydra.sweeper.n_jobs=2"], "y=2, not 3"),
        (["+hydra.sweeper.params.y=3"], "y=2, not 3"),
        (["y=choice(2,3)"], "y=2, not searched"),
        (["hydra.sweeper.params.x=0.5", "y=choice(2,3)"], "x searched, not 0.5; y=2, not searched"),
        (["+z=a b"], "z unset, not a b"),
        (["two=true", "steps=1"], "steps=0, not 1; two=false, not true"),
        (["y=3", "hydra.sweeper.direction=maximize"], "direction ['minimize'], not ['maximize']; y=2, not 3"),
    ],
)
def test_a_command_that_differs_is_refused(begun: Path, words: list[str], differences: str) -> None:
    done = sweep(begun, *words)
    assert done.returncode != 0 and "task of" not in done.stdout
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"hydra.errors.HydraException: study study in {begun}/study.log has {differences}"), line
    assert line.endswith(WAYS_ON) and len(trials(begun)) == 1


def test_what_the_application_hands_over_counts(begun: Path) -> None:
    (begun / "data.txt").write_text("b")
    try:
        assert f"has data=a, not b{WAYS_ON}" in sweep(begun).stderr
    finally:
        (begun / "data.txt").write_text("a")


def test_a_study_has_the_objectives_names_from_the_application(begun: Path) -> None:
    assert study(begun).metric_names == ["square"]


def test_what_decides_only_how_the_search_goes_may_change(tmp_path: Path) -> None:
    assert sweep(tmp_path, "hydra.sweeper.n_trials=1").returncode == 0
    words = ["x=interval(0.0,1.0)", "hydra/sweeper/pruner=median", "hydra/sweeper/sampler=random", "sleep=0.01"]
    done = sweep(tmp_path, *words, "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler.seed=4")
    assert done.returncode == 0, done.stderr
    fixed = {"y": 2, "steps": 0, "two": False, "x": SEARCHED, "hydra/sweeper/sampler": "another"}
    assert study(tmp_path).user_attrs["fingerprint"] == {
        "fixed": fixed, "groups": {}, "versions": {"optuna": optuna.__version__},
    }  # fmt: skip


def test_a_grid_keeps_its_numbers(tmp_path: Path) -> None:
    words = ["hydra/sweeper/sampler=grid", "x=range(0,4)", "hydra.sweeper.n_trials=1"]
    assert sweep(tmp_path, *words).returncode == 0
    for word, difference in (
        ("x=range(0,5)", "grid of x='IntDistribution(high=3, log=False, low=0, step=1)', not"),
        ("hydra.sweeper.sampler.seed=4", "hydra.sweeper.sampler.seed=3, not 4"),
        ("hydra.sweeper.enqueue=[{x:2}]", "hydra.sweeper.enqueue=[], not [{x:2}]"),
        ("hydra/sweeper/sampler=tpe", "hydra/sweeper/sampler=grid, not another"),
    ):
        assert difference in sweep(tmp_path, *words, word).stderr


def test_a_study_made_before_takes_the_values_of_the_next_command(tmp_path: Path) -> None:
    storage, pruner = open_storage(str(tmp_path / "study.log")), optuna.pruners.NopPruner()
    Study(storage, "study", [StudyDirection.MINIMIZE], 2, 0, pruner).prepare()
    done = sweep(tmp_path, "y=5", "hydra.sweeper.n_trials=2", "hydra.sweeper.direction=maximize")
    assert "has direction ['minimize'], not ['maximize']" in done.stderr and not study(tmp_path).user_attrs
    done = sweep(tmp_path, "y=5", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stderr
    assert "study study does not say what it is of: from now on it is of this command's values\n" in done.stdout
    assert f"has y=5, not 2{WAYS_ON}" in sweep(tmp_path).stderr


def test_of_commands_that_start_together_those_of_one_study_go_on(tmp_path: Path) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, str(APP), "-m", f"y={y}"], cwd=tmp_path, env=environment(tmp_path), text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for y in (1, 2, 1, 2)
    ]  # fmt: skip
    errors = [command.communicate(timeout=HANG_SECONDS)[1] for command in commands]
    codes = [command.returncode for command in commands]
    assert sorted([(codes[0], codes[2]), (codes[1], codes[3])]) == [(0, 0), (1, 1)], errors
    assert sum(WAYS_ON in error for error in errors) == 2


def test_a_new_study_names_those_that_its_file_holds(begun: Path) -> None:
    done = sweep(begun, "hydra.sweeper.study_name=stduy", "hydra.sweeper.n_trials=1")
    assert "study stduy is new; to go on with another one: hydra.sweeper.study_name=study\n" in done.stdout


def test_a_study_goes_on_with_other_versions_and_a_line(begun: Path) -> None:
    fingerprint = study(begun).user_attrs["fingerprint"]
    study(begun).set_user_attr("fingerprint", fingerprint | {"versions": {"optuna": "4.0.0", "app": "1"}})
    done = sweep(begun, "hydra.sweeper.n_trials=1")
    assert done.returncode == 0 and "study study was begun with optuna 4.0.0, app 1\n" in done.stdout


@pytest.mark.parametrize("storage", ["study.log", "sqlite:///study.db"])
def test_a_dry_run_creates_no_storage(tmp_path: Path, storage: str) -> None:
    done = sweep(tmp_path, "hydra.sweeper.dry_run=true", f"hydra.sweeper.storage={storage}")
    assert done.returncode == 0 and "trial 4: x=" in done.stdout, done.stderr
    assert not list(tmp_path.glob("study.*"))
