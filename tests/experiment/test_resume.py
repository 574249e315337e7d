"""Interrupted runs: the same command goes on with them, to the same bytes as without the interruption."""

import fcntl
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna import load_study

from optuna_sweep.storage import open_storage
from support.entry import SMALL, Result, Train
from support.stopping import stopped_at, stopped_in
from trialmaker.experiment import startup
from trialmaker.experiment.resume.checkpoint_format import FORMAT
from trialmaker.platform import processor
from trialmaker.training.checkpoint_files import read_checkpoint, write_checkpoint

FEATURES = (*SMALL, "model.dropout_rate=0.2", "optimizer=adamw", "augment=shift")
RUN = (*FEATURES, "training.epochs=60")
METRIC_LINE = re.compile(r"(step |epoch=|best epoch)")


_made: list[tuple[Result, Path]] = []  # the interrupted run, and a copy of its output; at most one


@pytest.fixture
def interrupted(train: Train, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run that was stopped by SIGTERM after its 10th epoch."""
    output = tmp_path / "output"
    if _made:
        result, copy = _made[0]
        shutil.copytree(copy, output)
        return replace(result, output=output)
    with stopped_at(output, "epoch=10 "):
        result = train(*RUN)
    assert result.code == 143, result.err
    _made.append((result, tmp_path_factory.mktemp("interrupted") / "output"))
    shutil.copytree(output, _made[0][1])
    return result


_whole: list[Result] = []  # at most one


@pytest.fixture
def whole(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The same run, uninterrupted; its output is to be left as it is."""
    if not _whole:
        output = tmp_path_factory.mktemp("whole") / "output"
        result = train(*RUN, f"output={output}")
        assert result.code == 0, result.err
        _whole.append(replace(result, output=output))
    return _whole[0]


def runs(output: Path) -> list[Path]:
    return sorted(path.parent for path in output.glob("logs/*/tracking.jsonl"))


def record(run: Path) -> dict:
    return dict(json.loads((run / "result.json").read_text()))


def metric_lines(text: str) -> list[str]:
    """The lines of metrics, without what is a time."""
    lines = [re.sub(r"^\S+ \S+ INFO ", "", line) for line in text.splitlines()]
    return [re.sub(r" seconds=\S+", "", line) for line in lines if METRIC_LINE.match(line)]


def final_state(output: Path) -> tuple[dict[str, bytes], list[object]]:
    """The arrays of the one checkpoint, and the metrics of each epoch but for times."""
    (folder,) = output.glob("checkpoints/*")
    snapshot = read_checkpoint(folder)
    assert snapshot
    history = [[e, {k: v for k, v in m.items() if "second" not in k}] for e, m in snapshot.values["run"]["history"]]
    return {name: array.tobytes() for name, array in snapshot.arrays.items()}, history


def published(output: Path) -> tuple[int, bytes]:
    best = json.loads((output / "model" / "best.json").read_text())
    return best["epoch"], (
        output / "model" / str(best["version"]) / "variables/variables.data-00000-of-00001"
    ).read_bytes()


def test_a_stopped_run_goes_on_to_the_same_bytes(interrupted: Result, whole: Result, train: Train) -> None:
    resumed = train(*RUN)
    assert resumed.code == 0, resumed.err
    (run,), (uninterrupted,) = runs(resumed.output), runs(whole.output)
    first, second, *_ = resumed.out.splitlines()
    assert re.fullmatch(
        rf"goes on with {run.name} after step \d+, epoch [1-4]\d of 60; resume=never starts anew", first
    )
    assert second.startswith("it was stopped by SIGTERM at epoch ")
    assert metric_lines(interrupted.out) + metric_lines(resumed.out) == metric_lines(whole.out)
    assert metric_lines((run / "train.log").read_text()) == metric_lines((uninterrupted / "train.log").read_text())
    assert final_state(resumed.output) == final_state(whole.output)
    assert published(resumed.output) == published(whole.output)
    assert (record(run)["status"], record(run)["attempts"]) == ("finished", 2)
    assert record(run)["best_metrics"]["val_accuracy"] == record(uninterrupted)["best_metrics"]["val_accuracy"]
    assert record(run)["test_metrics"] == record(uninterrupted)["test_metrics"]
    assert len(resumed.runs()) == 1 and resumed.runs()[0].info.status == "FINISHED"


@pytest.mark.usefixtures("interrupted")
def test_where_it_runs_and_how_long_and_where_results_go_makes_no_other_run_but_another_machine_is_named(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("name=night", "note=again", "tags.owner=anna", "training.max_seconds=900", "checkpoint.every_seconds=5")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    here = processor.description()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    resumed = train(*RUN, *words)
    assert resumed.code == 0 and resumed.out.startswith("goes on with "), resumed.err
    (line,) = [one for one in resumed.out.splitlines() if one.startswith("the machine is another: ")]
    assert f": {here} there, {here}, CUDA_VISIBLE_DEVICES=-1 here; results may differ" in line


def test_a_finished_run_is_not_taken_up(train: Train) -> None:
    words = (*SMALL, "training.epochs=2")
    first, second = train(*words), train(*words)
    assert second.code == 0 and "goes on" not in second.out
    assert len(runs(first.output)) == len(first.runs()) == 2


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("word", ["resume=never", "resume=false"])
def test_a_run_can_start_anew(train: Train, tmp_path: Path, word: str) -> None:
    with stopped_at(tmp_path / "output", "epoch=1 "):
        anew = train(*RUN, word)
    assert anew.code == 143 and "goes on" not in anew.out
    assert len(runs(anew.output)) == 2


def test_a_checkpoint_of_another_version_is_named_before_anything_is_touched(interrupted: Result, train: Train) -> None:
    (run,), (folder,) = runs(interrupted.output), interrupted.output.glob("checkpoints/*")
    snapshot = read_checkpoint(folder)
    assert snapshot and snapshot.values.pop("format") == FORMAT
    write_checkpoint(folder, snapshot)
    before = {name: (run / name).read_bytes() for name in ("train.log", "result.json", "tracking.jsonl")}
    refused = train(*RUN)
    assert (refused.code, refused.err) == (
        2,
        f"train.py: error: {folder}: its checkpoint was written by another version of TrialMaker"
        f" (its format is missing, not {FORMAT}); resume=never starts anew\n",
    )
    assert before == {name: (run / name).read_bytes() for name in before}


@pytest.mark.usefixtures("interrupted")
def test_a_run_of_the_version_before_which_had_no_precision_goes_on(
    interrupted: Result, whole: Result, train: Train
) -> None:
    (run,), (folder,) = runs(interrupted.output), interrupted.output.glob("checkpoints/*")
    snapshot = read_checkpoint(folder)
    assert snapshot and snapshot.values["loop"].pop("precision") == "float32"
    snapshot.values["format"] = 1
    write_checkpoint(folder, snapshot)
    start, *records = map(json.loads, (run / "tracking.jsonl").read_text().splitlines())
    assert start["params"].pop("training.precision") == "auto"
    others = [one for one in records if "effective_precision" not in one.get("values", ())]
    (run / "tracking.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (start, *others)))
    refused = train(*RUN, f"resume={run.name}", "training.precision=bfloat16")
    assert refused.code == 2 and "training.precision=unset there, bfloat16 here" in refused.err
    resumed = train(*RUN)
    assert resumed.code == 0 and f"goes on with {run.name} after step " in resumed.out, resumed.err
    assert final_state(resumed.output) == final_state(whole.output)


def test_another_config_is_another_run(train: Train) -> None:
    other = train(*FEATURES, "seed=1", "training.epochs=2")
    assert other.code == 0 and "goes on" not in other.out


def test_a_named_run_of_another_config_is_refused_with_what_differs(interrupted: Result, train: Train) -> None:
    (run,) = runs(interrupted.output)
    refused = train(*RUN, f"resume={run.name}", "optimizer.learning_rate=0.5", "training.patience=3", "seed=7")
    assert refused.code == 2
    assert refused.err == (
        f"train.py: error: resume={run.name}: optimizer.learning_rate=0.001 there, 0.5 here;"
        " seed=0 there, 7 here; give the same, or leave resume=… out to start anew\n"
    )
    assert runs(interrupted.output) == [run]


def test_a_run_that_is_not_there_is_refused(interrupted: Result, train: Train) -> None:
    (run,) = runs(interrupted.output)
    refused = train(*RUN, "resume=monday")
    assert refused.code == 2
    assert refused.err == (
        f"train.py: error: resume=monday: is no run of {interrupted.output / 'logs'}: there are {run.name};"
        " auto finds an interrupted one itself\n"
    )


def test_a_finished_run_is_extended_to_what_a_longer_one_is(train: Train, tmp_path: Path) -> None:
    words = (*SMALL, "optimizer=nadam", "model.dropout_rate=0.3")
    short = train(*words, "training.epochs=3")
    (run,) = runs(short.output)
    extended = train(*words, "training.epochs=6", f"resume={run}")
    whole = train(*words, "training.epochs=6", f"output={tmp_path / 'whole'}")
    assert extended.out.splitlines()[:2][0].startswith(f"goes on with {run.name} after step 24, epoch 3 of 6")
    assert "it had finished" in extended.out
    assert final_state(short.output) == final_state(tmp_path / "whole")
    assert [line for line in metric_lines(short.out) + metric_lines(extended.out) if "best" not in line] == [
        line for line in metric_lines(whole.out) if "best" not in line
    ]
    again = train(*words, "training.epochs=6", f"resume={run.name}")
    assert again.code == 2
    assert again.err.endswith(f"{run.name}: has finished, after 6 epochs: a higher training.epochs extends it\n")


def test_an_extension_says_what_the_schedule_does_otherwise(train: Train) -> None:
    words = (*SMALL, "schedule=cosine")
    (run,) = runs(train(*words, "training.epochs=2").output)
    extended = train(*words, "training.epochs=4", f"resume={run.name}")
    assert (
        "schedule=cosine: from here on the learning rate is that of a training of 4 epochs; so far it was that of one"
        " of 2, so the result is not that of 4 epochs at once" in extended.out.splitlines()
    )


def test_a_run_that_a_process_works_on_is_left_alone(interrupted: Result, train: Train) -> None:
    (run,) = runs(interrupted.output)
    with (run / "tracking.jsonl").open("a") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        with stopped_at(interrupted.output, "epoch=1 "):
            anew = train(*RUN)
        refused = train(*RUN, f"resume={run.name}")
    assert "goes on" not in anew.out and len(runs(anew.output)) == 2
    assert refused.err.endswith(f"resume={run.name}: another process works on it: wait for its end, or stop it\n")


def test_the_earlier_jobs_output_is_an_input(interrupted: Result, train: Train, tmp_path: Path) -> None:
    (run,) = runs(interrupted.output)
    (tmp_path / "input").mkdir(exist_ok=True)
    interrupted.output.rename(tmp_path / "input" / "resume")
    resumed = train(*RUN)
    assert resumed.out.startswith(f"goes on with {run.name} after step "), resumed.err
    assert resumed.code == 0 and [path.name for path in runs(resumed.output)] == [run.name]
    (recorded,) = resumed.runs()
    assert recorded.info.artifact_uri.startswith((resumed.output / "mlartifacts").as_uri())
    epochs = mlflow_epochs(resumed)
    assert epochs == list(range(1, 61))
    again = train(*RUN)
    assert again.code == 0 and "goes on" not in again.out


def mlflow_epochs(result: Result) -> list[int]:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")
    (run,) = result.runs()
    return [metric.step for metric in client.get_metric_history(run.info.run_id, "val_loss")]


def test_an_earlier_job_of_another_config_is_refused(interrupted: Result, train: Train, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir(exist_ok=True)
    interrupted.output.rename(tmp_path / "input" / "resume")
    refused = train(*RUN, "seed=5")
    assert refused.code == 2
    assert re.search(
        r"resume: its run \S+ is another: seed=0 there, 5 here; give the same, or resume=never", refused.err
    )
    (tmp_path / "input" / "resume" / "logs").rename(tmp_path / "logs")
    refused = train(*RUN)
    assert refused.err.endswith("resume: holds no interrupted run to go on with; resume=never starts anew\n")


def test_a_run_at_its_time_limit_goes_on(train: Train) -> None:
    words = (*FEATURES, "training.margin_seconds=0", "training.epochs=20000")
    limited = train(*words, "training.max_seconds=1.5")
    assert limited.code == 0 and " by training.max_seconds=1.5" in limited.out, limited.err
    (run,) = runs(limited.output)
    assert (record(run)["status"], record(run)["ended_by"]) == ("finished", "max_seconds")
    total = train(*words, "training.max_seconds_total=4")
    assert total.out.splitlines()[1].startswith("it had reached its time limit")
    assert " by training.max_seconds_total=4" in total.out
    assert 3.5 < record(run)["seconds"] < 60 and record(run)["attempts"] == 2


def test_a_damaged_checkpoint_is_a_start_from_the_first_step(interrupted: Result, whole: Result, train: Train) -> None:
    for file in interrupted.output.glob("checkpoints/*/*.npz"):
        file.write_bytes(file.read_bytes()[:-100])
    resumed = train(*RUN)
    assert resumed.code == 0 and " from its first step; resume=never" in resumed.out
    assert final_state(resumed.output) == final_state(whole.output)


def test_other_data_in_the_same_place_are_another_run(train: Train, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 15).astype(np.uint8)
    folder = tmp_path / "input" / "data"
    folder.mkdir(parents=True)

    def write(shift: int) -> None:
        parts = {
            "x_train": images[shift:800],
            "y_train": labels[shift:800],
            "x_test": images[800:],
            "y_test": labels[800:],
        }
        np.savez(folder / "mnist.npz", **parts)

    write(0)
    words = ("model.hidden_units=[8]", "training.batch_size=32", "training.epochs=40")
    with stopped_at(tmp_path / "output", "epoch=5 "):
        assert train(*words).code == 143
    (run,) = runs(tmp_path / "output")
    write(1)
    startup.load_dataset.cache_clear()  # which this process would not have, were it another
    refused = train(*words, f"resume={run.name}")
    assert refused.code == 2 and f"data.directory={folder}: holds other data than it trained on" in refused.err
    anew = train(*words)
    assert anew.code == 0 and "goes on" not in anew.out


def test_the_runs_of_a_multirun_go_on_too(train: Train, tmp_path: Path) -> None:
    words = (*SMALL, "training.epochs=60", "-m", "seed=1,2")
    output = tmp_path / "output"
    with stopped_at(output, "epoch=10 "):
        assert train(*words).code == 143
    again = train(*words)
    assert again.code == 0, again.err
    assert again.out.count("goes on with ") == 1
    assert len(list(output.glob("logs/*/*/train.log"))) == 2
    assert "2 runs" in again.out or "mean" in again.out


def test_a_trial_of_a_stopped_study_goes_on(train: Train, tmp_path: Path) -> None:
    words = (*SMALL[:-1], "sweeps=mlp", "training.epochs=60", "hydra.sweeper.n_trials=2", "hydra/sweeper/pruner=none")
    words = (*words, "model.hidden_units=[8]", "optimizer=adamw")
    with stopped_at(tmp_path / "output", "epoch=10 "):
        stopped = train(*words)
    assert stopped.code == 143, stopped.err
    resumed = train(*words)
    whole = train(*words, f"output={tmp_path / 'whole'}")
    assert resumed.code == whole.code == 0, resumed.err + whole.err
    assert re.search(r"^goes on with study_mlp/\S+/0 after step \d+, epoch [1-5]\d of 60", resumed.out, re.MULTILINE)
    trials, others = (study_values(output) for output in (resumed.output, tmp_path / "whole"))
    assert trials == others and len(trials) == 2
    assert sum("mlflow.parentRunId" in run.data.tags for run in resumed.runs()) == 2
    assert published(resumed.output) == published(tmp_path / "whole")
    assert not list(resumed.output.glob("checkpoints/**/*.npz"))


def study_values(output: Path) -> list[tuple[object, ...]]:
    """What a study knows of its trials: states, parameters, values, and what they have reported."""
    study = load_study(study_name="mlp_digits", storage=open_storage(str(output / "studies" / "mlp.log")))
    return [(one.state, one.params, one.values, one.intermediate_values) for one in study.trials]


def test_a_run_in_a_directory_of_a_persons_choice_goes_on_and_nothing_of_theirs_is_removed(
    train: Train, tmp_path: Path
) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    words = (*RUN, f"hydra.run.dir={place}")
    with stopped_in(place, "epoch=10 "):
        stopped = train(*words)
    assert stopped.code == 143, stopped.err
    resumed = train(*words)
    assert resumed.code == 0 and resumed.out.startswith("goes on with mine after step "), resumed.err
    elsewhere = train(*RUN, f"hydra.run.dir={place}", "seed=3", "training.epochs=60")
    assert elsewhere.code == 0, elsewhere.err
    assert (place / "thesis.txt").read_text() == "years of work"


def test_what_is_refused_before_the_first_step_leaves_the_run_as_it_was(interrupted: Result, train: Train) -> None:
    (run,) = runs(interrupted.output)
    before = (run / "result.json").read_bytes()
    best = interrupted.output / "model" / "best.json"
    content = best.read_bytes()
    best.write_text("damaged")
    refused = train(*RUN)
    assert refused.code == 2 and "is not the record of a best model" in refused.err
    assert (run / "result.json").read_bytes() == before
    best.write_bytes(content)
    resumed = train(*RUN)
    assert resumed.code == 0 and resumed.out.startswith(f"goes on with {run.name} after step ")


def test_jobs_that_differ_in_nothing_but_a_name_do_not_take_each_other_up(train: Train, tmp_path: Path) -> None:
    words = (*FEATURES, "training.epochs=100000", "training.margin_seconds=0", "training.max_seconds=1")
    both = train(*words, "-m", "tags.try=1,2")
    assert both.code == 0 and "goes on" not in both.out, both.err
    assert len(list((tmp_path / "output").glob("logs/*/*/tracking.jsonl"))) == 2


def test_an_extension_that_was_stopped_is_gone_on_with_as_what_it_is(train: Train, tmp_path: Path) -> None:
    short = train(*FEATURES, "training.epochs=2")
    (run,) = runs(short.output)
    (run / "train.log").rename(run / "earlier.log")  # so that the watcher sees the new one
    with stopped_at(tmp_path / "output", "epoch=10 "):
        assert train(*RUN, f"resume={run.name}").code == 143
    anew = train(*FEATURES, "training.epochs=2")
    assert anew.code == 0 and "goes on" not in anew.out
    resumed = train(*RUN)
    assert resumed.code == 0 and resumed.out.startswith(f"goes on with {run.name} after step "), resumed.out


def test_a_finished_run_without_its_checkpoint_is_not_extended(train: Train) -> None:
    words = (*SMALL, "training.epochs=2")
    first = train(*words)
    (run,) = runs(first.output)
    shutil.rmtree(first.output / "checkpoints")
    before = (run / "train.log").read_bytes(), (run / "result.json").read_bytes()
    refused = train(*SMALL, "training.epochs=4", f"resume={run.name}")
    assert refused.code == 2
    place = first.output / "checkpoints" / run.name
    assert refused.err.endswith(f"resume={run.name}: its checkpoint is gone, from which it would go on: {place}\n")
    assert ((run / "train.log").read_bytes(), (run / "result.json").read_bytes()) == before


def test_reading_what_is_no_run_is_harmless(interrupted: Result, train: Train) -> None:
    folder = interrupted.output / "logs" / "strange"
    folder.mkdir()
    for content in (b"\xff\xfe", b"[]\n", b'{"type": "start", "time": 1}\n', b"{" * 100_000):
        (folder / "tracking.jsonl").write_bytes(content)
        assert train(*FEATURES, "seed=9", "training.epochs=1").code == 0
    shutil.rmtree(folder)
