"""What starts before TensorFlow is imported, so that its import hides it: the data's reading and MLflow's process."""

import logging
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from trialmaker.config.fields import leaves_as_text
from trialmaker.config.incidental import DESCRIPTIONS
from trialmaker.config.schema import Config, Data
from trialmaker.data import loading
from trialmaker.data.splits import Dataset
from trialmaker.errors import UserError
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances import shared_study
from trialmaker.experiment.stop_conditions import time_limit
from trialmaker.experiment.store_check import seconds_left
from trialmaker.experiment.tensorflow_import import importing_tensorflow
from trialmaker.model_store.weights_source import find_weights
from trialmaker.platform import paths, processor
from trialmaker.platform.progress_bar import status
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start
from trialmaker.tracking.places import absolute_store

log = logging.getLogger(__name__)
RECORD_MARGIN_SECONDS = 3.0  # of training.max_seconds, for what follows the record's end
LOOK_AROUND_SECONDS = 0.5  # between two looks at whether the other instances are still there
QUICK_LOOK_SECONDS = 0.1  # enough to see that files are missing, before seconds go into TensorFlow's import


def start_run(config: Config, context: RunContext) -> list[float]:
    """Train what the config says.

    Returns:
        the best value of the objective; of a trial, its values.

    Raises:
        UserError: the data, the initial weights or the tracking store cannot be used.
    """
    weights = find_weights(Path(config.init_model)) if config.init_model else None
    dataset = begin_loading(config)
    trial = {"study": context.trial.study, "trial": context.trial.number}
    identity = {"run_key": context.run_key, "versions": dict(context.versions), "withheld": context.withheld}
    message = start_message(config, context.directory, context.result.name, **trial, **identity)
    is_delivered = bool(config.tracking.uri) or not shared_study.is_other()  # else the first instance does it
    tracker = Tracker(message, _record_deadline(config, context), is_delivered=is_delivered)
    with tracker, _failures_told(context):
        context.notes.append(lambda: _note_record(context, tracker))
        values = _train(config, context, weights, dataset, tracker)
        context.signals.defer()
    return values


def begin_loading(config: Config) -> "Future[Dataset]":
    """Begin to read the data, on a thread; return the data set to be.

    Raises:
        UserError: it cannot be used, as is seen at once.
    """
    dataset: Future[Dataset] = Future()
    # A daemon: a run that is stopped does not wait for a download.
    threading.Thread(target=_load, args=(config, dataset), daemon=True).start()
    if dataset in wait([dataset], QUICK_LOOK_SECONDS).done:
        dataset.result()
    return dataset


@contextmanager
def _failures_told(context: RunContext) -> Iterator[None]:
    """Tell the other instances of a failure inside before its end is recorded, which may take a while."""
    try:
        yield
    except Exception as error:
        if context.team:
            context.team.tell(error)
        raise


def _record_deadline(config: Config, context: RunContext) -> float:
    """Return the ``time.monotonic()`` after which MLflow is waited for no more, so that the run ends in its time."""
    return context.started + (config.training.max_seconds or math.inf) - RECORD_MARGIN_SECONDS


def _note_record(context: RunContext, tracker: Tracker) -> None:
    context.result.mlflow_run_id, context.result.undelivered = tracker.known_run_id or None, tracker.undelivered


def _load(config: Config, dataset: "Future[Dataset]") -> None:
    try:
        dataset.set_result(load_dataset(config.data))
    except BaseException as error:
        dataset.set_exception(error)


@lru_cache(maxsize=1)  # the next run of a multirun has mostly the same data
def load_dataset(data: Data) -> Dataset:
    """Return the data set of a config group's choice."""
    return loading.load(**asdict(data))


def _train(
    config: Config, context: RunContext, weights: Path | None, dataset: "Future[Dataset]", tracker: Tracker
) -> list[float]:
    with importing_tensorflow(context.directory, is_shown=not context.is_trial):
        if context.team:
            context.team.connect(context.signals, context.records_of_kill(Path(config.output).absolute()))
        from trialmaker.experiment import run, tensorflow_import

        devices = tensorflow_import.find_devices()
    kind = ", ".join(filter(None, (processor.instructions(), processor.onednn_text())))
    machine = f"devices: {', '.join(devices)}; processor: {kind}"
    log.log(context.log_level, f"TensorFlow {metadata.version('tensorflow')}, {machine}")
    loaded = wait_for_data(config, dataset, context)
    return run.run(config, context, dataset=loaded, initial_weights=weights, tracker=tracker)


def wait_for_data(config: Config, dataset: "Future[Dataset]", context: RunContext) -> Dataset:
    """Return the data set, once it is read.

    Raises:
        UserError: it cannot be used, or the run's time is over before.
        StudyError: another instance is gone meanwhile.
    """
    left = seconds_left(config, context)
    with status("reading the data", is_shown=not dataset.done()):
        if context.team is None:
            wait([dataset], None if left is None else max(0.0, left))
        deadline = math.inf if left is None else time.monotonic() + left
        while context.team and not dataset.done() and time.monotonic() < deadline:
            context.team.check()
            wait([dataset], LOOK_AROUND_SECONDS)
    if not dataset.done():
        field, _ = time_limit(config.training, context.spent_seconds)
        limit = getattr(config.training, field)
        raise UserError(f"training.{field}={limit:g}: was over before the data had been read")
    return dataset.result()


def start_message(config: Config, directory: Path, name: str, **fields: Any) -> Start:
    """Return what the tracking process is told first.

    Args:
        directory: Hydra's, of the run or of the study.
        name: the run's.
        fields: of ``Start``, which the config does not have.
    """
    output = Path(config.output).absolute()
    return Start(
        uri=absolute_store(config.tracking.uri) if config.tracking.uri else None,
        output=output,
        experiment=config.tracking.experiment,
        run_name=name,
        run_directory=directory.absolute(),
        project=paths.PROJECT,
        params=params(config),
        resolved_config="" if fields.get("study") else without_password(OmegaConf.to_yaml(asdict(config))),
        system_metrics_seconds=config.tracking.system_metrics_seconds,
        tags=dict(config.tags),
        note=config.note or "",
        **fields,
    )


def params(config: Config) -> dict[str, str]:
    """Return the fields that are MLflow's params, as text, by path: those that it has no place of its own for."""
    values = {name: value for name, value in asdict(config).items() if name not in DESCRIPTIONS}
    return {path: without_password(text) for path, text in leaves_as_text(values)}
