"""A run at another instance than the first: it computes its part of each step, and keeps a log, and nothing else."""

import logging
from pathlib import Path

from trialmaker.config.schema import Config
from trialmaker.experiment import startup
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances import decision
from trialmaker.experiment.instances.team import Team
from trialmaker.experiment.tensorflow_import import importing_tensorflow
from trialmaker.model_store.weights_source import find_weights
from trialmaker.platform.console import FILE_LOGGER

log = logging.getLogger(__name__)


def assist(config: Config, context: RunContext, team: Team) -> list[float]:
    """Train with the first instance, which keeps the record; send it this one's log at the end.

    Returns:
        the best value of the objective.

    Raises:
        UserError: the data or the initial weights cannot be used.
        StudyError: another instance is gone, or its data, config or code differ.
        Stopped: by a signal, here or at another instance.
    """
    try:
        log.info(f"computes for {team.instances.name(0)}, which keeps the run's record")
        begin = team.begin_run(context.directory, decision.compared(config, context))
        snapshot, context.precision = decision.unpacked(begin)
        weights = find_weights(Path(config.init_model)) if config.init_model else None
        dataset = startup.begin_loading(config)
        with importing_tensorflow(context.directory):
            team.connect(context.signals, {})
            from trialmaker.experiment.instances import assistant_training
        loaded = startup.wait_for_data(config, dataset, context)
        return assistant_training.train(config, context, loaded, weights, snapshot)
    except BaseException as error:
        logging.getLogger(FILE_LOGGER).info(f"ended: {error}")
        raise
    finally:
        team.send_log()
