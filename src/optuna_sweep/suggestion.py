"""The overrides of a trial's job: what is fixed, what is suggested, and how the task finds its trial."""

from collections.abc import Callable
from dataclasses import dataclass

from hydra.errors import HydraException
from omegaconf import DictConfig
from optuna.trial import Trial

from optuna_sweep.attributes import OVERRIDES, PRUNED
from optuna_sweep.optuna_internals import get_trial_id, suggest
from optuna_sweep.sampling import SamplerFactory
from optuna_sweep.space import Space, quote
from optuna_sweep.study import Study


@dataclass(frozen=True)
class Suggester:
    """A maker of the overrides of trials.

    Args:
        config: the sweep's own config.
        name: the study's.
        place: the study's storage.
        space: the search space.
        custom: a function of config and trial that suggests more parameters, or None.
        samplers: makes the sampler of each trial.
        is_in_process: whether the tasks run in this process, where they need not look for their trial.
    """

    config: DictConfig
    name: str
    place: str
    space: Space
    custom: Callable[[DictConfig, Trial], object] | None
    samplers: SamplerFactory
    is_in_process: bool

    def overrides(self, study: Study, trial: Trial) -> list[str]:
        """Suggest a trial's parameters and return its job's overrides.

        Raises:
            HydraException: the sampler needs a package that is not installed.
        """
        self._suggest(study, trial)
        params = trial.params
        if not self.custom:  # a study that somebody else began may hold trials with parameters of their own
            params = {name: value for name, value in params.items() if name in self.space.distributions}
        overrides = self.space.overrides(params)
        trial.set_user_attr(OVERRIDES, overrides)
        return [*overrides, *self._own_directory(study, trial), *self._reference(trial)]

    def _suggest(self, study: Study, trial: Trial) -> None:
        study.study.sampler = self.samplers.sampler(trial.number)
        try:
            for name, distribution in self.space.distributions.items():
                suggest(trial, name, distribution)
        except ImportError as error:  # some samplers stand on packages that Optuna does not bring
            raise HydraException(f"hydra/sweeper/sampler: {str(error).splitlines()[0]}") from error
        if self.custom:
            self.custom(self.config, trial)

    def _own_directory(self, study: Study, trial: Trial) -> list[str]:
        """Return the override that keeps a further attempt out of the directory of the first one."""
        attempt = study.leases.attempt(get_trial_id(trial))
        if not attempt:
            return []
        trial.set_user_attr(PRUNED, False)  # what its first attempt was told is void
        return [f"hydra.sweep.subdir={trial.number}_retry_{attempt}"]

    def _reference(self, trial: Trial) -> list[str]:
        """Return the override by which a task in another process finds its trial."""
        if self.is_in_process:
            return []
        place = "" if "://" in self.place else f",storage:{quote(self.place)}"  # an URL may hold a password
        return [f"hydra.sweeper.trial={{study:{quote(self.name)},number:{trial.number}{place}}}"]
