"""Jobs in this process: what Hydra's basic launcher does, in a few milliseconds a job instead of a hundred."""

import logging
import os
import pickle
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf._utils import get_omega_conf_dumper

from optuna_sweep.composition import Composer

TRACEBACK = "traceback.txt"  # in the directory of a job that failed


class InProcessLauncher:
    """Runs the jobs of a sweep, one after another. It stands in for a launcher.

    Args:
        context, task, config: what a launcher is set up with.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.compose = Composer(context.config_loader, config)
        self.context, self.task, self.config = context, task, config

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """As a launcher's."""
        setup_globals()
        return [self._run(overrides, number) for number, overrides in enumerate(jobs, start=initial_job_idx)]

    def _run(self, overrides: Sequence[str], number: int) -> JobReturn:
        config = self.compose(overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        hydra = HydraConfig.instance()
        before, hydra.cfg = hydra.cfg, None
        try:
            hydra.set_config(config)
            directory = Path(config.hydra.sweep.dir, config.hydra.sweep.subdir).absolute()
            for known in (config, hydra.cfg):
                _set_output(known, directory)
            return self._in_directory(config, directory)
        finally:
            hydra.cfg = before
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def _in_directory(self, config: DictConfig, directory: Path) -> JobReturn:
        result = JobReturn(
            overrides=list(config.hydra.overrides.task),
            cfg=_without_hydra(config),
            hydra_cfg=HydraConfig.instance().cfg,  # type: ignore[arg-type]
            working_dir=str(directory if _changes_directory(config) else Path.cwd()),
            task_name=JobRuntime.instance().get("name"),
        )
        directory.mkdir(parents=True, exist_ok=True)
        with _working_in(str(result.working_dir)):
            configure_log(config.hydra.job_logging, config.hydra.verbose)
            if config.hydra.output_subdir is not None:
                _save(result, directory / config.hydra.output_subdir)
            with env_override(config.hydra.job.env_set):
                self.context.callbacks.on_job_start(config=config, task_function=self.task)
                self._call(result, directory)
            for handler in logging.getLogger().handlers:
                handler.flush()
            self.context.callbacks.on_job_end(config=config, job_return=result)
        return result

    def _call(self, result: JobReturn, directory: Path) -> None:
        try:
            result.return_value = self.task(result.cfg)
            result.status = JobStatus.COMPLETED
        except Exception as error:
            result.return_value = error
            result.status = JobStatus.FAILED
            (directory / TRACEBACK).write_text("".join(traceback.format_exception(error)), encoding="utf-8")


def _set_output(config: Any, directory: Path) -> None:
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(directory)


def _without_hydra(config: DictConfig) -> DictConfig:
    task: DictConfig = pickle.loads(pickle.dumps(config))
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def _changes_directory(config: DictConfig) -> bool:
    wanted = config.hydra.job.chdir
    return not version.base_at_least("1.2") if wanted is None else bool(wanted)


@contextmanager
def _working_in(directory: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _save(result: JobReturn, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, config in (("config", result.cfg), ("hydra", result.hydra_cfg), ("overrides", result.overrides)):
        (directory / f"{name}.yaml").write_text(_yaml(config), encoding="utf-8")


def _yaml(config: Any) -> str:
    """``OmegaConf.to_yaml``, by libyaml where PyYAML has it."""
    kind = type("Dumper", (getattr(yaml, "CDumper", yaml.Dumper),), {})
    kind.yaml_representers = get_omega_conf_dumper().yaml_representers  # type: ignore[attr-defined]
    values = config if isinstance(config, list) else OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    return str(yaml.dump(values, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=kind))
