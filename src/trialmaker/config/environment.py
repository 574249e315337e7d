"""MLflow's environment variables that are the defaults of fields: what ``mlflow.start_run`` would do with them."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from trialmaker.config.fields import leaves

# By field. conf/config.yaml names each variable as the field's default.
VARIABLES = {
    "tracking.uri": "MLFLOW_TRACKING_URI",
    "tracking.experiment": "MLFLOW_EXPERIMENT_NAME",
    "name": "MLFLOW_RUN_NAME",
}


def variable(name: str, default: Any = None) -> Any:
    """Return the value of an environment variable; the default where it is empty or not set."""
    return os.environ.get(name) or default


def settings(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``field=value (VARIABLE)`` for each field that has the value of its environment variable.

    Args:
        config: nested, by group.
    """
    values = dict(leaves(config))
    for field in VARIABLES:
        if origin_text := origin(field, values[field]):
            yield f"{field}={values[field]}{origin_text}"


def origin(field: str, value: Any) -> str:
    """Return `` (VARIABLE)`` for a field that has the value of its environment variable, else ""."""
    name = VARIABLES.get(field, "")
    return f" ({name})" if name and value is not None and variable(name) == value else ""
