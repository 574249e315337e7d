"""One run: train, publish, test, record."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import keras

from trialmaker.config.run_schema import EFFECTIVE_PRECISION
from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.data.subsets import subsample
from trialmaker.errors import UserError
from trialmaker.experiment import batch_size, final_test, program, run_messages
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.fitting import Fitting
from trialmaker.experiment.instances import shared_study
from trialmaker.experiment.output_page.page import PAGE_FILE
from trialmaker.experiment.output_page.test_report import report_on
from trialmaker.experiment.run_card import run_card
from trialmaker.experiment.store_check import wait_for_store
from trialmaker.experiment.tensorboard import tensorboard_listener
from trialmaker.experiment.tracking_messages import best_model, data_used
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.model_store.litert import compile_for_litert
from trialmaker.model_store.publisher import Publisher
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Metrics, Params, Predictions, surest_errors
from trialmaker.training.loop import Outcome
from trialmaker.training.program import Program
from trialmaker.training.tensorboard_listener import TensorBoardListener

log = logging.getLogger(__name__)


def run(
    config: Config, context: RunContext, *, dataset: Dataset, initial_weights: Path | None, tracker: Tracker
) -> list[float]:
    """Train, publish the best model as soon as it is better, test it once, and tell the tracker.

    Args:
        initial_weights: to start from, as ``find_weights`` returns it; None for those that the seed draws.

    Returns:
        the best value of the objective; of a trial, its values.

    Raises:
        Stopped: by a signal; what was best until then is published.
        UserError: the weights do not fit, nor a step into memory; a loss is not finite, or a store cannot be used.
    """
    tracker.send(data_used(whole := dataset))
    dataset = replace(whole, train=subsample(whole.train, config.training.max_examples, config.data.split_seed))
    config = batch_size.clip_to_examples(config, context, len(dataset.train), tracker)
    export_model, trained = program.build(config, context, dataset, initial_weights)
    tracker.send(Params({EFFECTIVE_PRECISION: trained.precision}))
    wait_for_store(config, context, tracker)
    if context.team:
        context.team.compare_data(whole.digest)
    publisher = _publisher(config, context, export_model, whole, tracker)
    reporter = TrialReporter(context.trial, config.objective, config.training.epochs)
    with tensorboard_listener(config, context) as board:
        fitting = Fitting(config, context, trained, dataset, tracker, publisher, reporter, board)
        outcome = fitting.train()
    context.result.ended_by = outcome.reason
    best = outcome.best.metrics
    if context.is_trial:  # of a study, whose best model alone is tested, at its end
        context.result.status = "pruned" if reporter.is_pruned else "finished"
        _end_trial(config, outcome, publisher, tracker, is_pruned=reporter.is_pruned)
        return _trial_values(config, best, export_model)
    tracker.record_best(outcome.best, outcome.epochs)
    _test(config, context, trained, dataset, outcome, tracker, board)
    _hand_over(config, context, publisher, tracker, outcome, dataset)
    context.result.status = "finished"
    return [best[config.objective]]


def _end_trial(config: Config, outcome: Outcome, publisher: Publisher, tracker: Tracker, *, is_pruned: bool) -> None:
    if publisher.own_best:
        with suppress(UserError):  # of its store: a trial that is trained counts, and the tracker says why
            publisher.record_run_id(tracker.wait_for_run_id())
    tracker.finish(is_pruned=is_pruned)
    tracker.send(Metrics(outcome.best.epoch, {f"best_{config.objective}": outcome.best.metrics[config.objective]}))


def _trial_values(config: Config, best: Mapping[str, float], model: keras.Model) -> list[float]:
    values = {**best, "parameters": float(model.count_params())}
    return [values[name] for name in config.trial_values or (config.objective,)]


def _publisher(
    config: Config, context: RunContext, export_model: keras.Model, dataset: Dataset, tracker: Tracker
) -> Publisher:
    """Return the listener that publishes; a trial's model waits until it is known that the trial is not pruned.

    Args:
        dataset: the whole one, of which the card speaks.
    """
    publisher = Publisher(
        export_model,
        dataset.class_names,
        lambda event: run_card(
            config,
            dataset,
            epoch=event.epoch,
            metrics=event.metrics,
            study=context.trial.study,
            stopped_by=event.stopped_by,
        ),
        lambda: tracker.run_id,
        Path(config.output).absolute() / "model",
        run_key=context.run_key,
        at_end=context.is_trial or bool(context.withheld),
        on_published=(lambda: None) if shared_study.is_other() else context.page.write,  # of the output
    )
    publisher.withhold(context.withheld)
    context.notes.append(lambda: _note_published_run_id(publisher, tracker))
    return publisher


def _note_published_run_id(publisher: Publisher, tracker: Tracker) -> None:
    with suppress(OSError, UserError):  # the run ends as it does, whether its output can be written to or not
        publisher.record_run_id(tracker.known_run_id)


def _test(
    config: Config,
    context: RunContext,
    trained: Program,
    dataset: Dataset,
    outcome: Outcome,
    tracker: Tracker,
    board: TensorBoardListener,
) -> None:
    """Measure the best weights on the test split; note the metrics, and tell the tracker and TensorBoard."""
    test, best = dataset.test, outcome.best
    logits = trained.logits(test.images)
    context.result.test_metrics = metrics = final_test.measure(logits, test.labels)
    message, value = Metrics(best.epoch, metrics), best.metrics[config.objective]
    final_test.log_best(best.epoch, config.objective, value, metrics, is_repeated=tracker.has_message(message))
    tracker.send(message)
    probabilities = keras.ops.softmax(logits).numpy()
    images = {index: test.images[index] for index in surest_errors(test.labels, probabilities)}
    context.page.test = report_on(test, probabilities, dataset.class_names)
    events = board.record_test(best.epoch, metrics)
    tracker.send(Predictions(best.epoch, images, test.labels, probabilities, dataset.class_names, events))


def _hand_over(
    config: Config, context: RunContext, publisher: Publisher, tracker: Tracker, outcome: Outcome, dataset: Dataset
) -> None:
    """Make the run's model ready to serve, give it to the tracker, and say where both are."""
    publisher.record_test_metrics(context.result.test_metrics)
    elsewhere = context.directory / "saved_model"
    directory = publisher.version_directory or publisher.export(elsewhere)
    compile_for_litert(directory)
    context.result.note_model(directory, Path(config.output).absolute())
    log.info(run_messages.closing_message(config.objective, publisher, elsewhere))
    log.info(f"result page: {Path(config.output).absolute() / PAGE_FILE}")
    tracker.send(best_model(directory, outcome, dataset))
    run_id = ""
    with suppress(UserError):  # of a store that refuses late: what was trained counts, and the tracker says why
        run_id = tracker.wait_for_run_id()
    publisher.record_run_id(run_id)
    if run_id:
        advice = run_messages.comparison_advice("runs", config.tracking.uri, Path(config.output).absolute())
        log.info(f"MLflow run: {run_id} in {tracker.store}{advice}")
