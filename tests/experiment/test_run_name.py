"""What a run is called, what its log opens with, and what a study's opening line repeats."""

import re
from dataclasses import asdict
from typing import Any

import mlflow
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from support.entry import SMALL, Result, Train
from trialmaker.config import resolvers, validation
from trialmaker.config.arguments import translation
from trialmaker.config.differences import Difference, differences
from trialmaker.errors import UserError
from trialmaker.experiment import run_header, run_name
from trialmaker.platform.paths import CONF
from trialmaker.platform.run_result import run_results

TIME = r" · \d\d-\d\d \d\d:\d\d"


def composed(*words: str) -> tuple[Any, list[Difference]]:
    """Return the config of a command line, and what differs from the defaults."""
    resolvers.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("config", translation.translate(words, [CONF]), return_hydra_config=True)
    config = validation.load(OmegaConf.masked_copy(whole, [key for key in whole if key != "hydra"]))
    return config, differences(asdict(config), whole.hydra.runtime.choices)


@pytest.mark.parametrize(
    ("typed", "differing", "name"),
    [
        ("", "", "mlp"),
        ("model=mlp epochs=10 optimizer.learning_rate=1e-3", "", "mlp"),
        (
            "data=digits model=cnn optimizer=adamw lr=0.01",
            "data=digits model=cnn optimizer=adamw optimizer.learning_rate=0.01",
            "cnn adamw lr=0.01",
        ),
        ("seed=3", "seed=3", "mlp seed=3"),
        (
            "data=digits tracking.experiment=ours",
            "data=digits tracking.experiment=ours",
            "mlp digits",  # which the experiment does not tell
        ),
        ("hidden_units=32,16", "model.hidden_units=[32,16]", "mlp hidden_units=32,16"),
        ("experiment=mnist_cnn", "experiment=mnist_cnn", "mnist_cnn"),
        (
            "experiment=mnist_cnn schedule=cosine epochs=3",
            "experiment=mnist_cnn schedule=cosine training.epochs=3",
            "mnist_cnn cosine epochs=3",
        ),
        ("debug=smoke", "debug=smoke", "mlp smoke"),
        # what does not tell runs apart, and is shown nevertheless
        (
            "output=/tmp/o max_seconds=99 tags.owner=anna",
            "training.max_seconds=99.0 output=/tmp/o tags.owner=anna",
            "mlp",
        ),
    ],
)
def test_what_differs_from_the_defaults_is_shown_and_begins_the_name(typed: str, differing: str, name: str) -> None:
    config, changes = composed(*typed.split())
    assert " ".join(map(str, changes)) == differing
    assert re.fullmatch(re.escape(name) + TIME, run_name.run_name(config, changes, study=None, trial=None))


def test_a_long_name_is_cut_between_its_parts_and_keeps_the_time() -> None:
    config, changes = composed(
        "model=cnn", "optimizer=adamw", "lr=0.01", "epochs=3", "batch_size=64", "seed=77", "dropout=0.25"
    )
    name = run_name.run_name(config, changes, study=None, trial=None)
    assert re.fullmatch(re.escape("cnn adamw dropout_rate=0.25 lr=0.01 epochs=3 …") + TIME, name)
    assert len(name) <= 60
    config, changes = composed("init_model=/data/V0001/" + "x" * 90 + "\n\x1b")
    name = run_name.run_name(config, changes, study=None, trial=None)
    assert len(name) <= 60 and name.startswith("mlp from=xxx") and name.isprintable()


def test_what_a_multirun_varies_comes_first_and_long_values_keep_their_ends() -> None:
    words = ("optimizer=adamw", "schedule=exponential", "lr=0.002", "dropout=0.25", "label_smoothing=0.05", "seed=2")
    config, changes = composed(*words)
    assert run_name.run_name(config, changes, job=1, swept=["seed"]).startswith("mlp seed=2 adamw exponential")
    config, changes = composed("hidden_units=128,128,128,128,128,32")
    assert run_name.run_name(config, changes).startswith("mlp hidden_units=128,128,12…128,32 · ")
    words = ["-m", "--config-dir", "/data/a=(b", "seed=1,2", "model=mlp,cnn", "training.epochs=3"]
    assert translation.swept_names(words) == ["seed", "model"]  # a folder's name is no override


def test_a_repeated_trial_of_a_study_with_the_models_name_has_it_once() -> None:
    config, changes = composed("seed=3")
    for study, name in (("mlp", "mlp seed=3 · "), ("optimizers", "mlp optimizers seed=3 · ")):
        assert run_name.run_name(config, [Difference("sweeps", study), *changes]).startswith(name)


def test_folders_of_pictures_are_told_apart() -> None:
    config, changes = composed("data=images", "data.directory=/data/pets")
    assert run_name.run_name(config, changes).startswith("mlp pets · ")
    assert run_name.data_name(config) == "images pets"


def test_a_given_name_is_taken_and_a_trials_number_follows() -> None:
    config, changes = composed("name=夜间 run", "seed=1")
    assert run_name.run_name(config, changes, study=None, trial=None) == "夜间 run"
    assert run_name.run_name(config, changes, job=3) == "夜间 run/3"
    assert run_name.run_name(config, [], study="mlp_mnist", trial=12) == "夜间 run/12"
    config, _ = composed()
    assert run_name.run_name(config, [], study="mlp_mnist", trial=12) == "mlp_mnist/12"
    assert run_name.run_name(config, [], study="mlp_mnist", trial=None) == "mlp_mnist"


def test_the_differences_stand_in_two_columns_of_80() -> None:
    texts = ["a=1", "b=" + "2" * 36, "c=" + "3" * 37, "d=中文", "e=5"]
    lines = list(run_header.in_columns(texts))
    assert lines == [
        "  a=1" + " " * 37 + "b=" + "2" * 36,
        "  c=" + "3" * 37,
        "  d=中文" + " " * 34 + "e=5",
    ]


@pytest.mark.parametrize(
    ("typed", "law"),
    [
        (["name=a\nb"], r'name="a\nb": must be one line of printable characters'),
        (["name= "], 'name=" ": must not be blank'),
        (["name=" + "x" * 251], "xxx…: must have at most 250 characters"),
        (["tags.负责人=x"], f"tags.负责人: {validation.TAG_NAME_LAW}"),
        (["--tags.a b=x"], f"--'tags.a b'=x: {validation.TAG_NAME_LAW}"),
        (
            ["tags.mlflow.user=x"],
            'tags.mlflow.user="x": names that begin with mlflow. or trialmaker. are taken; take another',
        ),
        (["tags=x"], "tags: must be one tag, such as tags.owner=anna"),
        (["tags.a=" + "x" * 5001], "tags.a: must have at most 5000 characters, but has 5001"),
        (["note=" + "x" * 5001], "xxx…: must have at most 5000 characters"),
    ],
)
def test_a_name_or_a_tag_that_cannot_be_is_refused(typed: list[str], law: str) -> None:
    with pytest.raises(UserError) as refusal:
        composed(*typed)
    assert law in refusal.value.mistakes[0]


@pytest.mark.parametrize("typed", ["tags.run.kind=5", "--tags.run.kind 5", "--tags.run.kind=5", "tags={run.kind: 5}"])
def test_tags_have_any_name_and_text(typed: str) -> None:
    words = [typed] if "{" in typed else typed.split()
    assert composed(*words)[0].tags == {"run.kind": "5"}


def test_name_note_and_tags_land_in_mlflow_and_in_the_result(train: Train) -> None:
    result = train(*SMALL, "training.epochs=2", "name=night 3: a", "--note", "# first\ntry", "--tags.owner", "安娜")
    assert result.code == 0, result.err
    (run,) = result.runs()
    assert run.info.run_name == "night 3: a"
    assert (run.data.tags["mlflow.note.content"], run.data.tags["owner"]) == ("# first\ntry", "安娜")
    assert not {"name", "note", "tags.owner"} & set(run.data.params)
    ((_, left),) = run_results(result.output)
    assert (left.name, left.note, left.tags) == ("night 3: a", "# first\ntry", {"owner": "安娜"})
    assert left.differences[-3:] == ['name="night 3: a"', 'note="# first\ntry"', 'tags.owner="安娜"']
    check_logged_model(result, run)


def check_logged_model(result: Result, run: mlflow.entities.Run) -> None:
    """The run's model has its name, as far as MLflow takes it, its source, its data and its metrics."""
    client = mlflow.MlflowClient(f"sqlite:///{result.output / 'mlflow.db'}")
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.source_run_id) == ("night 3_ a", run.info.run_id)
    assert model.tags["mlflow.source.name"] == "train.py"
    (dataset,) = run.inputs.dataset_inputs
    linked = {(metric.key, metric.dataset_name, metric.dataset_digest) for metric in model.metrics}
    assert ("test_accuracy", "digits", dataset.dataset.digest) in linked
    assert not [key for key, *_ in linked if key.startswith(("step_", "system/"))]
    assert [output.step for output in run.outputs.model_outputs] == [run.data.metrics["best_epoch"]]
    for key in ("test_accuracy", "best_val_accuracy"):
        steps = [point.step for point in client.get_metric_history(run.info.run_id, key)]
        assert len(steps) == len(set(steps)) and steps[-1] == run.data.metrics["best_epoch"]


def test_a_single_run_of_a_study_file_is_repeated_as_one(train: Train) -> None:
    """What ``best`` prints is typed: its opening line is a command that trains once too."""
    result = train("sweeps=mlp", "data=digits", "training.epochs=1", "training.max_examples=64", "hydra.mode=RUN")
    assert result.code == 0, result.err
    assert re.search(r"to repeat this run: python train.py sweeps=mlp .* hydra.mode=RUN\n", result.out)


def test_a_study_is_named_and_its_opening_line_continues_it(train: Train) -> None:
    words = [
        "sweeps=mlp",
        "data=digits",
        "training.epochs=1",
        "training.max_examples=128",
        "name=abend",
        "tags.owner=anna",
    ]
    result = train(*words, "hydra.sweeper.n_trials=2", "hydra/sweeper/sampler=random")
    assert result.code == 0, result.err
    assert sorted(run.info.run_name for run in result.runs()) == ["abend", "abend/0", "abend/1"]
    assert {run.data.tags["owner"] for run in result.runs()} == {"anna"}
    (line,) = [line for line in result.out.splitlines() if "to continue this study: " in line]
    typed = line.partition("to continue this study: python train.py ")[2]
    assert typed == f"{' '.join(words)} hydra.sweeper.n_trials=2 hydra/sweeper/sampler=random"
    again = train(*typed.split())
    assert "2 of 2 trials are done" in again.out
