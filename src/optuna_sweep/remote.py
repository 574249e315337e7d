"""The trial of a task that another launcher runs in a process of its own."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from optuna.trial import Trial

from optuna_sweep.live_trial import LiveTrial
from optuna_sweep.sampling import accepted_arguments
from optuna_sweep.storage import open_storage


def connect(reference: Mapping[str, object]) -> LiveTrial:
    """Return the trial that ``hydra.sweeper.trial`` refers to.

    Args:
        reference: the trial's ``study`` and ``number``, and ``storage`` where the sweep's config does not name it.
    """
    sweeper: Any = HydraConfig.get().sweeper
    place = reference.get("storage") or sweeper.storage
    return _connect(str(place), str(reference["study"]), int(str(reference["number"])))


@lru_cache(maxsize=1)
def _connect(place: str, name: str, number: int) -> LiveTrial:
    storage = open_storage(place)
    sweeper: Any = HydraConfig.get().sweeper
    pruner = instantiate(accepted_arguments(sweeper.pruner, "pruner"))
    study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
    trial_id = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(name), number)
    return LiveTrial(Trial(study, trial_id))
