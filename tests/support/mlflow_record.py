"""What an MLflow server has of one training: each epoch once, the model, the pictures."""

from dataclasses import dataclass

from mlflow import MlflowClient

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "examples_per_second", "seconds")


@dataclass(frozen=True)
class TrainingRecord:
    """The record of an experiment in which one training was run.

    Args:
        statuses: of the experiment's runs; one, unless a run is there twice.
        epochs: how many epochs have each of their metrics exactly once.
        has_model: whether there is one logged model.
        has_pictures: whether the pictures of the test split are there.
    """

    statuses: tuple[str, ...] = ()
    epochs: int = 0
    has_model: bool = False
    has_pictures: bool = False


def read_record(address: str, experiment: str) -> TrainingRecord:
    """Return what a server has of an experiment's first run."""
    client = MlflowClient(address)
    there = client.get_experiment_by_name(experiment)
    runs = client.search_runs([there.experiment_id], order_by=["attributes.start_time ASC"]) if there else []
    if not there or not runs:
        return TrainingRecord()
    run = runs[0].info.run_id
    histories = [client.get_metric_history(run, name) for name in EPOCH_METRICS]
    steps = [[metric.step for metric in history] for history in histories]
    once = set.intersection(*({step for step in one if one.count(step) == 1} for one in steps))
    return TrainingRecord(
        statuses=tuple(str(run.info.status) for run in runs),
        epochs=len(once),
        has_model=len(client.search_logged_models([there.experiment_id])) == 1,
        has_pictures=len(client.list_artifacts(run, "pictures")) == 4,
    )
