"""What starts before TensorFlow is imported, so that its import hides it: the data's reading and MLflow's process."""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf

from trialmaker import platform
from trialmaker.config import flat
from trialmaker.data import loading
from trialmaker.data.splits import Dataset
from trialmaker.schema import Config
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start

QUICK_LOOK_SECONDS = 0.1  # enough to see that files are missing, before seconds go into TensorFlow's import


def run(config: Config, *, run_directory: Path) -> float:
    """Train what the config says.

    Returns:
        the best value of the objective.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        dataset = pool.submit(loading.load, **asdict(config.data))
        if dataset in wait([dataset], QUICK_LOOK_SECONDS).done:
            dataset.result()
        with Tracker(_start(config, run_directory)) as tracker:
            return _train(config, run_directory, dataset, tracker, started)


def _train(config: Config, directory: Path, dataset: "Future[Dataset]", tracker: Tracker, started: float) -> float:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters reaches Python as an exception
    with _standard_error_to(directory / "tensorflow.log"), _without("sklearn", "pandas"):
        from trialmaker import experiment

        experiment.find_devices()
    return experiment.run(config, run_directory=directory, dataset=dataset.result(), tracker=tracker, started=started)


@contextmanager
def _standard_error_to(path: Path) -> Iterator[None]:
    """Send what is printed inside to a file: TensorFlow's greeting, which comes before its log level counts."""
    kept = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Let imports inside believe that these optional packages are not installed.

    Keras imports them for wrappers that nothing here uses: a fifth of TensorFlow's import time.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


def _start(config: Config, run_directory: Path) -> Start:
    return Start(
        uri=config.tracking.uri,
        output=Path(config.output).absolute(),
        experiment=config.tracking.experiment,
        run_name=platform.run_name(run_directory.absolute(), Path(config.output).absolute()),
        run_directory=run_directory.absolute(),
        project=platform.PROJECT,
        params=dict(flat(asdict(config))),
        resolved_config=OmegaConf.to_yaml(asdict(config)),
        system_metrics_seconds=config.tracking.system_metrics_seconds,
    )
