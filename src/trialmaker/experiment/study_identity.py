"""What makes trials those of one study: told to the sweeper, which knows no data and no places."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig

from optuna_sweep import application
from trialmaker.config import validation
from trialmaker.config.incidental import INCIDENTAL
from trialmaker.experiment import run_header
from trialmaker.experiment.instances import shared_study
from trialmaker.experiment.resume import earlier_job
from trialmaker.model_store.weights_source import find_weights


def register() -> None:
    """Tell the sweeper what belongs to a study of this application."""
    ways = shared_study.is_awaited, shared_study.raise_if_first_has_ended, sums_up
    application.register(application.Application(INCIDENTAL, _facts, _versions, _objectives, *ways))


def sums_up(place: str) -> bool:
    """Return whether this command reports on all trials of a shared study: the first instance, or by its storage."""
    return not shared_study.is_other() if shared_study.current() else application.is_no_proxy(place)


def complete(config: DictConfig) -> None:
    """Name a study whose file does not: by that file and the data set; and store it in the output.

    Args:
        config: the composed one of a study; its ``hydra.sweeper`` is changed.
    """
    sweeper = config.hydra.sweeper
    file = config.hydra.runtime.choices.get("sweeps") or "study"
    sweeper.study_name = sweeper.study_name or f"{file}_{config.data.name}"
    sweeper.storage = sweeper.storage or str(Path(config.output, "studies", f"{file}.log"))


def _facts(config: DictConfig, searched: Collection[str]) -> dict[str, str]:
    """Return the digests of the data and of the initial weights, unless the study searches them.

    Raises:
        UserError: the data or the weights cannot be read.
        OSError: the study of the earlier job cannot be copied.
    """
    from trialmaker.experiment import startup

    shared_study.raise_failure()
    if error := earlier_job.failure():
        raise error
    facts = {}
    if not any(f"{name}.".startswith("data.") for name in searched):
        facts["data_digest"] = startup.load_dataset(validation.load_data(config)).digest
        if config.hydra.sweeper.n_jobs > 1 or config.hydra.sweeper.shared:
            startup.load_dataset.cache_clear()  # the workers read it themselves
    if config.init_model and "init_model" not in searched:
        facts["init_model_digest"] = digest(find_weights(Path(config.init_model)))
    return facts


def _objectives(config: DictConfig) -> list[str]:
    """Return the metrics whose best values are a trial's."""
    return [str(name) for name in config.trial_values or (config.objective,)]


def digest(weights: Path) -> str:
    """Return the SHA-256, hexadecimal, of a Keras file, or of the variables of a published model."""
    files = sorted((weights / "variables").iterdir()) if weights.is_dir() else [weights]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def _versions() -> dict[str, str]:
    return {"trialmaker": run_header.version()}
