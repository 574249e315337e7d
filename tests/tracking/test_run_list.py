"""The view of MLflow's run list: its tag, kept while runs join an experiment, and the store's other experiments."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import ViewType

from support.outputs import create_store
from trialmaker.tracking import experiment_view, experiments
from trialmaker.tracking.messages import Start
from trialmaker.tracking.run_list import NOTE_TAG, VIEW_TAG, RunListView

BEST = {"objective": "val_accuracy", "direction": "maximize"}
LOSS = {"objective": "val_loss", "direction": "minimize"}
NOTE = (
    "Runs, the best first: [list](#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=best_first)"
    " · [curves](#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=best_first&compareRunsMode=CHART)"
)


@pytest.fixture
def client(tmp_path: Path) -> mlflow.MlflowClient:
    """A client of a new store in the test's directory, which is MLflow's own choice too."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    return create_store(tmp_path)


def state(tags: dict[str, str], key: str = VIEW_TAG, name: str = "best first") -> dict:
    envelope = json.loads(tags[key])
    assert (envelope["name"], envelope["createdAt"]) == (name, 0)
    return dict(json.loads(envelope["state"]))


def params(tags: dict[str, str]) -> list[str]:
    columns = state(tags)["selectedColumns"]
    return [column[len("params.`") : -1] for column in columns if column.startswith("params.")]


def start(output: Path, *, uri: str | None = None, experiment: str = "digits", **values: str) -> Start:
    text = {"uri": uri, "output": output, "experiment": experiment, "run_name": "run", "run_directory": output}
    return Start(**text, project=output, params=BEST | values, resolved_config="", system_metrics_seconds=2.0)


def test_a_view_is_sorted_by_the_best_and_has_the_columns_of_a_comparison() -> None:
    view = RunListView([BEST | {"seed": "0", "model.name": "mlp", "optimizer.learning_rate": rate} for rate in "12"])
    assert state(view.tags()) == {
        "orderByKey": "metrics.`best_val_accuracy`",
        "orderByAsc": False,
        "selectedColumns": [
            *("attributes.`Duration`", "metrics.`best_val_accuracy`", "metrics.`test_accuracy`"),
            *("metrics.`test_loss`", "params.`model.name`", "params.`optimizer.learning_rate`"),
        ],
        "columnOrder": [
            *("attributes.`Run Name`", "runDateAndNestInfo", "metrics.`best_val_accuracy`", "metrics.`test_accuracy`"),
            *("duration", "params.`model.name`", "params.`optimizer.learning_rate`", "metrics.`test_loss`"),
        ],
        "columnWidths": {
            "attributes.`Run Name`": 240,
            "runDateAndNestInfo": 132,
            "duration": 78,
            "metrics.`best_val_accuracy`": 143,
            "metrics.`test_accuracy`": 116,
            "metrics.`test_loss`": 90,
            "params.`model.name`": 90,
            "params.`optimizer.learning_rate`": 176,
        },
        "chartsSearchFilter": "^(val_)?(accuracy|loss)$",
    }


def test_each_objective_has_a_view_and_that_of_most_runs_the_first() -> None:
    view = RunListView([BEST, LOSS, {}, LOSS])
    assert view.keys() == {"val_loss": "best_first", "val_accuracy": "best_first_val_accuracy"}
    first = state(view.tags(), name="best first by val_loss")
    assert (first["orderByKey"], first["orderByAsc"]) == ("metrics.`best_val_loss`", True)
    other = state(view.tags(), f"{VIEW_TAG}_val_accuracy", "best first by val_accuracy")
    assert (other["orderByKey"], other["orderByAsc"]) == ("metrics.`best_val_accuracy`", False)
    assert RunListView([{}, {"lr": "0.1"}]).tags() == {}  # of another program


@pytest.mark.parametrize(
    ("runs", "columns"),
    [
        ([{"a": "1", "b": "1"}, {"a": "1", "b": "2"}], ["b"]),
        ([{"seed": "0", "z": "1"}, {"seed": "1", "z": "2"}], ["z", "seed"]),
        ([{"model.name": "mlp", "model.units": "8"}, {"model.name": "cnn"}], []),  # the name says it
        ([{"model.units": "8"}, {}, {"model.units": "9"}], ["model.units"]),
        ([{"output": "/a", "tags.k": "a", "name": "a"}, {"output": "/b", "tags.k": "b", "name": "b"}], []),
        ([{"tracking.uri": "a", "training.max_seconds": "1"}, {"tracking.uri": "b", "training.max_seconds": "2"}], []),
        ([{f"p{i}": str(run) for i in range(30)} for run in range(2)], [f"p{i}" for i in range(11)]),
    ],
)
def test_the_params_of_a_view_are_those_that_differ(runs: list[dict[str, str]], columns: list[str]) -> None:
    assert params(RunListView([BEST | run for run in runs]).tags()) == ["model.name", *columns]


def test_a_tag_is_short_enough_for_every_server() -> None:
    names = [f"a_group_of_parameters.a_parameter_of_a_long_name_{i}" for i in range(30)]
    (tag,) = RunListView([BEST | dict.fromkeys(names, value) for value in "12"]).tags().values()
    assert len(tag) < 5000


def test_a_run_that_joins_an_experiment_is_in_its_view(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    for rate, runs in (("0.1", 1), ("0.2", 2)):  # the second one by the runs of this process
        message = start(tmp_path, **{"optimizer.learning_rate": rate})
        experiment_id, _ = experiments.experiment_and_parent(client, message)
        run = client.create_run(experiment_id)
        for name, value in message.params.items():
            client.log_param(run.info.run_id, name, value)
        experiment_view.add_run(client, experiment_id, message)
        tags = client.get_experiment(experiment_id).tags
        assert params(tags) == ["model.name", "optimizer.learning_rate"][:runs]
    experiment_view._latest_views.clear()  # as in the next process
    experiment_view.add_run(client, experiment_id, start(tmp_path, seed="1"))
    assert client.get_experiment(experiment_id).tags == tags
    client.set_experiment_tag(experiment_id, VIEW_TAG, "")
    experiment_view.refresh(client, experiment_id, message)
    assert client.get_experiment(experiment_id).tags == tags


def test_a_second_objective_gets_a_view_and_a_link(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    experiment_id, _ = experiments.experiment_and_parent(client, start(tmp_path))
    for number in range(3):
        experiment_view.add_run(client, experiment_id, start(tmp_path, **LOSS))
        if number == 0:  # as a run of the other objective that has its params
            experiment_view._latest_views[f"sqlite:///{tmp_path / 'mlflow.db'}", experiment_id][0].add(BEST)
    tags = client.get_experiment(experiment_id).tags
    assert {name for name in tags if name.startswith(VIEW_TAG)} == {VIEW_TAG, f"{VIEW_TAG}_val_accuracy"}
    assert state(tags, name="best first by val_loss")["orderByKey"] == "metrics.`best_val_loss`"
    list_and_curves = NOTE.removeprefix("Runs, the best first: ").replace
    assert tags[NOTE_TAG] == (
        f"Runs, the best first: by val_loss: {list_and_curves('', '')}"
        f"; by val_accuracy: {list_and_curves('best_first', 'best_first_val_accuracy')}"
    )
    client.set_experiment_tag(experiment_id, NOTE_TAG, "by people")
    experiment_view.refresh(client, experiment_id, start(tmp_path))
    assert client.get_experiment(experiment_id).tags[NOTE_TAG] == "by people"


def test_an_older_store_gets_what_a_new_one_has(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    number = client.create_experiment("digits")
    run = client.create_run(number)
    for name, value in (BEST | {"seed": "7"}).items():
        client.log_param(run.info.run_id, name, value)
    assert experiments.experiment_and_parent(client, start(tmp_path, seed="8")) == (number, "")
    (experiment,) = client.search_experiments(ViewType.ACTIVE_ONLY)
    assert (experiment.name, experiment.tags[NOTE_TAG]) == ("digits", NOTE)
    assert params(experiment.tags) == ["model.name", "seed"]


def test_a_new_store_shows_no_empty_experiment(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    experiments.experiment_and_parent(client, start(tmp_path))
    (experiment,) = client.search_experiments(ViewType.ACTIVE_ONLY)
    assert (experiment.name, experiment.tags[NOTE_TAG]) == ("digits", NOTE)
    assert params(experiment.tags) == ["model.name"]
    assert experiments.experiment_and_parent(client, start(tmp_path, experiment="Default")) == ("0", "")
    assert {one.name for one in client.search_experiments()} == {"digits", "Default"}
    client.create_run("0")
    experiments.experiment_and_parent(client, start(tmp_path, experiment="other"))
    assert {one.name for one in client.search_experiments()} == {"digits", "Default", "other"}


def test_a_teams_store_gets_the_view_alone(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    message = start(tmp_path, uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment_id, _ = experiments.experiment_and_parent(client, message)
    assert {one.name for one in client.search_experiments()} == {"digits", "Default"}
    assert client.get_experiment(experiment_id).tags.keys() == {"mlflow.experimentKind", VIEW_TAG}


def test_outputs_have_the_view_of_their_runs(jobs: Path) -> None:
    """What ``mlflow ui`` shows of an output's own store: a run's, and a study's with its trials."""
    study = ["model.name", "model.hidden_units", "model.dropout_rate", "optimizer.learning_rate"]
    for job, columns in (("V0001", ["model.name"]), ("V0003", study)):
        client = mlflow.MlflowClient(f"sqlite:///{jobs / job / 'output' / 'mlflow.db'}")
        (experiment,) = client.search_experiments()
        assert (experiment.name, params(experiment.tags)) == ("digits", columns)
        assert experiment.tags[NOTE_TAG] == NOTE
