"""Where studies lie, for who reads them. Hydra imports this module whenever it starts; so Optuna comes later."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(place: str) -> "BaseStorage":
    """Open, and make if need be.

    Args:
        place: the path of a file (Optuna's journal), ``grpc://host:port``, or a database's URL.
    """
    from hydra_plugins.optuna_sweeper._storage import open_storage as opened

    return opened(place)
