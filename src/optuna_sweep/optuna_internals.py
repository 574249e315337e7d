"""Private parts of Optuna that the sweeper cannot do without, each seen to be needed with optuna 5.0."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, Trial

FIXED_PARAMS = "fixed_params"  # system attribute of an enqueued trial: its parameters, which no sampler draws


def get_trial_id(trial: Trial | FrozenTrial) -> int:
    """Return a trial's key in its storage, which a storage's methods take and no public attribute has."""
    return trial._trial_id


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Suggest a parameter of a trial from a distribution, where Optuna's public methods take its limits one by one."""
    return trial._suggest(name, distribution)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution can yield a value."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False


def share_search_space(source: BaseSampler, target: BaseSampler) -> None:
    """Give a new sampler the intersection of all trials' parameters that another one has already computed.

    To compute it anew takes time in proportion to the number of trials.
    """
    search_space = getattr(source, "_search_space", None)
    if isinstance(search_space, IntersectionSearchSpace):
        target._search_space = search_space  # type: ignore[attr-defined]


def is_stop_request(error: RuntimeError) -> bool:
    """Return whether ``Study.tell`` raised this because the sampler called ``Study.stop``.

    Samplers of finitely many points do so with the last one; outside of ``Study.optimize`` it is an error, which has no
    class of its own. The trial has been told by then.
    """
    return "Study.stop" in str(error)


@contextmanager
def hidden_scikit_learn() -> Iterator[None]:
    """Have ``optuna.importance``, imported inside, believe that scikit-learn is not installed.

    Its default evaluator, PED-ANOVA, does without; for the others it would import scikit-learn, SciPy and pandas, which
    takes a second. Those others cannot be used in this process then.
    """
    is_hidden = "sklearn" not in sys.modules
    if is_hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules["sklearn"]
