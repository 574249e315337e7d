"""One run: train, publish, test, record."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.data.subsets import subsample
from trialmaker.experiment.stop_conditions import StopCondition
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.model_store import initial_weights
from trialmaker.model_store.card import Card
from trialmaker.model_store.litert import compile_for_litert
from trialmaker.model_store.publisher import Publisher
from trialmaker.platform import paths
from trialmaker.platform.signals import Signals
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import BestModel, DataUsed, Metrics, Tested
from trialmaker.training import loop, program_cache, schedules
from trialmaker.training.console_listener import console_listener
from trialmaker.training.events import EpochDone, Listener
from trialmaker.training.loop import Outcome
from trialmaker.training.metrics import loss_and_accuracy
from trialmaker.training.objective import Objective
from trialmaker.training.program import Program
from trialmaker.training.step_means import StepMeans
from trialmaker.training.tensorboard_listener import TensorBoardListener

log = logging.getLogger(__name__)


def run(
    config: Config, *, run_directory: Path, dataset: Dataset, tracker: Tracker, started: float, signals: Signals
) -> list[float]:
    """Train, publish the best model as soon as it is better, test it once, and tell the tracker.

    Args:
        run_directory: Hydra's, for what belongs to this run alone.
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.

    Returns:
        the best value of the objective; of a trial, its values.

    Raises:
        Stopped: by a signal; what was best until then is published.
    """
    output = Path(config.output).absolute()
    digest = dataset.digest  # of the whole: runs on a part of the training examples still compare
    tracker.send(_data_used(dataset, digest))
    dataset = replace(dataset, train=subsample(dataset.train, config.training.max_examples, config.data.split_seed))
    architecture: Any = {
        "model": asdict(config.model),
        "input_shape": dataset.input_shape,
        "num_classes": dataset.num_classes,
    }
    twin = program_cache.initialized_model(seed=config.seed, **architecture)
    trial = TrialReporter(config.objective)
    parameters = f"{config.model.name}: {twin.count_params():,} parameters"
    log.log(trial.level, f"{parameters}; {_sizes(dataset)}; output: {output}")
    if config.init_model:
        log.info(f"starts from the weights of {initial_weights.load(twin, Path(config.init_model))}")
    program = program_cache.prepare_program(
        weights=twin.get_weights(),
        optimizer=asdict(config.optimizer),
        augment=asdict(config.augment),
        label_smoothing=config.training.label_smoothing,
        jit_compile=config.training.jit_compile,
        **architecture,
    )
    publisher = Publisher(
        twin, dataset.class_names, _CardWriter(config, digest), lambda: tracker.run_id, output / "model"
    )
    listeners: list[Listener] = [tracker, publisher, trial]
    if not trial.is_one:
        listeners.append(TensorBoardListener(output / "tensorboard" / paths.run_name(run_directory, output)))
    with signals.deferred(), publisher:
        ending = StopCondition(config.training, started, signals, trial)
        outcome = _fit(config, program, dataset, listeners, ending)
        signals.where = _progress_text(config, outcome)
    if trial.is_one:  # of a study, whose best model alone is tested, at its end
        tracker.is_pruned = trial.is_pruned
        tracker.send(Metrics(outcome.best.epoch, {f"best_{config.objective}": outcome.best.metrics[config.objective]}))
        found = {**outcome.best.metrics, "parameters": float(twin.count_params())}
        return [found[name] for name in config.trial_values or (config.objective,)]
    metrics = _test(config, program, dataset, outcome, tracker)
    publisher.tested(metrics)
    published = publisher.version_directory
    directory = published or publisher.export(run_directory / "saved_model")
    compile_for_litert(directory)
    tracker.send(_best_model(directory, outcome, dataset))
    log.info(_closing_message(config, publisher, run_directory / "saved_model"))
    log.info(f"MLflow run: {tracker.run_id} in {tracker.where}; to compare runs: make ui")
    return [outcome.best.metrics[config.objective]]


def _fit(
    config: Config,
    program: Program,
    dataset: Dataset,
    listeners: list[Listener],
    stop: StopCondition,
) -> Outcome:
    wanted = config.training
    steps_per_epoch = max(1, len(dataset.train) // wanted.batch_size)
    schedule = schedules.schedule(
        **asdict(config.schedule),
        learning_rate=config.optimizer.learning_rate,
        steps_per_epoch=steps_per_epoch,
        epochs=wanted.epochs,
    )
    total_steps = steps_per_epoch * wanted.epochs
    with console_listener(total_steps=total_steps, is_trial=stop.trial.is_one) as lines:
        outcome = loop.fit(
            program=program,
            learning_rates=lambda steps: schedule(tf.constant(steps)).numpy(),
            train=dataset.train,
            validation=dataset.validation,
            objective=Objective(config.objective, config.direction),
            seed=config.seed,
            epochs=wanted.epochs,
            batch_size=wanted.batch_size,
            patience=wanted.patience,
            early_validation=wanted.early_validation if stop.trial.is_one else None,
            stop=stop,
            listeners=[StepMeans(wanted.log_every_steps, [lines, *listeners])],
        )
    if outcome.reason in ("patience", "max_seconds"):
        limit = f"training.{outcome.reason}={getattr(wanted, outcome.reason)}"
        log.info(f"ended in epoch {outcome.epochs} of {wanted.epochs} by {limit}")
    return outcome


def _test(config: Config, program: Program, dataset: Dataset, outcome: Outcome, tracker: Tracker) -> dict[str, float]:
    """The one look at the test split."""
    test, best = dataset.test, outcome.best
    logits = program.logits(test.images)
    loss, accuracy = loss_and_accuracy(logits, test.labels)
    value = best.metrics[config.objective]
    log.info(
        f"best epoch={best.epoch} {config.objective}={value:.4f} test_loss={loss:.4f} test_accuracy={accuracy:.4f}"
    )
    metrics = {"test_loss": loss, "test_accuracy": accuracy}
    tracker.send(Metrics(best.epoch, {**metrics, "best_epoch": best.epoch, f"best_{config.objective}": value}))
    tracker.send(Tested(test.images, test.labels, keras.ops.softmax(logits).numpy(), dataset.class_names))
    return metrics


class _CardWriter:
    """What ``best.json`` says of an epoch's model."""

    def __init__(self, config: Config, digest: str) -> None:
        self.config, self.digest = config, digest

    def __call__(self, event: EpochDone) -> Card:
        return Card(
            run_id="",  # known when MLflow has answered
            model=self.config.model.name,
            data=self.config.data.name,
            data_digest=self.digest,
            objective=self.config.objective,
            direction=self.config.direction,
            epoch=event.epoch,
            metrics=event.metrics,
        )


def _sizes(dataset: Dataset) -> str:
    sizes = (
        f"{len(dataset.train):,} training, {len(dataset.validation):,} validation, {len(dataset.test):,} test images"
    )
    return f"{dataset.name}: {sizes} of {'x'.join(map(str, dataset.input_shape))} in {dataset.num_classes} classes"


def _progress_text(config: Config, outcome: Outcome) -> str:
    best = f"best {config.objective}={outcome.best.metrics[config.objective]:.4f} of epoch {outcome.best.epoch}"
    return f"at epoch {outcome.epochs}, step {outcome.steps}; {best}"


def _closing_message(config: Config, publisher: Publisher, elsewhere: Path) -> str:
    if publisher.version_directory or not publisher.best:
        return f"best model: {publisher.version_directory}"
    best = publisher.best
    place = publisher.directory / str(best.version)
    return (
        f"not published: {place} is no worse with {config.objective}={best.metrics[config.objective]:.4f};"
        f" this run's model: {elsewhere}"
    )


def _data_used(dataset: Dataset, digest: str) -> DataUsed:
    sizes = {name: len(getattr(dataset, name)) for name in ("train", "validation", "test")}
    return DataUsed(dataset.name, dataset.source, digest, sizes, dataset.input_shape)


def _best_model(directory: Path, outcome: Outcome, dataset: Dataset) -> BestModel:
    example: Any = dataset.validation.images[:1].astype(np.float32) / 255
    return BestModel(directory, outcome.best.epoch, example, dataset.num_classes)
