"""Directories of runs: each belongs to one run, whatever clock and process id two of them share."""

import datetime as clock
import os
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hydra.core.utils
import pytest

from support.entry import SMALL, Train
from trialmaker.platform import paths
from trialmaker.platform.run_result import run_results

SECOND, PID = "2026-01-02_03-04-05", os.getpid()


def test_a_package_is_installed_where_its_wheel_has_put_the_project(tmp_path: Path) -> None:
    """And not where no ``train.py`` lies beside it: that may be a person's own."""
    assert not paths.IS_INSTALLED
    copy = tmp_path / "vendor" / "trialmaker" / "platform" / "paths.py"
    (copy.parents[1] / "project").mkdir(parents=True)
    copy.parent.mkdir()
    copy.write_text(Path(paths.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "train.py").touch()
    installed = runpy.run_path(str(copy))
    assert installed["IS_INSTALLED"] and installed["PROJECT"] == copy.parents[1] / "project"


def test_a_directory_is_claimed_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: paths.claim_directory(tmp_path / "logs" / "run"), range(8)))
    assert sorted(path.name for path in claimed) == ["run", *(f"run_{number}" for number in range(2, 9))]
    assert all(path.is_dir() for path in claimed)


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra's clock, stopped at one second: two containers that start in it may have one process id."""

    class Stopped(clock.datetime):
        @classmethod
        def now(cls, tz: clock.tzinfo | None = None) -> "Stopped":
            return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(hydra.core.utils, "datetime", Stopped)


@pytest.mark.usefixtures("stopped_clock")
def test_runs_of_one_second_share_no_directory(train: Train) -> None:
    for seed in (1, 2):
        result = train(*SMALL, f"seed={seed}")
        assert result.code == 0, result.err
    logs = result.output / "logs"
    assert sorted(path.name for path in logs.iterdir()) == [f"{SECOND}_mlp_{PID}", f"{SECOND}_mlp_{PID}_2"]
    for seed, (directory, run) in enumerate(run_results(result.output), start=1):
        assert f" seed={seed}" in run.command
        assert f" seed={seed}\n" in (directory / "train.log").read_text()
        assert len(list((result.output / "tensorboard" / directory.name).glob("events.*"))) == 1
    assert [run.data.params["seed"] for run in result.runs()] == ["1", "2"]


@pytest.mark.usefixtures("stopped_clock")
def test_multiruns_and_studies_of_one_second_share_no_directory(train: Train) -> None:
    words = ("sweeps=mlp", *SMALL, "training.epochs=1")
    logs = train("--cfg", "hydra", "--resolve").output / "logs"
    for refused in (train(*words, "hydra.sweeper.dry_run=true"), train(*words, "data.directory=/nowhere")):
        assert refused.output == logs.parent and not list(logs.glob("*/*"))  # what starts nothing leaves nothing
    for count in (1, 2):
        assert train(*words, f"hydra.sweeper.n_trials={count}").code == 0
    study = logs / "study_mlp"
    assert sorted(path.relative_to(study).as_posix() for path in study.glob("*/*/train.log")) == [
        f"{SECOND}_{PID}/0/train.log",
        f"{SECOND}_{PID}_2/1/train.log",
    ]
    for _ in range(2):
        assert train("-m", "seed=1", "data.directory=/nowhere").code == 2
    assert sorted(path.parents[1].name for path in logs.glob("*_multirun*/0/train.log")) == [
        f"{SECOND}_multirun_{PID}",
        f"{SECOND}_multirun_{PID}_2",
    ]
    assert train("hydra.run.dir=${output}/logs/mine", "data.directory=/nowhere").code == 2
    assert train("hydra.run.dir=${output}/logs/mine", "data.directory=/nowhere").code == 2
    assert [path.name for path in logs.glob("mine*")] == ["mine"]  # what a person names is taken as it is
