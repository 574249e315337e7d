"""A study over the instances of a job: what each leaves, and what reaches the first one's output."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import psutil
import pytest
from omegaconf import DictConfig, OmegaConf
from optuna import load_study

from optuna_sweep.proxy_client import StorageAway
from optuna_sweep.storage import open_storage
from optuna_sweep.trial import NoTrial
from support.entry import PROJECT, run_entry
from support.servers import free_port
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.errors import StudyError, UserError
from trialmaker.experiment import study_identity
from trialmaker.experiment.context import RunContext
from trialmaker.experiment.instances import shared_study
from trialmaker.experiment.instances.handover import Receiver
from trialmaker.experiment.instances.shared_study import SharedStudy
from trialmaker.experiment.instances.trial_handover import handed_over
from trialmaker.platform.instances import Instance, Instances
from trialmaker.platform.run_result import RunResult, run_results
from trialmaker.platform.signals import Signals
from trialmaker.tracking.journal import Journal
from trialmaker.tracking.messages import Start

WORDS = ("sweeps=mlp", "data=digits", "training.max_examples=512", "training.epochs=2", "model.hidden_units=[8]")
N_TRIALS = 8


def write_resources(root: Path, index: int, ports: list[int]) -> None:
    (root / "config").mkdir(parents=True)
    content = {
        "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
        "task": {"type": "worker", "index": index},
    }
    (root / "config" / "resource.json").write_text(json.dumps(content))


def start(root: Path) -> subprocess.Popen[str]:
    """Start an instance's command, with a log beside its root that goes on when it is started again."""
    words = [*WORDS, f"hydra.sweeper.n_trials={N_TRIALS}", "hydra/sweeper/pruner=none"]
    with root.with_suffix(".log").open("a") as output:
        command = [sys.executable, str(PROJECT / "train.py"), *words]
        environment = os.environ | {"AI_ROOT": str(root)}
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output, text=True)


def kill(command: subprocess.Popen[str]) -> None:
    for process in [psutil.Process(command.pid), *psutil.Process(command.pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    command.wait()


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Forget what a command in this process has left of its part: as a new process, the next test has none."""
    yield
    shared_study._current.clear()
    shared_study._failures.clear()


@contextmanager
def paused_workers(command: subprocess.Popen[str]) -> Iterator[None]:
    """Have a command's worker processes stand still."""
    wait_until(lambda: list(_workers(command)))
    workers = list(_workers(command))
    for worker in workers:
        worker.suspend()
    yield
    for worker in workers:
        worker.resume()


def _workers(command: subprocess.Popen[str]) -> Iterator[psutil.Process]:
    for process in psutil.Process(command.pid).children():
        with suppress(psutil.Error):  # it has just ended, or begun
            if "train.py" in " ".join(process.cmdline()):
                yield process


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The roots of two instances that have completed a study, of which the second was killed and started again."""
    folder = tmp_path_factory.mktemp("instances")
    port = free_port()
    roots = [folder / "first", folder / "second"]
    for index, root in enumerate(roots):
        write_resources(root, index, [port, port + 10])
    commands = [start(root) for root in roots]
    wait_until(lambda: any(roots[0].glob("output/logs/**/instance-2/*/result.json")))
    kill(commands[1])
    with paused_workers(commands[0]):  # which could complete the study alone before the other is back
        commands[1] = start(roots[1])
        wait_until(lambda: roots[1].with_suffix(".log").read_text().count("works on mlp_digits") == 2)
    codes = [command.wait(timeout=HANG_SECONDS) for command in commands]
    assert codes == [0, 0], [root.with_suffix(".log").read_text()[-3000:] for root in roots]
    return roots


def test_all_trials_are_in_the_first_ones_output(roots: list[Path]) -> None:
    output = roots[0] / "output"
    study = load_study(study_name="mlp_digits", storage=open_storage(str(output / "studies" / "mlp.log")))
    trials = study.get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * N_TRIALS
    finished = {result.trial: (path, result) for path, result in run_results(output) if result.status == "finished"}
    assert sorted(finished) == list(range(N_TRIALS))
    assert any("instance-2" in str(path) for path, _ in finished.values())
    client = mlflow.MlflowClient(f"sqlite:///{output / 'mlflow.db'}")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    by_id = {run.info.run_id: run for run in runs if "mlflow.parentRunId" in run.data.tags}
    of_trials = {int(run.data.tags["trialmaker.trial"]): run for run in by_id.values() if run.info.status == "FINISHED"}
    for number, (_, result) in finished.items():  # an id that MLflow gave after the trial's end is not in its result
        assert result.mlflow_run_id in (of_trials[number].info.run_id, None)
    best = json.loads((output / "model" / "best.json").read_text())
    assert best["metrics"]["val_accuracy"] == study.best_value and "test_accuracy" in best["metrics"]
    assert best["run_id"] in (*by_id, "") and (output / "model" / str(best["version"]) / "saved_model.pb").is_file()
    assert (output / "success").is_file() and (output / "index.html").is_file()
    assert any(output.glob("logs/study_mlp/*/instance-2/*_worker-1.log"))
    for path, _ in finished.values():
        assert any((output / "tensorboard" / path.relative_to(output / "logs")).iterdir())


def test_the_others_only_work(roots: list[Path]) -> None:
    names = {path.name for path in (roots[1] / "output").iterdir()}
    assert not names & {"success", "failure", "index.html", "studies", "mlflow.db"}
    log = roots[1].with_suffix(".log").read_text()
    assert " COMPLETE val_accuracy=" not in log  # which is in the first one's
    assert "works on mlp_digits" in log and "its part of the study is done; the result is at instance 1 of 2" in log


def test_another_instance_than_the_first_does_nothing_if_that_is_asked(tmp_path: Path) -> None:
    write_resources(tmp_path, 1, [22222, 22232])
    result = run_entry(tmp_path, *WORDS, "instances=ignore")
    assert result.code == 0 and not (tmp_path / "output" / "success").exists()
    assert "instance 2 of 2 (127.0.0.1:22232): does nothing; instance 1 of 2 (127.0.0.1:22222) does all" in result.out


def test_unclear_instances_end_a_study_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "resource.json").write_text("[{")
    result = run_entry(tmp_path, *WORDS)
    assert result.code == 2 and "resource.json" in result.err and "are understood" in result.err


@pytest.mark.parametrize("name", ["run 2 ../../x", "run 2 .hidden", "run 0 3", "study 2 3", "run 2 a/b", ""])
def test_what_no_instance_sends_is_not_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="is nothing that an instance of this study sends"):
        Receiver(tmp_path / "output", lambda: tmp_path / "output").take(name, tmp_path / "folder")


def test_a_folder_that_is_no_model_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="holds no complete model"):
        Receiver(tmp_path / "output", lambda: tmp_path / "output").take("model 2 abc", tmp_path / "folder")
    assert not [path for path in (tmp_path / "output" / "model").iterdir() if path.is_dir()]


def a_run(folder: Path, run_key: str, status: str, text: str) -> Path:
    folder.mkdir(parents=True)
    start = Start(None, folder, "e", "run", folder, PROJECT, {}, "", 2.0, run_key=run_key)
    journal = Journal(folder, folder)
    journal.append(start)
    journal.close()
    RunResult("python train.py", status=status).write(folder)
    (folder / "text").write_text(text)
    return folder


def test_the_last_attempt_at_a_trial_is_kept_and_another_run_of_its_name_too(tmp_path: Path) -> None:
    place = tmp_path / "output" / "logs"
    receiver = Receiver(tmp_path / "output", lambda: place)
    sent = [("a", "finished", "1"), ("a", "finished", "2"), ("a", "stopped", "3"), ("b", "stopped", "4")]
    for number, (run_key, status, text) in enumerate([*sent, ("b", "finished", "5")]):
        receiver.take("run 2 7", a_run(tmp_path / str(number), run_key, status, text))
    texts = {path.parent.name: path.read_text() for path in place.glob("instance-2/*/text")}
    assert texts == {"7": "2", "7_again_1": "5"}


def test_files_for_tensorboard_are_taken_again_with_what_has_come_to_them(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "output", lambda: tmp_path / "output" / "logs" / "0")
    for number, names in enumerate([("train/a", "test/b"), ("train/a", "train/c")]):
        folder = tmp_path / str(number)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(str(number))
        receiver.take("events 2 7", folder)
    taken = [path for path in (tmp_path / "output" / "tensorboard").rglob("*") if path.is_file()]
    texts = {f"{path.parent.name}/{path.name}": path.read_text() for path in taken}
    assert texts == {"train/a": "1", "test/b": "0", "train/c": "1"}


def test_a_full_disk_at_the_first_instance_is_a_short_line(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "a", "finished", "x")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file may grow, as on a full disk
    try:
        with pytest.raises(UserError, match=r"^no space is left for its output$"):
            Receiver(tmp_path / "output", lambda: tmp_path / "output").take("run 2 7", run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_another_launcher_is_refused(tmp_path: Path) -> None:
    write_resources(tmp_path, 1, [22222, 22232])
    result = run_entry(tmp_path, *WORDS, "hydra/launcher=joblib")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "hydra/launcher=joblib: several instances share a study by workers of their own: leave it out" in result.err


def test_a_first_instance_that_is_gone_is_named(tmp_path: Path) -> None:
    write_resources(tmp_path, 1, [free_port(), free_port()])
    result = run_entry(tmp_path, *WORDS, "training.instances_seconds=0.5", "training.instance_index=1")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "nothing has answered there for 0.5 s: it has ended, or was never started; if its output" in result.err


def part(index: int, config: DictConfig) -> SharedStudy:
    """One of two instances' parts in a study."""
    members = (Instance("127.0.0.1", 22222), Instance("127.0.0.1", 22232))
    return SharedStudy(Instances(members, index, "the file"), config)


class TrialAway(NoTrial):
    """A trial whose study's storage is away."""

    number = 0

    def is_own(self) -> bool:
        raise StorageAway("grpc://127.0.0.1:22222, the study's storage, has not answered for 300 s")


def test_a_trial_whose_study_is_away_at_its_end_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_study, "_current", [part(1, OmegaConf.create({}))])
    context = RunContext(tmp_path, TrialAway(), 0.0, Signals(), RunResult("python train.py"))
    context.page.config = OmegaConf.create({"output": str(tmp_path)})  # type: ignore[assignment]
    with pytest.raises(StudyError, match="has not answered for 300 s"), handed_over(context):
        context.result.status = "finished"
    with pytest.raises(ZeroDivisionError), handed_over(context):
        raise ZeroDivisionError  # which comes first


def test_who_sums_up_a_study_of_several_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert study_identity.sums_up("studies/mlp.log") and not study_identity.sums_up("grpc://10.0.0.9:13000")
    for index in (0, 1):
        monkeypatch.setattr(shared_study, "_current", [part(index, OmegaConf.create({}))])
        assert study_identity.sums_up("grpc://10.0.0.9:13000") == study_identity.sums_up("mlp.log") == (index == 0)


@pytest.mark.parametrize(
    ("index", "storage", "expected"),
    [
        (0, "/output/studies/mlp.log", ("127.0.0.1:22222", "/output/studies/mlp.log")),
        (1, "/output/studies/mlp.log", (None, "grpc://127.0.0.1:22222")),
        (1, "sqlite:////output/mlp.db", (None, "grpc://127.0.0.1:22222")),
        (0, "postgresql://me:secret@10.0.0.9/studies", (None, "postgresql://me:secret@10.0.0.9/studies")),
        (1, "postgresql://me:secret@10.0.0.9/studies", (None, "postgresql://me:secret@10.0.0.9/studies")),
        (1, "grpc://10.0.0.9:13000", (None, "grpc://10.0.0.9:13000")),
    ],
)
def test_a_storage_that_all_reach_is_used_as_it_is(index: int, storage: str, expected: tuple[str | None, str]) -> None:
    sweeper = {"storage": storage, "serve": None, "shared": False, "n_jobs": 2, "n_trials": 3}
    config = OmegaConf.create({"hydra": {"sweeper": sweeper, "overrides": {"hydra": []}}})
    part(index, config).share()
    assert (config.hydra.sweeper.serve, config.hydra.sweeper.storage) == expected and config.hydra.sweeper.shared
