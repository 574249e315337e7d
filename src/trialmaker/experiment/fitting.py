"""The training of one run: the loop with its listeners, its checkpoints, and the state that it goes on from."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trialmaker.config.schema import Config
from trialmaker.data.splits import Dataset
from trialmaker.experiment import run_messages
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances.collective import collective_training
from trialmaker.experiment.result_listener import ResultListener
from trialmaker.experiment.resume.earlier_run import checkpoint_directory
from trialmaker.experiment.run_state import RunState
from trialmaker.experiment.stop_conditions import StopCondition
from trialmaker.experiment.training_plan import training_plan
from trialmaker.experiment.trial_listener import TrialReporter
from trialmaker.model_store.publisher import Publisher
from trialmaker.tracking.client import Tracker
from trialmaker.training import loop
from trialmaker.training.checkpointer import Checkpointer
from trialmaker.training.console_listener import console_listener
from trialmaker.training.events import Listener
from trialmaker.training.loop import Outcome
from trialmaker.training.program import Program
from trialmaker.training.step_means import StepMeans
from trialmaker.training.tensorboard_listener import TensorBoardListener

log = logging.getLogger(__name__)
LIMITS = ("patience", "max_seconds", "max_seconds_total")  # fields of the training that end it early


@dataclass(frozen=True)
class Fitting:
    """The training of a run.

    Args:
        program: just begun, with the run's first weights.
        dataset: with the training examples that are used.
        tracker, publisher, reporter, board: listeners that are used after the training too.
    """

    config: Config
    context: RunContext
    program: Program
    dataset: Dataset
    tracker: Tracker
    publisher: Publisher
    reporter: TrialReporter
    board: TensorBoardListener

    def train(self) -> Outcome:
        """Train to the end, and publish what is best; a signal counts when both are done."""
        context, output = self.context, Path(self.config.output).absolute()
        context.notes.append(lambda: context.result.note_model(self.publisher.version_directory, output))
        with context.signals.deferred():
            with self.publisher:
                outcome = self._fit()
                context.signals.where = run_messages.progress_text(self.config.objective, outcome)
                if self.reporter.is_pruned:
                    self.publisher.withhold("the trial was pruned")
            if line := run_messages.change_of_data(self.publisher):
                log.info(line)
        return outcome

    def _fit(self) -> Outcome:
        context, training = self.context, self.config.training
        results = ResultListener(context.result, context.directory, context.page.history)
        means = StepMeans(training.log_every_steps, [])
        state = RunState(self.program, means, results, self.reporter, self.board)
        if context.resumption and context.snapshot:
            state.restore(context.snapshot, context.resumption.run.checkpoints)
            if best := state.loop.best:
                self.publisher(best)  # which it may not have come to
        stop = StopCondition(training, context.started, context.spent_seconds, context.signals, self.reporter)
        lines = console_listener(
            total_steps=len(self.dataset.train) // training.batch_size * training.epochs,
            epochs=training.epochs,
            is_trial=context.is_trial,
            is_repeated=self.tracker.has,
            steps_done=state.loop.step,
        )
        with lines, self._checkpoints(state) as checkpointer, collective_training(context, checkpointer.write_latest):
            # the tracker before the lines: what was printed is in the journal, by which it is not printed again
            before: list[Listener] = [context.note_training, self.tracker, lines]
            means.listeners = [*before, self.publisher, self.reporter, self.board, results]
            outcome = loop.fit(
                training_plan(self.config, len(self.dataset.train), is_trial=context.is_trial),
                program=self.program,
                train=self.dataset.train,
                validation=self.dataset.validation,
                state=state.loop,
                stop=stop,
                listeners=[means, checkpointer],
            )
            if outcome.reason == "signal":
                context.signals.adopt()  # which another instance may have received
        if outcome.reason in LIMITS:
            limit = f"training.{outcome.reason}={getattr(training, outcome.reason)}"
            log.info(f"ended in epoch {outcome.epochs} of {training.epochs} by {limit}")
        return outcome

    @contextmanager
    def _checkpoints(self, state: RunState) -> Iterator[Checkpointer]:
        """Write checkpoints inside; of a trial that is done, and of a run that leaves nothing, remove them."""
        context = self.context
        directory = checkpoint_directory(context.directory, Path(self.config.output).absolute())
        is_kept = not context.is_trial and not context.withheld  # and can be extended
        complete = ("pruned",) if is_kept else ("pruned", "epochs", "patience")
        with Checkpointer(
            directory,
            state.capture,
            self.config.checkpoint.every_seconds,
            complete=complete,
            keeps_latest=context.team is not None,
        ) as checkpointer:
            yield checkpointer
        if not is_kept and context.signals.received is None:
            shutil.rmtree(directory, ignore_errors=True)
