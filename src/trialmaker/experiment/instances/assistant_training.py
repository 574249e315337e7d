"""The training at another instance than the first."""

import logging
from dataclasses import replace
from pathlib import Path

from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.data.subsets import subsample
from trialmaker.experiment import batch_size, program, run_messages
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances.collective import collective_training
from trialmaker.experiment.stop_conditions import StopCondition
from trialmaker.experiment.training_plan import training_plan
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.platform.console import FILE_LOGGER
from trialmaker.training import loop
from trialmaker.training.events import EpochDone, Event
from trialmaker.training.loop_state import LoopState
from trialmaker.training.snapshot import Snapshot

log = logging.getLogger(FILE_LOGGER)  # the first instance prints what is the same at all


def train(
    config: Config, context: RunContext, whole: Dataset, initial_weights: Path | None, snapshot: Snapshot | None
) -> list[float]:
    """Train to the end that all instances agree on; return the best value of the objective.

    Args:
        snapshot: of the checkpoint that the first instance goes on from; None where the run begins.
    """
    dataset = replace(whole, train=subsample(whole.train, config.training.max_examples, config.data.split_seed))
    config = batch_size.clip_to_examples(config, context, len(dataset.train), None)
    _, trained = program.build(config, context, dataset, initial_weights)
    state = LoopState.restore(snapshot.part("loop"), trained) if snapshot else LoopState()
    reporter = TrialReporter(context.trial, config.objective, config.training.epochs)
    stop = StopCondition(config.training, context.started, 0.0, context.signals, reporter)
    if context.team:
        context.team.compare_data(whole.digest)
    with context.signals.deferred():
        with collective_training(context):
            outcome = loop.fit(
                training_plan(config, len(dataset.train), is_trial=False),
                program=trained,
                train=dataset.train,
                validation=dataset.validation,
                state=state,
                stop=stop,
                listeners=[_log_epoch],
            )
        context.signals.where = run_messages.progress_text(config.objective, outcome)
        if outcome.reason == "signal":
            context.signals.adopt()
    return [outcome.best.metrics[config.objective]]


def _log_epoch(event: Event) -> None:
    if isinstance(event, EpochDone):
        log.info(f"epoch {event.epoch} is done")
