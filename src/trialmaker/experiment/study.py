"""The end of a study: its best model is tested, once, and its MLflow run gets what it found."""

import logging
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from optuna_sweep.location import name_and_place
from optuna_sweep.trial import is_worker
from trialmaker.config import validation
from trialmaker.config.arguments import translation
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment import run_header
from trialmaker.platform import result_files

log = logging.getLogger(__name__)
OPTUNA_SWEEPER = "hydra_plugins.optuna_sweeper.sweeper.OptunaSweeper"


class StudyEnd(Callback):
    """Hydra calls it when a multirun begins and ends, but swallows what it raises; so it only notes the end."""

    ended: ClassVar[list[DictConfig]] = []

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """The opening lines of a study, which its trials leave out."""
        if config.hydra.sweeper.get("_target_") == OPTUNA_SWEEPER and not is_worker():
            if not config.hydra.sweeper.dry_run:
                result_files.clear_result(Path(config.output).absolute())
            command = translation.command_line(config.hydra.overrides.task)
            with suppress(UserError):  # which the trials will say
                for line in run_header.lines(asdict(validation.load(_without_hydra(config))), command):
                    log.info(line)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        self.ended.append(config)


def finish() -> set[Path]:
    """What is left to do when Hydra has run all that was asked for.

    Returns:
        the outputs of the studies that have ended.
    """
    outputs = set()
    while StudyEnd.ended:
        config = StudyEnd.ended.pop()
        sweeper = config.hydra.sweeper
        if sweeper.get("_target_") == OPTUNA_SWEEPER and not sweeper.dry_run and not is_worker():
            directory = Path(config.hydra.sweep.dir)
            checked = validation.load(_without_hydra(config))
            _finish(checked, *name_and_place(config.hydra), directory)
            outputs.add(Path(checked.output).absolute())
    return outputs


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _finish(config: Config, study: str, storage: str, directory: Path) -> None:
    from trialmaker.experiment import startup
    from trialmaker.tracking.client import record_study
    from trialmaker.tracking.messages import StudyDone

    directory.mkdir(parents=True, exist_ok=True)
    metrics = _test(config, study, storage, directory)
    start = replace(startup.start_message(config, directory), run_name=study, study=study)
    run_id = record_study(StudyDone(start, storage, metrics))
    log.info(f"MLflow run of the study: {run_id} in {start.store}; to compare its trials: make ui")


def _test(config: Config, study: str, storage: str, directory: Path) -> dict[str, float]:
    """The best model's metrics on the test split, measured if they are not known; none if it is not the study's."""
    from trialmaker.experiment import startup, tensorflow_import

    with tensorflow_import.importing_tensorflow(directory):
        from trialmaker.model_store import saved_model
        from trialmaker.model_store.card import add_metrics, read_best
        from trialmaker.model_store.litert import compile_for_litert
        from trialmaker.training.metrics import loss_and_accuracy

    models = Path(config.output).absolute() / "model"
    best = read_best(models) if models.is_dir() else None
    if best is None:
        return {}
    version = models / str(best.version)
    if not _reached(best.metrics[best.objective], study, storage):
        log.info(f"not published: {version} is no worse with {best.objective}={best.metrics[best.objective]:.4f}")
        return {}
    if "test_loss" not in best.metrics:
        test = startup.load_dataset(config.data).test
        probabilities = saved_model.load(version).probabilities(test.images / 255.0)
        loss, accuracy = loss_and_accuracy(_logarithms(probabilities), test.labels)
        add_metrics(best, {"test_loss": loss, "test_accuracy": accuracy}, models)
        best = replace(best, metrics={**best.metrics, "test_loss": loss, "test_accuracy": accuracy})
    compile_for_litert(version)
    found = {name: best.metrics[name] for name in ("test_loss", "test_accuracy")}
    log.info(
        f"best epoch={best.epoch} {best.objective}={best.metrics[best.objective]:.4f}"
        f" test_loss={found['test_loss']:.4f} test_accuracy={found['test_accuracy']:.4f}"
    )
    log.info(f"best model: {version}")
    return found


def _reached(value: float, study: str, storage: str) -> bool:
    """Whether a trial of the study had this value of the objective, to the last bit."""
    from optuna import load_study

    from optuna_sweep.storage import open_storage

    trials = load_study(study_name=study, storage=open_storage(storage)).get_trials(deepcopy=False)
    return any(value in (*(trial.values or ()), *trial.intermediate_values.values()) for trial in trials)


def _logarithms(probabilities: Any) -> Any:
    import numpy as np

    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
