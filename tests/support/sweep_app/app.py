"""A Hydra application whose task takes no time, for the sweeper's tests."""

import os
import signal
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from optuna_sweep import application
from optuna_sweep.trial import current_trial


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> float | list[float] | None:
    trial = current_trial()
    if Path.cwd().is_relative_to(os.environ.get("SWEEP_ROOT", "/nowhere")):  # else a checkout
        Path("seen").write_text(f"{config.x} {os.environ.get('FROM_HYDRA')}")
    print(f"task of trial {trial.number} of {trial.study} x={config.x}", flush=True)
    for step in range(1, config.steps + 1):
        trial.report(config.x**2 + 1 / step, step)
        if trial.should_prune():
            return None
    time.sleep(config.sleep)
    if config.fails and trial.number in config.fails:
        raise ValueError(f"trial {trial.number} is to fail")
    if config.dies is not None and trial.number == config.dies and "retry" not in HydraConfig.get().runtime.output_dir:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.number in config.nothing:
        return None
    value = (config.x - 1) ** 2
    return [value, config.y] if config.two else value


def wide(_: DictConfig, trial: object) -> None:
    """Suggest ``y`` where ``x`` is positive: a conditional search space."""
    if trial.params["x"] > 0:  # type: ignore[attr-defined]
        trial.suggest_float("y", 10, 20)  # type: ignore[attr-defined]


def broken(_: DictConfig, __: object) -> None:
    """Raise, as a custom search space with a bug does."""
    raise ZeroDivisionError


def facts(_: DictConfig, __: object) -> dict[str, str]:
    """Return what the file ``data.txt`` holds, where there is one."""
    data = Path("data.txt")
    return {"data": data.read_text()} if data.exists() else {}


def objectives(config: DictConfig) -> list[str]:
    """Return the names of the task's values."""
    return ["square", "y"] if config.two else ["square"]


if __name__ == "__main__":
    incidental = ("fails", "nothing", "dies", "sleep")
    application.register(application.Application(incidental, facts, objectives=objectives))
    main()
