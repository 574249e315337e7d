"""``rerun``: a run repeated bit for bit, or the first difference of each metric."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.outputs import Command, load_runs
from trialmaker.analysis import reproduction
from trialmaker.analysis.store.runs import Run
from trialmaker.config.fields import GROUPS
from trialmaker.model_store.versions import version_numbers
from trialmaker.platform import processor


def test_a_repeated_run_has_the_same_metrics(copies: list[Path], command: Command, tmp_path: Path) -> None:
    (run,) = load_runs(copies[1:2], tmp_path / "look")
    code, out, err = command("rerun", run.run_id[:8], str(copies[1]))
    assert (code, err) == (0, "")
    assert "the same: " in out.splitlines()[-1] and out.splitlines()[-1].endswith("metrics, bit for bit")
    assert "differs: " not in out.replace("differs: code: uncommitted changes", "")
    (new_run,) = load_runs([tmp_path / "here" / "output"], tmp_path / "look2")
    differing = {name for name in run.params if run.params[name] != new_run.params[name]}
    assert differing <= {"output", "training.precision"}
    assert new_run.params["training.precision"] == run.params["effective_precision"] == "float32"
    assert "not published: a rerun publishes nothing; this run's model: " in out
    assert version_numbers(tmp_path / "here" / "output" / "model") == []


def test_a_repeated_trial_has_the_same_metrics(copies: list[Path], command: Command, tmp_path: Path) -> None:
    """A trial has no files; its config is read from its params."""
    trials = [run for run in load_runs(copies, tmp_path / "look") if run.is_trial and run.status == "FINISHED"]
    code, out, _ = command("rerun", trials[0].run_id, str(copies[2]))
    assert (code, out.splitlines()[-1].split(":")[0].strip()) == (0, "the same"), out


def test_the_first_difference_of_a_repeated_run_is_named(copies: list[Path], command: Command) -> None:
    with closing(sqlite3.connect(copies[0] / "mlflow.db")) as connection:
        connection.execute("UPDATE metrics SET value = value + 1e-9 WHERE key = 'val_loss' AND step >= 2")
        connection.commit()
    client = MlflowClient(f"sqlite:///{copies[0] / 'mlflow.db'}")
    (run,) = client.search_runs(["1"])
    (versions,) = copies[0].rglob(f"{run.info.run_id}/artifacts/requirements.txt")
    versions.write_text(versions.read_text().replace("tensorflow==2", "tensorflow==1"))
    client.set_tag(run.info.run_id, "mlflow.source.git.commit", "f" * 40)
    code, out, _ = command("rerun", run.info.run_name, str(copies[0]))
    assert code == 3
    assert "differs: tensorflow: 1." in out and "differs: code: commit ffffffffff then, " in out
    assert "  val_loss: differs from step 2 on: " in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("abcdef12", "abcdef12: is the id (its first 4 letters or more) or the name of no run"),
        ("mlp_digits", "mlp_digits: trained nothing: a study, or no run of TrialMaker"),
    ],
)
def test_a_run_that_cannot_be_repeated_is_one_line(copies: list[Path], command: Command, name: str, line: str) -> None:
    code, _, err = command("rerun", name, *map(str, copies))
    assert code == 2 and err.startswith(f"trialmaker: error: {line}") and len(err.splitlines()) == 1


def test_dry_run_prints_the_command(copies: list[Path], command: Command, tmp_path: Path) -> None:
    """Recorded paths that do not exist here are left to this machine, or given by the person."""
    (run,) = load_runs(copies[:1], tmp_path / "look")
    (config,) = copies[0].rglob("artifacts/resolved_config.yaml")
    text = config.read_text().replace("name: digits", "name: mnist\n  directory: /gone", 1)
    config.write_text(text)
    _, out, _ = command("rerun", run.run_id, str(copies[0]), "--dry-run")
    words = out.splitlines()[-1]
    assert words.startswith("python train.py data=mnist model=mlp optimizer=adam schedule=constant augment=none")
    assert words.endswith(" training.precision=float32 tracking.uri=null")
    assert "data.directory" not in words and "'model.hidden_units=[16]'" in words and "seed=0" in words
    _, out, _ = command("rerun", run.run_id, str(copies[0]), "--dry-run", "--data", str(tmp_path))
    assert f"data.directory={tmp_path}" in out
    config.write_text(text.replace("init_model: null", "init_model: /gone"))
    code, _, err = command("rerun", run.run_id, str(copies[0]), "--dry-run")
    assert (code, err) == (
        2,
        "trialmaker: error: init_model: the run began with /gone, which is not here: --init-model PATH names it\n",
    )
    config.write_text(text + "later: 1\n")
    _, _, err = command("rerun", run.run_id, str(copies[0]), "--dry-run")
    assert "has fields that this version does not know: later" in err


def test_versions_that_were_left_out_are_not_said_to_be_none() -> None:
    run = replace(run_with_status("FINISHED"), artifacts="file:///store/left-out")
    assert "versions: left out, with all of its artifacts" in reproduction.environment_differences(run, None)


def test_what_auto_came_to_is_repeated_and_named_where_the_processor_has_no_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = {f"{group}.name": "none" for group in GROUPS} | {"training.precision": "auto"}
    run = replace(run_with_status("FINISHED"), params=names | {"effective_precision": "bfloat16"})
    assert reproduction.overrides(run, {})[-1] == "training.precision=bfloat16"
    assert reproduction.overrides(replace(run, params=names), {})[-1] == "training.precision=float32"
    for variable in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(variable, raising=False)
    line = "precision: bfloat16, for which this processor has no instructions that TensorFlow uses"
    for flag, is_named in (("avx2", True), ("avx512_bf16", False)):
        monkeypatch.setattr(processor, "CPU_INFO", tmp_path / flag)
        (tmp_path / flag).write_text(f"flags : {flag}\n")
        assert (line in reproduction.environment_differences(run, None)) == is_named


def run_with_status(status: str, **tags: str) -> Run:
    return Run("i", "n", "e", 1, status, 0, 1, "", {}, tags, {}, 0.5)


@pytest.mark.parametrize(
    ("run", "then", "now", "same", "line"),
    [
        (
            run_with_status("FINISHED"),
            {"loss": [(1, 0.5)]},
            {"loss": [(1, 0.5)]},
            True,
            "the same: 1 values of 1 metrics",
        ),
        (
            run_with_status("FINISHED"),
            {"loss": [(1, 0.5)]},
            {"loss": [(1, 0.25)]},
            False,
            "loss: differs from step 1 on: 0.5 then",
        ),
        (
            run_with_status("FINISHED"),
            {"loss": [(1, 0.5), (2, 0.4)]},
            {"loss": [(1, 0.5)]},
            False,
            "loss: has 1 points fewer now",
        ),
        (run_with_status("FINISHED"), {"loss": [(1, 0.5)]}, {}, False, "loss: not measured now"),
        (run_with_status("FINISHED"), {"seconds": [(1, 0.5)]}, {}, False, "nothing to compare"),
        (
            run_with_status("KILLED"),
            {"loss": [(1, 0.5)], "best_loss": [(1, 0.5)]},
            {"loss": [(1, 0.5), (2, 0.4)]},
            True,
            "the same",
        ),
        (
            run_with_status("KILLED", **{"trialmaker.trial_state": "PRUNED"}),
            {"val_loss": [(1, 2.0)]},
            {},
            False,
            "nothing to compare",
        ),
    ],
)
def test_verdicts(run: Run, then: dict, now: dict, same: bool, line: str) -> None:
    is_same, lines = reproduction.compare_metrics(run, then, now)
    assert is_same == same and lines[0].startswith(line)
