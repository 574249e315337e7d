"""What the application knows of its studies, and the sweeper cannot: handed over in code, never by a config's text."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

Facts = Callable[[DictConfig, Collection[str]], Mapping[str, str]]


def no_facts(_config: DictConfig, _searched: Collection[str]) -> Mapping[str, str]:
    """Return no facts."""
    return {}


def nobody() -> bool:
    """Return False."""
    return False


def no_reason() -> None:
    """Raise nothing."""


def is_no_proxy(place: str) -> bool:
    """Return whether a study is not stored behind a proxy, which may end before it could be summed up."""
    return not place.startswith("grpc://")


def no_objectives(_config: DictConfig) -> Sequence[str]:
    """Return no names."""
    return ()


@dataclass(frozen=True)
class Application:
    """What an application adds to its studies: to their fingerprint, and the names of their objectives.

    Args:
        incidental_fields: paths of config fields in which the commands of one study may differ: places of a machine,
            budgets, what is printed. A path stands for all fields below it too.
        facts: returns what is fixed and not in the config, such as the data's digest, by name; from a trial's config
            and the names that the study searches. It is called before the first trial; what it raises ends the sweep.
        versions: returns those of the application, by name; for information.
        objectives: returns the objectives' names, from a trial's config; none where it has no names for them.
        is_awaited: returns whether another command is there that needs the storage which this one serves, or will soon.
        sums_up: returns whether this command reports on all trials of a study that machines share, from its storage's
            place; else it says nothing of those that others run.
        when_away: called while a served storage does not answer; what it raises ends the wait.
    """

    incidental_fields: tuple[str, ...] = ()
    facts: Facts = no_facts
    versions: Callable[[], Mapping[str, str]] = dict
    objectives: Callable[[DictConfig], Sequence[str]] = no_objectives
    is_awaited: Callable[[], bool] = nobody
    when_away: Callable[[], None] = no_reason
    sums_up: Callable[[str], bool] = is_no_proxy


_registered = Application()


def register(application: Application) -> None:
    """Set the application whose studies this process runs."""
    global _registered
    _registered = application


def registered() -> Application:
    """Return the application whose studies this process runs."""
    return _registered
