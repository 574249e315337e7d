"""Where studies lie, for who reads them. Hydra imports this module whenever it starts; so Optuna comes later."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def name_and_place(hydra: Any) -> tuple[str, str]:
    """A study's name and where it lies, from the config's ``hydra`` node."""
    name = str(hydra.sweeper.study_name or hydra.job.name)
    place = str(hydra.sweeper.storage or Path(hydra.runtime.cwd, "studies", f"{name}.log"))
    return name, place if "://" in place else str(Path(place).absolute())


def open_storage(place: str) -> "BaseStorage":
    """Open, and make if need be.

    Args:
        place: the path of a file (Optuna's journal), ``grpc://host:port``, or a database's URL.
    """
    from hydra_plugins.optuna_sweeper._storage import open_storage as opened

    return opened(place)
