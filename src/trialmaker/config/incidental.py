"""The fields that make no run different from another, in groups by the reason; a field stands for those below it."""

from collections.abc import Collection, Iterable

DESCRIPTIONS = ("name", "note", "tags")  # what a person says of the run, which MLflow has a place for
# How this process works: where its files go, and which machines it works with.
OF_ONE_PROCESS = (
    *("output", "resume", "checkpoint"),
    *("instances", "training.instance_index", "training.instances_seconds"),
)
OF_ONE_INSTANCE = ("training.instance_index",)  # which is another one at each instance of a job
DATA_SOURCES = ("data.directory", "data.download", "data.mirrors")  # the data's digest says what came from there
RECORDS = ("tracking",)  # where the run is recorded, and how densely
# How far it gets, not which way.
TIME_LIMITS = ("training.max_seconds", "training.max_seconds_total", "training.margin_seconds")
WEIGHT_SOURCES = ("init_model",)  # the weights' digest says what lies there
PRINTED = ("training.log_every_steps",)  # which changes a run's log, but not its training

INCIDENTAL = (*DESCRIPTIONS, *OF_ONE_PROCESS, *DATA_SOURCES, *RECORDS, *TIME_LIMITS, *WEIGHT_SOURCES, *PRINTED)


def is_among(path: str, fields: Collection[str]) -> bool:
    """Return whether a field, or one that it lies below, is one of these."""
    return any(f"{path}.".startswith(f"{field}.") for field in fields)


def common_words(words: Iterable[str]) -> list[str]:
    """Return the overrides of a command that are the same at all instances of its job."""
    return [word for word in words if word.lstrip("+").partition("=")[0] not in OF_ONE_INSTANCE]


def is_incidental(path: str) -> bool:
    """Return whether a field decides nothing about a run's weights and log lines, once the digests are compared.

    Args:
        path: the field's, such as ``data.directory``, of which the data's digest tells, or ``tags.owner``.
    """
    return is_among(path, INCIDENTAL) and path not in PRINTED
