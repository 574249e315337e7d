"""The trial of a task that another launcher runs in a process of its own."""

from collections.abc import Mapping
from functools import lru_cache

import optuna
from optuna.trial import Trial

from hydra_plugins.optuna_sweeper._storage import open_storage
from hydra_plugins.optuna_sweeper.trial import LiveTrial


def connect(found: Mapping[str, object]) -> LiveTrial:
    """The trial of that number.

    Args:
        found: ``storage``, ``study`` and ``number``.
    """
    return _connect(str(found["storage"]), str(found["study"]), int(str(found["number"])))


@lru_cache(maxsize=1)
def _connect(place: str, name: str, number: int) -> LiveTrial:
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    storage = open_storage(place)
    pruner = instantiate(HydraConfig.get().sweeper.pruner)
    study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
    trial_id = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(name), number)
    return LiveTrial(Trial(study, trial_id))
