"""Jobs in this process, as Hydra's basic launcher runs them, in a few milliseconds each instead of a hundred.

It follows ``run_job`` of hydra-core 1.3.8, and uses OmegaConf 2.3's private YAML dumper, whose public function has no
way to choose libyaml.
"""

import logging
import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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

BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # the default of ``hydra.launcher``
TRACEBACK = "traceback.txt"  # in the directory of a job that failed


class InProcessLauncher:
    """A launcher that runs the jobs of a sweep one after another in this process.

    Args:
        context: Hydra's.
        task: the application's function.
        config: the sweep's own.
        interruptible: returns the context in which the task is called.
    """

    def __init__(
        self,
        context: HydraContext,
        task: TaskFunction,
        config: DictConfig,
        interruptible: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.compose = Composer(context.config_loader, config)
        self.context, self.task, self.config, self.interruptible = context, task, config, interruptible

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each list of overrides, numbered from `initial_job_idx`.

        A task that raises leaves its traceback in the job's directory; its ``JobReturn`` is FAILED.
        """
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
            for one in (config, hydra.cfg):
                _set_output(one, directory)
            return self._run_in_directory(config, directory)
        finally:
            hydra.cfg = before
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def _run_in_directory(self, config: DictConfig, directory: Path) -> JobReturn:
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
            with self.interruptible():
                result.return_value = self.task(result.cfg)
            result.status = JobStatus.COMPLETED
        except Exception as error:
            result.return_value = error
            result.status = JobStatus.FAILED
            (directory / TRACEBACK).write_text("".join(traceback.format_exception(error)), encoding="utf-8")


def raised_exception(returned: JobReturn) -> Any:
    """Return what the task of a failed job raised; the public ``return_value`` would raise it and print."""
    return returned._return_value


def _set_output(config: Any, directory: Path) -> None:
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(directory)


def _without_hydra(config: DictConfig) -> DictConfig:
    task: DictConfig = pickle.loads(pickle.dumps(config))
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def _changes_directory(config: DictConfig) -> bool:
    chdir = config.hydra.job.chdir
    return not version.base_at_least("1.2") if chdir is None else bool(chdir)


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
    """Return what ``OmegaConf.to_yaml`` does, by libyaml where PyYAML has it."""
    dumper = type("Dumper", (getattr(yaml, "CDumper", yaml.Dumper),), {})
    dumper.yaml_representers = get_omega_conf_dumper().yaml_representers  # type: ignore[attr-defined]
    values = config if isinstance(config, list) else OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    return str(yaml.dump(values, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=dumper))
