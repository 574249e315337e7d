"""What starts before TensorFlow is imported, so that its import hides it: the data's reading and MLflow's process."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from omegaconf import OmegaConf

from trialmaker import platform
from trialmaker.config import flat
from trialmaker.data import loading
from trialmaker.data.splits import Dataset
from trialmaker.description import without_password
from trialmaker.schema import Config
from trialmaker.stopping import Signals
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start

log = logging.getLogger(__name__)
QUICK_LOOK_SECONDS = 0.1  # enough to see that files are missing, before seconds go into TensorFlow's import


def run(config: Config, *, run_directory: Path, started: float, signals: Signals) -> float:
    """Train what the config says.

    Args:
        started: ``time.monotonic()`` from which ``training.max_seconds`` counts.

    Returns:
        the best value of the objective.
    """
    dataset: Future[Dataset] = Future()
    # A daemon: a run that is stopped does not wait for a download.
    threading.Thread(target=_load, args=(config, dataset), daemon=True).start()
    if dataset in wait([dataset], QUICK_LOOK_SECONDS).done:
        dataset.result()
    with Tracker(_start(config, run_directory)) as tracker:
        return _train(config, run_directory, dataset, tracker, started, signals)


def _load(config: Config, dataset: "Future[Dataset]") -> None:
    try:
        dataset.set_result(loading.load(**asdict(config.data)))
    except BaseException as error:
        dataset.set_exception(error)


def _train(
    config: Config, directory: Path, dataset: "Future[Dataset]", tracker: Tracker, started: float, signals: Signals
) -> float:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters reaches Python as an exception
    with _standard_error_to(directory / "tensorflow.log"), _without("sklearn", "pandas"):
        from trialmaker import experiment

        devices = experiment.find_devices()
    log.info(f"TensorFlow {metadata.version('tensorflow')}, devices: {', '.join(devices)}")
    return experiment.run(
        config,
        run_directory=directory,
        dataset=dataset.result(),
        tracker=tracker,
        started=started,
        signals=signals,
    )


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
        params={name: without_password(value) for name, value in flat(asdict(config))},
        resolved_config=without_password(OmegaConf.to_yaml(asdict(config))),
        system_metrics_seconds=config.tracking.system_metrics_seconds,
    )
