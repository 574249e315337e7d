"""``prune``: the files that are removed when only the best runs are kept whole."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from support.outputs import Command, file_digests, load_runs, merge_outputs
from trialmaker.analysis import pruning
from trialmaker.analysis.store import runs
from trialmaker.analysis.store.runs import Run
from trialmaker.model_store.catalog import superseded_versions


def test_prune_removes_only_with_yes(copies: list[Path], command: Command, tmp_path: Path) -> None:
    all_runs = load_runs(copies, tmp_path / "look")
    best, worse = sorted((run for run in all_runs if not run.is_trial and not run.is_study), key=lambda run: run.rank)
    before = {output: file_digests(output) for output in copies}
    code, out, _ = command("prune", *map(str, copies), "--keep", "1")
    assert code == 0 and worse.run_id[:8] in out and best.run_id[:8] not in out
    assert out.splitlines()[-1].endswith("nothing has been removed: --yes does it")
    assert {output: file_digests(output) for output in copies} == before
    code, out, _ = command("prune", *map(str, copies), "--keep", "1", "--yes")
    assert code == 0 and out.splitlines()[-1].startswith("removed ")
    removed = {name for name in before[copies[0]] if name not in file_digests(copies[0])}
    assert removed and all(name.split("/")[0] == "mlartifacts" for name in removed)
    assert {output: file_digests(output) for output in copies[1:]} == {output: before[output] for output in copies[1:]}
    (run,) = MlflowClient(f"sqlite:///{copies[0] / 'mlflow.db'}").search_runs(["1"])
    assert "trialmaker.pruned" in run.data.tags and run.data.metrics["val_accuracy"] == worse.metrics["val_accuracy"]
    code, out, _ = command("prune", *map(str, copies), "--keep", "1", "--yes")
    assert out.startswith("nothing to remove: 1 runs are not among the best 1")
    assert (best_version(copies[0]) / "saved_model.pb").exists()  # the best of its output is deployed


def best_version(output: Path) -> Path:
    return output / "model" / str(json.loads((output / "model" / "best.json").read_text())["version"])


def removable_paths(copies: list[Path], tmp_path: Path, keep: int = 0) -> dict[Path, list[str]]:
    """Return the paths that ``prune --keep`` would remove, relative to their output, by output."""
    merge = merge_outputs(copies, tmp_path / "look")
    all_runs = runs.load(merge.store)
    prunable = pruning.prunable_runs(all_runs, keep)
    leftovers = pruning.leftovers(merge.store, prunable, all_runs, merge.outputs, superseded_versions)
    return {
        leftover.output.directory: sorted(str(path.relative_to(leftover.output.directory)) for path in leftover.paths)
        for leftover in leftovers
    }


def test_paths_that_are_removed(copies: list[Path], tmp_path: Path) -> None:
    output = copies[0]
    (run,) = load_runs([output], tmp_path / "first")
    shutil.copytree(best_version(output), output / "model" / "77")
    for folder in (
        output / "checkpoints" / run.name,
        output / "logs" / run.name / "saved_model",
        output / "checkpoints" / "x",
    ):
        folder.mkdir(parents=True)
    (removable,) = removable_paths([output], tmp_path).values()
    kinds = {name.split("/")[0] for name in removable}
    assert kinds == {"mlartifacts", "checkpoints", "logs", "model"} and "model/77" in removable
    assert f"model/{best_version(output).name}" not in removable and "checkpoints/x" not in removable


def test_paths_that_are_never_removed(copies: list[Path], tmp_path: Path) -> None:
    output = copies[0]
    (run,) = load_runs([output], tmp_path / "first")
    with closing(sqlite3.connect(output / "mlflow.db")) as connection:
        (address,) = connection.execute("SELECT artifact_uri FROM runs").fetchone()
        for other in (address.rpartition("/")[0].rpartition("/")[0], "/etc", str(tmp_path), "", "s3://x/" + run.run_id):
            connection.execute("UPDATE runs SET artifact_uri = ?", (other,))
            connection.execute("UPDATE logged_models SET artifact_location = ?", (other,))
            connection.commit()
            assert removable_paths([output], tmp_path) == {}, other
        elsewhere = tmp_path / "elsewhere" / run.run_id
        elsewhere.mkdir(parents=True)
        (output / "mlartifacts" / run.run_id).symlink_to(elsewhere)
        connection.execute("UPDATE runs SET artifact_uri = ?", (f"/x/mlartifacts/{run.run_id}",))
        connection.commit()
        assert removable_paths([output], tmp_path) == {}
    (output / "model" / "best.json").write_text("{")  # the best version is unknown: all versions stay
    assert removable_paths([output], tmp_path) == {}


def test_copies_of_an_output_are_pruned_alike(copies: list[Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(copies[0], tmp_path / "copy"))
    removable = removable_paths([copies[0], copy], tmp_path)
    assert set(removable) == {copies[0], copy} and removable[copies[0]] == removable[copy]


def test_the_best_of_each_objective_and_running_runs_are_kept() -> None:
    def run(name: str, best: float, objective: str = "val_accuracy", status: str = "FINISHED") -> Run:
        direction = "minimize" if "loss" in objective else "maximize"
        params = {"objective": objective, "direction": direction}
        return Run(name, name, "e", 1, status, 0, 1, "", params, {}, {}, best)

    all_runs = [run("a", 0.9), run("b", 0.8), run("c", 0.7, status="RUNNING"), run("d", 0.01, "val_loss")]
    all_runs.append(run("e", 0.5, "val_loss"))
    assert [one.name for one in pruning.prunable_runs(all_runs, 1)] == ["b", "e"]


def test_compare_works_after_pruning(copies: list[Path], command: Command) -> None:
    command("prune", *map(str, copies), "--keep", "0", "--yes")
    code, out, _ = command("compare", *map(str, copies))
    assert code == 0 and out.startswith("digits: 3 runs, ")
