"""``rerun`` and ``prune``: a run again, bit for bit; and what goes when only the best are kept."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.outputs import merged, moved, tree
from trialmaker.analysis import pruning, reproduction
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.runs import Run
from trialmaker.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def places(jobs: Path, tmp_path: Path) -> list[Path]:
    return moved(jobs, tmp_path / "downloads")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("AI_ROOT", str(tmp_path / "here"))

    def run(*words: str) -> tuple[int, str, str]:
        code = main.main([words[0], *words[1:], "--store", str(tmp_path / "merged")])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def loaded(places: list[Path], store: Path) -> list[Run]:
    return runs.load(merged(places, store).store)


def test_a_run_again_comes_out_the_same(places: list[Path], command: Command, tmp_path: Path) -> None:
    (run,) = loaded(places[1:2], tmp_path / "look")
    code, out, err = command("rerun", run.run_id[:8], str(places[1]))
    assert (code, err) == (0, "")
    assert "the same: " in out.splitlines()[-1] and out.splitlines()[-1].endswith("metrics, bit for bit")
    assert "differs: " not in out.replace("differs: code: uncommitted changes", "")
    (again,) = loaded([tmp_path / "here" / "output"], tmp_path / "look2")
    differing = {name for name in run.params if run.params[name] != again.params[name]}
    assert differing <= {"output"}


def test_a_trial_again(places: list[Path], command: Command, tmp_path: Path) -> None:
    """Its config is that of its params; a trial has no files."""
    trials = [run for run in loaded(places, tmp_path / "look") if run.is_trial and run.status == "FINISHED"]
    code, out, _ = command("rerun", trials[0].run_id, str(places[2]))
    assert (code, out.splitlines()[-1].split(":")[0].strip()) == (0, "the same"), out


def test_a_run_that_does_not_come_out_the_same_says_where(places: list[Path], command: Command) -> None:
    with closing(sqlite3.connect(places[0] / "mlflow.db")) as connection:
        connection.execute("UPDATE metrics SET value = value + 1e-9 WHERE key = 'val_loss' AND step >= 2")
        connection.commit()
    client = MlflowClient(f"sqlite:///{places[0] / 'mlflow.db'}")
    (run,) = client.search_runs(["1"])
    (versions,) = places[0].rglob(f"{run.info.run_id}/artifacts/requirements.txt")
    versions.write_text(versions.read_text().replace("tensorflow==2", "tensorflow==1"))
    client.set_tag(run.info.run_id, "mlflow.source.git.commit", "f" * 40)
    code, out, _ = command("rerun", run.info.run_name, str(places[0]))
    assert code == 3
    assert "differs: tensorflow: 1." in out and "differs: code: commit ffffffffff then, " in out
    assert "  val_loss: differs from step 2 on: " in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("abcdef12", "abcdef12: is the id (its first 4 letters or more) or the name of no run"),
        ("mlp", "mlp: trained nothing: a study, or no run of TrialMaker"),
    ],
)
def test_what_cannot_be_run_again(places: list[Path], command: Command, wanted: str, line: str) -> None:
    code, _, err = command("rerun", wanted, *map(str, places))
    assert code == 2 and err.startswith(f"trialmaker: error: {line}") and len(err.splitlines()) == 1


def test_what_it_would_run(places: list[Path], command: Command, tmp_path: Path) -> None:
    """Recorded places that are not here are left to this machine, or named by the person."""
    (run,) = loaded(places[:1], tmp_path / "look")
    (config,) = places[0].rglob("artifacts/resolved_config.yaml")
    text = config.read_text().replace("name: digits", "name: mnist\n  directory: /gone", 1)
    config.write_text(text)
    _, out, _ = command("rerun", run.run_id, str(places[0]), "--dry-run")
    words = out.splitlines()[-1]
    assert words.startswith("python train.py data=mnist model=mlp optimizer=adam schedule=constant augment=none")
    assert "data.directory" not in words and "'model.hidden_units=[16]'" in words and "seed=0" in words
    _, out, _ = command("rerun", run.run_id, str(places[0]), "--dry-run", "--data", str(tmp_path))
    assert f"data.directory={tmp_path}" in out
    config.write_text(text.replace("init_model: null", "init_model: /gone"))
    code, _, err = command("rerun", run.run_id, str(places[0]), "--dry-run")
    assert (code, err) == (
        2,
        "trialmaker: error: init_model: the run began with /gone, which is not here: --init-model PATH names it\n",
    )
    config.write_text(text + "later: 1\n")
    _, _, err = command("rerun", run.run_id, str(places[0]), "--dry-run")
    assert "has fields that this version does not know: later" in err


def ended(status: str, **tags: str) -> Run:
    return Run("i", "n", "e", 1, status, 0, 1, "", {}, tags, {}, 0.5)


@pytest.mark.parametrize(
    ("run", "then", "now", "same", "line"),
    [
        (ended("FINISHED"), {"loss": [(1, 0.5)]}, {"loss": [(1, 0.5)]}, True, "the same: 1 values of 1 metrics"),
        (
            ended("FINISHED"),
            {"loss": [(1, 0.5)]},
            {"loss": [(1, 0.25)]},
            False,
            "loss: differs from step 1 on: 0.5 then",
        ),
        (
            ended("FINISHED"),
            {"loss": [(1, 0.5), (2, 0.4)]},
            {"loss": [(1, 0.5)]},
            False,
            "loss: has 1 points fewer now",
        ),
        (ended("FINISHED"), {"loss": [(1, 0.5)]}, {}, False, "loss: not measured now"),
        (ended("FINISHED"), {"seconds": [(1, 0.5)]}, {}, False, "nothing to compare"),
        (
            ended("KILLED"),
            {"loss": [(1, 0.5)], "best_loss": [(1, 0.5)]},
            {"loss": [(1, 0.5), (2, 0.4)]},
            True,
            "the same",
        ),
        (
            ended("KILLED", **{"trialmaker.trial_state": "PRUNED"}),
            {"val_loss": [(1, 2.0)]},
            {},
            False,
            "nothing to compare",
        ),
    ],
)
def test_verdicts(run: Run, then: dict, now: dict, same: bool, line: str) -> None:
    found, lines = reproduction.compare_metrics(run, then, now)
    assert found == same and lines[0].startswith(line)


# ---- prune


def test_prune_first_says_and_then_removes(places: list[Path], command: Command, tmp_path: Path) -> None:
    everything = loaded(places, tmp_path / "look")
    best, worse = sorted((run for run in everything if not run.is_trial and not run.is_study), key=lambda run: run.rank)
    before = {place: tree(place) for place in places}
    code, out, _ = command("prune", *map(str, places), "--keep", "1")
    assert code == 0 and worse.run_id[:8] in out and best.run_id[:8] not in out
    assert out.splitlines()[-1].endswith("nothing has been removed: --yes does it")
    assert {place: tree(place) for place in places} == before
    code, out, _ = command("prune", *map(str, places), "--keep", "1", "--yes")
    assert code == 0 and out.splitlines()[-1].startswith("removed ")
    gone = {name for name in before[places[0]] if name not in tree(places[0])}
    assert gone and all(name.split("/")[0] == "mlartifacts" for name in gone)
    assert {place: tree(place) for place in places[1:]} == {place: before[place] for place in places[1:]}
    (run,) = MlflowClient(f"sqlite:///{places[0] / 'mlflow.db'}").search_runs(["1"])
    assert "trialmaker.pruned" in run.data.tags and run.data.metrics["val_accuracy"] == worse.metrics["val_accuracy"]
    code, out, _ = command("prune", *map(str, places), "--keep", "1", "--yes")
    assert out.startswith("nothing to remove: 1 runs are not among the best 1")
    assert (best_version(places[0]) / "saved_model.pb").exists()  # the best of its output is deployed


def best_version(place: Path) -> Path:
    return place / "model" / str(json.loads((place / "model" / "best.json").read_text())["version"])


def left(places: list[Path], tmp_path: Path, keep: int = 0) -> dict[Path, list[str]]:
    done = merged(places, tmp_path / "look")
    everything = runs.load(done.store)
    found = pruning.leftovers(done.store, pruning.prunable_runs(everything, keep), everything, done.outputs)
    return {one.output.directory: sorted(str(p.relative_to(one.output.directory)) for p in one.paths) for one in found}


def test_what_prune_finds(places: list[Path], tmp_path: Path) -> None:
    place = places[0]
    (run,) = loaded([place], tmp_path / "first")
    shutil.copytree(best_version(place), place / "model" / "77")
    for folder in (
        place / "checkpoints" / run.name,
        place / "logs" / run.name / "saved_model",
        place / "checkpoints" / "x",
    ):
        folder.mkdir(parents=True)
    (found,) = left([place], tmp_path).values()
    kinds = {name.split("/")[0] for name in found}
    assert kinds == {"mlartifacts", "checkpoints", "logs", "model"} and "model/77" in found
    assert f"model/{best_version(place).name}" not in found and "checkpoints/x" not in found


def test_what_prune_never_finds(places: list[Path], tmp_path: Path) -> None:
    place = places[0]
    (run,) = loaded([place], tmp_path / "first")
    with closing(sqlite3.connect(place / "mlflow.db")) as connection:
        (address,) = connection.execute("SELECT artifact_uri FROM runs").fetchone()
        for other in (address.rpartition("/")[0].rpartition("/")[0], "/etc", str(tmp_path), "", "s3://x/" + run.run_id):
            connection.execute("UPDATE runs SET artifact_uri = ?", (other,))
            connection.execute("UPDATE logged_models SET artifact_location = ?", (other,))
            connection.commit()
            assert left([place], tmp_path) == {}, other
        elsewhere = tmp_path / "elsewhere" / run.run_id
        elsewhere.mkdir(parents=True)
        (place / "mlartifacts" / run.run_id).symlink_to(elsewhere)
        connection.execute("UPDATE runs SET artifact_uri = ?", (f"/x/mlartifacts/{run.run_id}",))
        connection.commit()
        assert left([place], tmp_path) == {}
    (place / "model" / "best.json").write_text("{")  # which is best is not known: all stay
    assert left([place], tmp_path) == {}


def test_copies_of_an_output_are_pruned_alike(places: list[Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(places[0], tmp_path / "copy"))
    found = left([places[0], copy], tmp_path)
    assert set(found) == {places[0], copy} and found[places[0]] == found[copy]


def test_each_objective_keeps_its_best_and_running_runs_stay() -> None:
    def run(name: str, best: float, objective: str = "val_accuracy", status: str = "FINISHED") -> Run:
        direction = "minimize" if "loss" in objective else "maximize"
        params = {"objective": objective, "direction": direction}
        return Run(name, name, "e", 1, status, 0, 1, "", params, {}, {}, best)

    all_runs = [run("a", 0.9), run("b", 0.8), run("c", 0.7, status="RUNNING"), run("d", 0.01, "val_loss")]
    all_runs.append(run("e", 0.5, "val_loss"))
    assert [one.name for one in pruning.prunable_runs(all_runs, 1)] == ["b", "e"]


def test_prune_mistakes(command: Command, places: list[Path]) -> None:
    assert command("prune", str(places[0]), "--keep", "-1")[2] == "trialmaker: error: --keep -1: must be at least 0\n"


def test_after_pruning_the_rest_works(places: list[Path], command: Command) -> None:
    command("prune", *map(str, places), "--keep", "0", "--yes")
    code, out, _ = command("compare", *map(str, places))
    assert code == 0 and len(out.splitlines()) == 4
