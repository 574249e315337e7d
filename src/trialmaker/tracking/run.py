"""One MLflow run, from its start to its status. All that is recorded twice is there once."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from trialmaker.platform.atomic_files import locked
from trialmaker.tracking import class_table, dead_studies, experiment_view, experiments, logged_model, sqlite_store
from trialmaker.tracking.classification import confusion_matrix, per_class
from trialmaker.tracking.dataset_input import dataset_input
from trialmaker.tracking.delivery_state import DeliveryState
from trialmaker.tracking.environment import TAG_CHARACTERS, environment
from trialmaker.tracking.experiments import note_tag
from trialmaker.tracking.history import read_messages
from trialmaker.tracking.messages import BestModel, DataUsed, End, Message, Metrics, Params, Predictions, Start
from trialmaker.tracking.places import ENVIRONMENT_FILE, STATE_FILE, RunPlace
from trialmaker.tracking.settings import END_TAG, RUN_KEY_TAG, STATE_TAG, STORE_FILE, TRIAL_TAG

PARAMS_PER_BATCH = 100  # MLflow takes no more at once
METRICS_PER_BATCH = 1000  # the same

Item = TypeVar("Item")


class Timed(NamedTuple):
    """A message, or None for the begin of a further attempt, and its time in milliseconds since 1970."""

    time: int
    message: Message | None


class Run:
    """An MLflow run that is created, or looked for if that may have happened, and records messages.

    Raises whatever MLflow raises; then the same may be recorded again.

    Args:
        place: of the run's journal.
        start: the run's.
        state: how far MLflow has the run, which is kept up to date with what is created.
        begin: when the run began, milliseconds since 1970.
    """

    def __init__(self, place: RunPlace, start: Start, state: DeliveryState, begin: int) -> None:
        self.place, self.start, self.state = place, start, state
        self.client = open_store(place)
        self._is_again = state.is_creating  # whether all of the run may be there already
        self.may_repeat = bool(state.run_id) or self._is_again  # whether a model may be
        self.experiment_id, parent = experiments.experiment_and_parent(self.client, start)
        self.run_id = state.run_id or self._create(parent, begin)

    def _create(self, parent: str, begin: int) -> str:
        """Create the run, unless a lost answer has left one; keep its id."""
        run_id = self._find() if self.state.is_creating else ""
        if not run_id:
            self.state.is_creating = True
            self.state.write(self.place.directory / STATE_FILE)
            tags = {MLFLOW_PARENT_RUN_ID: parent, TRIAL_TAG: str(self.start.trial)} if parent else note_tag(self.start)
            tags |= {**self.start.tags, RUN_KEY_TAG: self.start.run_key}
            run = self.client.create_run(self.experiment_id, begin, tags, self.start.run_name)
            run_id = str(run.info.run_id)
        self.state.run_id, self.state.experiment_id, self.state.is_creating = run_id, self.experiment_id, False
        self.state.write(self.place.directory / STATE_FILE)
        return run_id

    def _find(self) -> str:
        condition = f"tags.`{RUN_KEY_TAG}` = '{self.start.run_key}'"
        runs = self.client.search_runs([self.experiment_id], condition, max_results=1)
        return str(runs[0].info.run_id) if runs else ""

    def record(self, batch: Sequence[Timed]) -> None:
        """Record messages in order; metrics that came together are written together, before the rest."""
        self._log_metrics([(time, message) for time, message in batch if isinstance(message, Metrics)])
        for time, message in batch:
            if message is None:
                self._go_on()
            elif isinstance(message, Start):
                self._log_start()
            elif isinstance(message, DataUsed):
                self.client.log_inputs(self.run_id, [dataset_input(message)])
            elif isinstance(message, Params):
                self._log_params(message.values)
            elif isinstance(message, Predictions):
                self._log_predictions(time, message)
            elif isinstance(message, BestModel):
                self._log_model(message)
            elif isinstance(message, End):
                self._finish(message, time)
        self.may_repeat = self._is_again

    def _go_on(self) -> None:
        """Set the run RUNNING again, where a further attempt begins."""
        if END_TAG in self.client.get_run(self.run_id).data.tags:
            self.client.delete_tag(self.run_id, END_TAG)
        self.client.update_run(self.run_id, "RUNNING")

    def _log_start(self) -> None:
        """Log the params, and outside a study, whose own run holds what trials have in common, code and config."""
        self._log_params(self.start.params)
        if self.start.study:
            return
        code, packages = environment(self.place.directory / ENVIRONMENT_FILE, self.place.project)
        tags = logged_model.SOURCE_TAGS | code
        self.client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        if packages:
            self.client.log_text(self.run_id, packages, "requirements.txt")
        self.client.log_text(self.run_id, self.start.resolved_config, "resolved_config.yaml")

    def _log_params(self, values: Mapping[str, str]) -> None:
        params = [Param(key, value) for key, value in values.items()]
        for batch in _batches(params, PARAMS_PER_BATCH):
            self.client.log_batch(self.run_id, params=batch)

    def _log_metrics(self, messages: Sequence[tuple[int, Metrics]]) -> None:
        metrics = [Metric(name, value, time, m.step) for time, m in messages for name, value in m.values.items()]
        for batch in _batches(metrics, METRICS_PER_BATCH):
            self.client.log_batch(self.run_id, batch)

    def _log_predictions(self, time: int, predictions: Predictions) -> None:
        """Log the figures, and what they show in numbers."""
        from trialmaker.tracking.figures.artifacts import write_figures  # matplotlib, for which the id should not wait

        names, answers = predictions.class_names, predictions.probabilities.argmax(axis=1)
        scores = per_class(confusion_matrix(predictions.labels, answers, len(names)))
        self._log_metrics([(time, Metrics(predictions.epoch, class_table.score_metrics(scores)))])
        self.client.log_text(self.run_id, class_table.score_table(names, scores), class_table.TABLE_FILE)
        history = list(read_messages(self.place, Metrics))
        with tempfile.TemporaryDirectory() as folder:
            write_figures(Path(folder), self.start.run_name, history, predictions)
            self.client.log_artifacts(self.run_id, folder, "pictures")

    def _log_model(self, best: BestModel) -> None:
        if best.directory.is_dir():
            dataset = next((dataset_input(data) for data in read_messages(self.place, DataUsed)), None)
            logged_model.log_model(self.client, self.run_id, best, dataset, may_repeat=self.may_repeat)
        else:
            print(f"no model is logged: {best.directory} is no longer there", flush=True)

    def _finish(self, end: End, time: int) -> None:
        if end.message:
            self.client.set_tag(self.run_id, END_TAG, end.message[:TAG_CHARACTERS])
        if self.start.study:
            states = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "PRUNED" if end.is_pruned else "WAITING"}
            self.client.set_tag(self.run_id, STATE_TAG, states[end.status])
        else:
            self._log_run_directory()
        experiment_view.add_run(self.client, self.experiment_id, self.start)
        self.client.set_terminated(self.run_id, end.status, time)
        is_stopped = end.status == "KILLED" and not end.is_pruned
        if self.start.study and is_stopped and not self.place.uri:  # trials of a server's study may run elsewhere
            message = end.message[:TAG_CHARACTERS]
            dead_studies.end_stopped(self.client, self.experiment_id, self.place.output, self.start, message, time)

    def _log_run_directory(self) -> None:
        for path in (self.place.directory / ".hydra", self.place.directory / "train.log"):
            if path.is_symlink():
                continue  # which may lead anywhere
            if path.is_dir():
                self.client.log_artifacts(self.run_id, str(path), "config")
            elif path.exists():
                self.client.log_artifact(self.run_id, str(path))


def open_store(place: RunPlace) -> mlflow.MlflowClient:
    """Return a client of the store, which is made if it is missing."""
    sqlite_store.limit_retries()
    mlflow.set_tracking_uri(place.store)
    with locked(place.output / experiments.LOCK):
        if not place.uri and not (place.output / STORE_FILE).exists():
            sqlite_store.create(place.output / STORE_FILE)
        return mlflow.MlflowClient(place.store)


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]
