"""The plugin as Hydra finds it; Optuna is imported when it sweeps."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.optuna_sweeper.config import register

register()


class OptunaSweeper(Sweeper):
    """Runs the trials of an Optuna study.

    Args:
        fields: those of ``OptunaSweeperConf``.
    """

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.composed = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Complete the study.

        Returns:
            its best value, or the list of best values of several objectives; None where no trial completed.
        """
        from optuna_sweep.sweep import Sweep

        return Sweep(self.context, self.task, self.composed, self.fields, arguments).run()
