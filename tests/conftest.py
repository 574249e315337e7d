"""What several tests share: the real entry, run in this process, and where real MNIST lies."""

import fcntl
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import absl.logging
import pytest
from hydra.core.global_hydra import GlobalHydra

from support import outputs
from support.entry import PROJECT, Result, Train
from trialmaker.cli.train import train as train_entry
from trialmaker.tracking.settings import RUN_VARIABLES

MEMORY = Path("/dev/shm")  # a file system on which SQLite waits for no disk
MEMORY_BYTES = 4 << 30  # what the tests need there, and more


def pytest_configure() -> None:
    """Give temporary directories a place in memory, where there is enough of it."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(scope="session", autouse=True)
def _processes_heed_ctrl_c() -> None:
    """What is started in the background of a shell ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _absl_leaves_captured_streams_open() -> None:
    """Hydra's logging set-up closes all handlers, and absl's closes its stream, were it not the real standard error."""
    absl.logging.use_absl_handler()
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="session", autouse=True)
def _subprocesses_find_the_package() -> None:
    os.environ["PYTHONPATH"] = str(PROJECT / "src")


@pytest.fixture(scope="session", autouse=True)
def _subprocesses_have_no_store_of_the_environment() -> None:
    _unset_run_variables()


@pytest.fixture(autouse=True)
def _tests_have_no_store_of_the_environment() -> Iterator[None]:
    """MLflow sets these variables itself where a test chooses a store by ``mlflow.set_tracking_uri``."""
    _unset_run_variables()
    yield
    _unset_run_variables()


def _unset_run_variables() -> None:
    for name in RUN_VARIABLES:
        os.environ.pop(name, None)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Train:
    """``python train.py ARGUMENTS``, in this process, with ``AI_ROOT`` in a directory of the test's own."""

    def run(*arguments: str) -> Result:
        monkeypatch.setenv("AI_ROOT", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        GlobalHydra.instance().clear()
        try:
            code = train_entry()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err, tmp_path / "output")

    return run


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training waits for its store's answer as long as a busy machine takes to give it."""
    monkeypatch.setattr("trialmaker.tracking.client.START_SECONDS", 120.0)


@pytest.fixture(scope="session")
def real_mnist() -> Path:
    """The folder of the four MNIST files."""
    folder = os.environ.get("TRIALMAKER_MNIST")
    if not folder:
        pytest.skip("needs real MNIST: set TRIALMAKER_MNIST to the folder that holds its four files")
    return (PROJECT / folder).resolve()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a training on the embedded digits, by its real command."""
    return once(tmp_path_factory, "published", _publish) / "output"


def _publish(root: Path) -> None:
    words = ["data=digits", "training.epochs=25", "schedule=one_cycle", "optimizer.learning_rate=0.005"]
    command = [sys.executable, str(PROJECT / "train.py"), *words]
    subprocess.run(command, check=True, env=os.environ | {"AI_ROOT": str(root)}, capture_output=True, timeout=120)


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs ``<job>/output``, two runs and a study, which lies no longer where they were made."""
    return once(tmp_path_factory, "jobs", outputs.make_outputs) / "moved"


@pytest.fixture
def originals(jobs: Path) -> dict:
    """What MLflow told of the outputs where they were made."""
    return dict(pickle.loads((jobs / "runs.pickle").read_bytes()))


@pytest.fixture
def copies(jobs: Path, tmp_path: Path) -> list[Path]:
    """The outputs, as they are downloaded: V0001, V0002, V0003."""
    return outputs.copy_outputs(jobs, tmp_path / "downloads")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that takes long to make, made by the first of the processes that run tests."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            make(folder)
    return folder


# The files that take longest come first, so that no process is left with one of them at the end.
LONG = (
    "optuna_sweep/test_sweep",
    "experiment/test_study",
    "experiment/test_run",
    "test_readme",
    "tracking/test_tracking",
    "cli/test_outcome",
    "analysis/store/test_push",
    "optuna_sweep/test_storage",
    "optuna_sweep/test_mistakes",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = PROJECT / "tests"
    items.sort(key=lambda item: _place(item.path.relative_to(tests).with_suffix("").as_posix()))


def _place(name: str) -> int:
    return LONG.index(name) if name in LONG else len(LONG)
