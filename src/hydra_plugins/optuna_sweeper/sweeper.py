"""The plugin that Hydra finds; Optuna is imported when it sweeps."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.optuna_sweeper.config import FIELDS, FORMER_NAMES, register

register()


class OptunaSweeper(Sweeper):
    """A Hydra sweeper that runs the trials of an Optuna study.

    Args:
        fields: those of ``OptunaSweeperConf``.
    """

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what a sweep needs from Hydra."""
        self.context, self.task, self.composed = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Complete the study.

        Args:
            arguments: overrides of the command line.

        Returns:
            The best value; of several objectives those of each trial on the Pareto front, a list each; an empty list
            where all trials were pruned; None in a worker or a dry run.

        Raises:
            HydraException: a field breaks a law, too many trials failed, none completed or was pruned, or the study
                cannot be used.
        """
        from optuna_sweep import validation
        from optuna_sweep.sweep import Sweep

        validation.check_names(self.fields.keys() - {"trial"}, FIELDS, FORMER_NAMES)
        return Sweep(self.context, self.task, self.composed, self.fields, arguments).run()
