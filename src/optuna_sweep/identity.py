"""Whether a command's trials belong into a study: checked before its first trial."""

import logging
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage

from optuna_sweep import space
from optuna_sweep.attributes import FINGERPRINT
from optuna_sweep.fingerprint import SEARCHED, UNSET, Fingerprint
from optuna_sweep.study import Study

FRESH_SECONDS = 10.0  # at most, between a study's creation and its fingerprint
SETTLED_SECONDS = 0.5  # of two commands that give a study its fingerprint at once, the last one is right
MAX_NAMES = 5  # of other studies that are named
SHOWN_DIGEST_CHARACTERS = 12  # that are shown
OTHER_NAME_HINT = "take another hydra.sweeper.study_name"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """What the trials of a command are of.

    Args:
        place: the study's storage, without its password.
        directions: one per objective.
        distributions: the search space.
        fingerprint: what is fixed.
        objectives: their names, which Optuna's dashboard and plots show; none where the application has none.
    """

    place: str
    directions: Sequence[str]
    distributions: Mapping[str, BaseDistribution]
    fingerprint: Fingerprint
    objectives: Sequence[str] = ()

    def join(self, joined: Study) -> None:
        """Check that the trials belong into a study; give it the fingerprint and the names that it lacks.

        Raises:
            HydraException: they do not belong into it.
        """
        self._join(joined)
        if len(self.objectives) == len(self.directions) and joined.study.metric_names is None:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                joined.study.set_metric_names(list(self.objectives))

    def _join(self, joined: Study) -> None:
        study = joined.study
        if joined.is_new:
            study.set_user_attr(FINGERPRINT, asdict(self.fingerprint))
            self._log_other_studies(study.study_name, joined.storage)
            return
        _wait_while_fresh(study)
        self.check(study)
        stored = _stored(study)
        if stored and stored.versions != self.fingerprint.versions:
            versions = ", ".join(f"{name} {version}" for name, version in stored.versions.items())
            log.info(f"study {study.study_name} was begun with {versions}")
        if stored is None:
            log.info(f"study {study.study_name} does not say what it is of: from now on it is of this command's values")
            study.set_user_attr(FINGERPRINT, asdict(self.fingerprint))
            time.sleep(SETTLED_SECONDS)
            self.check(study)

    def check(self, study: optuna.Study) -> None:
        """Check that the trials belong into a study.

        Raises:
            HydraException: one line with each difference, the study's value and the command's; or with the first
                parameter whose distribution Optuna cannot change to the one given.
        """
        if differences := "; ".join(self._differences(study)):
            text = f"study {study.study_name} in {self.place} has {differences}"
            raise HydraException(f"{text}; {OTHER_NAME_HINT}, or those values")
        stored = {name: old for trial in study.get_trials(deepcopy=False) for name, old in trial.distributions.items()}
        for name, new in self.distributions.items():
            try:
                check_distribution_compatibility(stored.get(name, new), new)
            except ValueError as error:
                text = f"{name}: study {study.study_name} has {stored[name]} for it, not {new}"
                raise HydraException(f"{text}; {OTHER_NAME_HINT}") from error

    def _differences(self, study: optuna.Study) -> Iterator[str]:
        directions = [direction.name.lower() for direction in study.directions]
        if directions != list(self.directions):
            yield f"direction {directions}, not {list(self.directions)}"
        stored = _stored(study)
        for name, old, new in stored.differences(self.fingerprint) if stored else ():
            yield f"{name}{' ' if old in (SEARCHED, UNSET) else '='}{_text(old)}, not {_text(new)}"

    def _fits(self, name: str, storage: BaseStorage) -> bool:
        try:
            self.check(optuna.load_study(study_name=name, storage=storage))
        except (HydraException, KeyError):  # of another search, or deleted meanwhile
            return False
        return True

    def _log_other_studies(self, name: str, storage: BaseStorage) -> None:
        """Log which studies of a file a new one's command could go on with: the name may be mistyped."""
        if "://" in self.place:
            return
        names = optuna.get_all_study_names(storage)
        others = [other for other in names if other != name and self._fits(other, storage)]
        if others:
            shown = " or ".join(others[-MAX_NAMES:])
            log.info(f"study {name} is new; to go on with another one: hydra.sweeper.study_name={shown}")


def _wait_while_fresh(study: optuna.Study) -> None:
    """Wait for the fingerprint of a study that another command has just created: it has no trials yet."""
    deadline = time.monotonic() + FRESH_SECONDS
    while _stored(study) is None and not study.get_trials(deepcopy=False) and time.monotonic() < deadline:
        time.sleep(0.05)


def _stored(study: optuna.Study) -> Fingerprint | None:
    attribute = study.user_attrs.get(FINGERPRINT)
    return Fingerprint(*(attribute[part] for part in ("fixed", "groups", "versions"))) if attribute else None


def _text(value: Any) -> str:
    if value in (SEARCHED, UNSET):
        return str(next(iter(value)))
    is_digest = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32,}", value)
    return str(value)[:SHOWN_DIGEST_CHARACTERS] if is_digest else space.text(space.as_choice(value))
