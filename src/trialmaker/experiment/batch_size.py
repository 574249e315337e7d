"""The batch size that a run trains with: the config's, or all training examples where there are fewer."""

import logging
from dataclasses import replace

from trialmaker.config.schema import Config
from trialmaker.experiment.context import RunContext
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Params

log = logging.getLogger(__name__)
_lines_of_studies: set[tuple[str | None, str]] = set()


def clip_to_examples(config: Config, context: RunContext, examples: int, tracker: Tracker) -> Config:
    """Return the config with a batch of at most so many training examples; where it is clipped, say and record it.

    MLflow's param ``training.batch_size`` stays what the config says, since it repeats the run; the param
    ``effective_batch_size`` holds the clipped one.
    """
    batch_size = config.training.batch_size
    if batch_size <= examples:
        return config
    clipped = f"is more than the training examples: each step takes all {examples}"
    _notify(context, f"training.batch_size={batch_size} {clipped}")
    tracker.send(Params({"effective_batch_size": str(examples)}))
    return replace(config, training=replace(config.training, batch_size=examples))


def _notify(context: RunContext, text: str) -> None:
    """Log a line; of a study, once for all trials of this process."""
    key = (context.trial.study, text)
    log.log(logging.DEBUG if context.is_trial and key in _lines_of_studies else logging.INFO, text)
    _lines_of_studies.add(key)
