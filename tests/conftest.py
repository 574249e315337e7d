"""What several tests share: the real entry, run in this process, and where real MNIST lies."""

import fcntl
import os
import pickle
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import absl.logging
import pytest

from support import outputs
from support.entry import PROJECT, Result, Train, run_entry
from support.stores import create_store
from support.waiting import HANG_SECONDS
from trialmaker.platform import paths, processor, signals
from trialmaker.platform.garbage_collection import paused_garbage_collection
from trialmaker.tracking import client
from trialmaker.tracking.settings import RUN_VARIABLES

PLACES = re.compile(r"--output|output=[^/]|,/|uri|dry_run|--cfg")  # of a command that has no store, or one elsewhere
MEMORY = Path("/dev/shm")  # a file system on which SQLite waits for no disk
MEMORY_BYTES = 4 << 30  # what the tests need there, and more
CONFIG_FOLDERS = (f"{paths.CONF}/", f"{paths.SWEEPS}/")
TEST_PROCESS_BYTES = 2_500_000_000  # that a process which runs tests may take, with those that it starts


def pytest_configure(config: pytest.Config) -> None:
    """Give temporary directories a place in memory, where there is enough of it; and XLA one for what it compiles.

    TensorFlow computes as in the processes that the tests start: with oneDNN where those use it.

    A program takes XLA a second or two, and is then the same in all processes that run tests or are started by them.
    """
    os.environ |= processor.onednn_setting() | os.environ
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    if "PYTEST_XDIST_WORKER" not in os.environ and "TF_XLA_FLAGS" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="xla-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
        os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={folder.name}"
        config.add_cleanup(folder.cleanup)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run tests in one process more than there are cores, since some wait; each may take its share of memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)) + 1, memory // TEST_PROCESS_BYTES))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import what the tests need as a training does, without a search for garbage among it."""
    with paused_garbage_collection("tensorflow"):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _processes_heed_ctrl_c_and_hang_ups() -> None:
    """What is started in the background of a shell ignores SIGINT, by nohup SIGHUP, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


@pytest.fixture(autouse=True)
def no_run_is_left() -> Iterator[None]:
    """Have the tracking process of this process end with a test that leaves it a run whose store is away.

    It would try that store again and again, and the runs of later tests would wait for it, up to half a minute each.
    """
    yield
    connection = sys.modules.get("trialmaker.tracking.connection")
    for one in list(connection._connections) if connection else ():
        if any(run.away or run.is_given_up for run in one.progress.undelivered()):
            one.close()


def _unset_run_variables() -> None:
    for name in RUN_VARIABLES:
        os.environ.pop(name, None)


def refuse_writing(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: refuse to write a config file of the checkout, which other tests read at the same time."""
    is_written = event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if is_written and arguments[0].startswith(CONFIG_FOLDERS):
        raise PermissionError(f"{arguments[0]}: a test that writes config files asks for copied_configs")


sys.addaudithook(refuse_writing)


@pytest.fixture
def copied_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of ``conf/`` and ``sweeps/``, which the entry, in this process, takes for the project's."""
    project = tmp_path / "project"
    for name in ("CONF", "SWEEPS"):
        copy = shutil.copytree(getattr(paths, name), project / getattr(paths, name).name)
        monkeypatch.setattr(paths, name, copy)
    return project


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Train:
    """``python train.py ARGUMENTS``, in this process, with ``AI_ROOT`` in a directory of the test's own.

    Its output holds an empty store, where nothing says otherwise, and the test is none of the tracking.
    """
    made: set[Path] = set()

    def run(*arguments: str) -> Result:
        monkeypatch.setenv("AI_ROOT", str(tmp_path))
        named = [Path(word.removeprefix("output=")) for word in arguments if word.startswith("output=")]
        output = named[-1] if named else tmp_path / "output"
        has_store = "data=digits" in arguments and not PLACES.search(" ".join(arguments))
        if has_store and not (output in made or output.exists() or "tracking" in request.path.parts):
            create_store(output)
        made.add(output)  # another store in its place would be taken for the first by the tracking process
        return run_entry(tmp_path, *arguments)

    return run


@pytest.fixture(scope="session", autouse=True)
def _a_training_that_is_stopped_ends_in_order_on_a_busy_machine() -> None:
    """A process that takes longer is ended at once, here the one that runs the tests, or MLflow lacks the end."""
    signals.SHUTDOWN_SECONDS = HANG_SECONDS
    client.KILLED_SECONDS = HANG_SECONDS / 2


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
    """The output of a training on the embedded digits."""
    return once(tmp_path_factory, "published", _publish) / "output"


def _publish(root: Path) -> None:
    words = ["data=digits", "training.epochs=25", "schedule=one_cycle", "optimizer.learning_rate=0.005"]
    result = run_entry(root, *words)
    assert result.code == 0, result.err


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


# The files that take longest come first, so that no process is left with one of them at the end; those that wait a lot
# for processes of their own lie between those that compute.
LONG = (
    "experiment/test_resume",
    "experiment/test_instances",
    "experiment/test_run",
    "experiment/test_study",
    "experiment/test_shared_study",
    "cli/test_outcome",
    "experiment/test_soak",
    "training/test_replicas",
    "analysis/store/test_push",
    "test_readme",
    "optuna_sweep/test_sweep",
    "optuna_sweep/test_shared",
    "experiment/test_output_page",
    "analysis/test_mlflow_ui",
    "optuna_sweep/test_storage",
    "tracking/test_client",
    "optuna_sweep/test_mistakes",
    "tracking/test_outages",
    "serving/test_process",
    "tracking/test_delivery",
    "serving/test_page",
    "tracking/test_tracking",
    "analysis/test_reproduction",
    "experiment/test_best_model",
    "experiment/test_result",
    "training/test_program",
    "training/test_resume",
    "tracking/test_refusals",
    "cli/test_ends",
    "experiment/test_study_identity",
    "tracking/test_stores",
    "model_store/test_paths",
    "serving/test_attacks",
    "platform/test_paths",
    "serving/test_docs_page",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = PROJECT / "tests"
    items.sort(key=lambda item: _place(item.path.relative_to(tests).with_suffix("").as_posix()))


def _place(name: str) -> int:
    return LONG.index(name) if name in LONG else len(LONG)
