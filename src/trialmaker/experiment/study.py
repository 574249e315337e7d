"""The beginning and the end of a study: its header, the test of its best model, its MLflow run."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from optuna_sweep.location import name_and_place
from optuna_sweep.trial import is_worker
from trialmaker.config import validation
from trialmaker.config.arguments import translation
from trialmaker.config.incidental import common_words
from trialmaker.config.run_schema import NEVER
from trialmaker.config.schema import Config
from trialmaker.errors import UserError
from trialmaker.experiment import multirun, run_header, running_study, study_identity
from trialmaker.experiment.context import reason_to_withhold
from trialmaker.experiment.instances import shared_study
from trialmaker.experiment.output_page.folder import all_results, trials_of
from trialmaker.experiment.output_page.page import PAGE_FILE
from trialmaker.experiment.resume import earlier_job
from trialmaker.experiment.run_name import run_differences
from trialmaker.platform import result_files, training_report
from trialmaker.platform.redaction import without_password
from trialmaker.platform.run_result import RunResult

if TYPE_CHECKING:
    from trialmaker.experiment.output_page.test_report import TestReport
    from trialmaker.model_store.card import Card

log = logging.getLogger(__name__)
NOT_TYPED = ("hydra.searchpath=", "hydra.mode=")  # but added by TrialMaker, or by a flag
OPTUNA_SWEEPER = "hydra_plugins.optuna_sweeper.sweeper.OptunaSweeper"


class StudyEnd(Callback):
    """Hydra's callback around a multirun. Hydra swallows what it raises, so it only notes that a study has ended."""

    ended: ClassVar[list[DictConfig]] = []

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Name a study that has no name, and log its opening lines, which its trials leave out."""
        if config.hydra.sweeper.get("_target_") != OPTUNA_SWEEPER:
            return
        study_identity.complete(config)
        name, place = name_and_place(config.hydra)
        training_report.tell(output=Path(config.output).absolute(), study=name, storage=place)
        shared_study.begin(config)
        if not is_worker() and not shared_study.is_other():
            if not config.hydra.sweeper.dry_run:
                with suppress(OSError):  # which the trials will raise
                    result_files.prepare_result(Path(config.output).absolute())
                if config.resume != NEVER:
                    earlier_job.prepare_study(Path(config.output).absolute(), *name_and_place(config.hydra))
            with suppress(UserError):  # which the trials will raise
                valid = validation.load(_without_hydra(config))
                changes = run_differences(valid, config.hydra.runtime)
                command = study_command(config.hydra)
                for line in run_header.lines(asdict(valid), f"continue this study: {command}", changes):
                    log.info(line)
                if not config.hydra.sweeper.dry_run:
                    running_study.begin(valid, config.hydra.sweeper.study_name, command, changes)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Note the study for ``finish``."""
        self.ended.append(config)


def finish(directories: Collection[Path]) -> Iterator[tuple[Path, str]]:
    """Finish the studies that have ended: test the best model of each, complete its MLflow run, write its page.

    Args:
        directories: of the command's runs, of which a multirun prints a summary.

    Yields:
        the output of each study, and a line on its result.
    """
    from trialmaker.experiment import startup

    while StudyEnd.ended:
        composed = StudyEnd.ended.pop()
        sweeper = composed.hydra.sweeper
        if sweeper.get("_target_") != OPTUNA_SWEEPER:
            for line in multirun.end_lines(Path(composed.hydra.sweep.dir), directories):
                log.info(line)
        elif not sweeper.dry_run and not is_worker():
            config = validation.load(_without_hydra(composed))
            withheld = reason_to_withhold(composed.hydra.runtime.choices.get("debug"))
            name, place = name_and_place(composed.hydra)
            if shared := shared_study.current():
                if shared_study.is_other():
                    shared.end_as_other()
                    continue
                shared.end_as_first()
            metrics, report = _finish(config, name, place, Path(composed.hydra.sweep.dir), withheld)
            dataset = startup.load_dataset(config.data) if report else None
            line = running_study.end("finished", test_metrics=metrics, report=report, dataset=dataset)
            yield Path(config.output).absolute(), line


def study_command(hydra: DictConfig) -> str:
    """Return what to type to continue a study: all that was typed, Hydra's own settings too.

    Args:
        hydra: the config of Hydra, with its overrides.
    """
    own = [word for word in hydra.overrides.hydra if not word.startswith(NOT_TYPED)]
    flags = [] if hydra.runtime.choices.get("sweeps") else ["hydra.mode=MULTIRUN"]
    return translation.command_line([*common_words(hydra.overrides.task), *own, *flags])


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _finish(
    config: Config, study: str, storage: str, directory: Path, withheld: str
) -> tuple[dict[str, float], "TestReport | None"]:
    """Test the best model and complete the study's MLflow run; return the test metrics, and the page's report."""
    from trialmaker.experiment import run_messages, startup
    from trialmaker.tracking.client import record_study
    from trialmaker.tracking.messages import StudyDone

    directory.mkdir(parents=True, exist_ok=True)
    if withheld:
        log.info(f"not published: {withheld}")
    metrics, report = ({}, None) if withheld else _test_best(config, study, storage, directory)
    start = replace(startup.start_message(config, directory, config.name or study), study=study)
    objective = config.objective if config.trial_values is None else None
    run_id = record_study(StudyDone(start, storage, metrics, objective))
    log.info(f"result page: {start.output / PAGE_FILE}")
    advice = run_messages.comparison_advice("its trials", config.tracking.uri, start.output)
    if run_id:
        log.info(f"MLflow run of the study: {run_id} in {without_password(start.store)}{advice}")
    return metrics, report


def _test_best(
    config: Config, study: str, storage: str, directory: Path
) -> tuple[dict[str, float], "TestReport | None"]:
    """Test and report the best model; return its test metrics and answers, or none if it is not of this study."""
    from trialmaker.experiment import final_test, run_messages, tensorflow_import

    with tensorflow_import.importing_tensorflow(directory):
        from trialmaker.model_store.litert import compile_for_litert

    models = Path(config.output).absolute() / "model"
    best = _best_of_data(config, models) if models.is_dir() else None
    if best is None:
        return {}, None
    version, value = models / str(best.version), best.value
    if not _is_of_study(best, study, storage):
        log.info(run_messages.not_published(version, best.objective, value))
        return {}, None
    metrics, report = _test_metrics(config, best, models)
    compile_for_litert(version)
    _log_tie(best, trials_of(all_results(models.parent), study))
    final_test.log_best(best.epoch, best.objective, value, metrics)
    log.info(f"best model: {version}")
    return metrics, report


def _log_tie(best: "Card", trials: Sequence[RunResult]) -> None:
    """Say whose the best model is, where several trials have its value: the sweeper has named the first of them."""
    value = best.metrics[best.objective]
    equal = [one for one in trials if one.status == "finished" and one.best_metrics.get(best.objective) == value]
    own = next((one for one in equal if one.best_metrics.get("val_loss") == best.metrics.get("val_loss")), None)
    if own and own is not equal[0]:
        log.info(f"tested: trial {own.trial}, the one with the lowest val_loss of {len(equal)} equal ones")


def _best_of_data(config: Config, models: Path) -> "Card | None":
    """Return the best version of the study's data and objective; None where there is none."""
    from trialmaker.experiment import startup
    from trialmaker.experiment.run_card import run_card
    from trialmaker.model_store.catalog import best_comparable

    with suppress(UserError):  # of data that cannot be read, which was the end of all trials
        return best_comparable(models, run_card(config, startup.load_dataset(config.data)))
    return None


def _test_metrics(config: Config, best: "Card", models: Path) -> tuple[dict[str, float], "TestReport"]:
    """Return the test metrics of the best model, and its answers; add what its card lacks to it."""
    import numpy as np

    from trialmaker.experiment import final_test, startup
    from trialmaker.experiment.output_page.test_report import report_on
    from trialmaker.model_store import saved_model
    from trialmaker.model_store.batches import in_batches
    from trialmaker.model_store.catalog import update

    dataset = startup.load_dataset(config.data)
    test = dataset.test
    probabilities = in_batches(saved_model.load(models / str(best.version)).probabilities, test.images)
    report = report_on(test, probabilities, dataset.class_names)
    if "test_loss" in best.metrics:
        return {name: best.metrics[name] for name in ("test_loss", "test_accuracy")}, report
    metrics = final_test.measure(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), test.labels)
    update(models, best.run_key, version=best.version, metrics=metrics)
    return metrics, report


def _is_of_study(best: "Card", study: str, storage: str) -> bool:
    """Return whether a version is of a trial of the study, which had its value of the objective, to the last bit.

    The card of an earlier release has no key of its run, and names no study: there the value alone decides.
    """
    if best.run_key and best.study != study:
        return False
    from optuna import load_study

    from optuna_sweep.storage import open_storage

    trials = load_study(study_name=study, storage=open_storage(storage)).get_trials(deepcopy=False)
    return any(best.value in (*(trial.values or ()), *trial.intermediate_values.values()) for trial in trials)
