"""The storages of studies, and who else reads them: databases, gRPC, other launchers, optuna-dashboard."""

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from optuna_sweep.storage import open_storage
from support import servers
from support.servers import PASSWORD, free_port, run_server
from support.sweeping import APP, environment, states, study, sweep
from support.waiting import HANG_SECONDS


def test_a_torn_journal_is_mended(tmp_path: Path) -> None:
    sweep(tmp_path, "hydra.sweeper.n_trials=2")
    with (tmp_path / "study.log").open("ab") as journal:
        journal.write(b'{"op_code": 4, "trial_')
    assert sweep(tmp_path, "hydra.sweeper.n_trials=4").returncode == 0
    assert states(tmp_path) == [TrialState.COMPLETE] * 4


def test_a_journal_of_many_blocks_is_read_from_its_end(tmp_path: Path) -> None:
    sweep(tmp_path, "hydra.sweeper.n_trials=2")
    with (tmp_path / "study.log").open("ab") as journal:
        journal.write(b"{" + b"x" * 20_000)
    assert sweep(tmp_path, "hydra.sweeper.n_trials=3").returncode == 0
    assert states(tmp_path) == [TrialState.COMPLETE] * 3


def test_a_lock_that_an_exception_left_behind_stops_nobody(tmp_path: Path) -> None:
    """As one that a signal's handler raises between the lock and the block that releases it."""
    storage = open_storage(str(tmp_path / "study.log"))
    storage._backend._lock.acquire()  # type: ignore[attr-defined]
    create = threading.Thread(target=lambda: optuna.create_study(study_name="study", storage=storage), daemon=True)
    create.start()
    create.join(timeout=HANG_SECONDS)
    assert not create.is_alive() and study(tmp_path).trials == []


@pytest.mark.parametrize(
    ("place", "law"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "postgresql://me:***@127.0.0.1:1/db: "),
        ("oracle://me:secret@127.0.0.1:1/db", "oracle://me:***@127.0.0.1:1/db: "),
        ("nothing://127.0.0.1", "nothing://127.0.0.1: "),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused(tmp_path: Path, place: str, law: str) -> None:
    done = sweep(tmp_path, f"hydra.sweeper.storage='{place}'")
    assert done.returncode != 0
    assert (
        f"hydra.sweeper.storage={law}" in done.stderr.splitlines()[-1] and "secret" not in done.stderr.splitlines()[-1]
    )


# ---- databases


@pytest.fixture(scope="session", params=servers.DATABASES, ids=lambda make: make.__name__)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of a real server."""
    with request.param() as url:
        yield url


def test_several_commands_share_a_study_in_a_database(tmp_path: Path, database: str) -> None:
    words = [f"hydra.sweeper.storage='{database}'", "hydra.sweeper.n_trials=16", "hydra.sweeper.n_jobs=2"]
    words += ["hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=null", "dies=5"]
    places = [tmp_path / "one", tmp_path / "another"]
    for place in places:
        place.mkdir()
    commands = [
        subprocess.Popen(
            [sys.executable, str(APP), "-m", *words], cwd=place, env=environment(place),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for place in places
    ]  # fmt: skip
    logs = [command.communicate(timeout=HANG_SECONDS)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], logs
    storage = open_storage(database)
    assert isinstance(storage, optuna.storages.RDBStorage)
    rows = storage.get_all_trials(storage.get_study_id_from_name("study"))
    storage.engine.dispose()
    assert [trial.state for trial in rows[:16]] == [TrialState.COMPLETE] * 16
    assert all(trial.state == TrialState.WAITING for trial in rows[16:])  # rows too many, never claimed
    assert len({trial.params["x"] for trial in rows[:16]}) == 16
    assert all(PASSWORD not in log for log in logs)


# ---- gRPC


def test_workers_share_a_study_behind_grpc(tmp_path: Path) -> None:
    port = free_port()
    serve = "from optuna.storages import *; from optuna_sweep.storage import open_storage; import sys;"
    serve += "run_grpc_proxy_server(open_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
    with run_server(
        [sys.executable, "-c", serve, str(tmp_path / "study.log"), str(port)], tmp_path, environment(tmp_path)
    ):
        done = sweep(tmp_path, f"hydra.sweeper.storage='grpc://127.0.0.1:{port}'", "hydra.sweeper.n_jobs=2", "dies=2")
        assert done.returncode == 0, done.stderr
    assert states(tmp_path) == [TrialState.COMPLETE] * 8


# ---- other launchers


def test_another_launcher_finds_its_trials_through_the_storage(tmp_path: Path) -> None:
    words = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=3", "hydra.sweeper.n_trials=12")
    done = sweep(tmp_path, *words, "hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.upper=9", "steps=3")
    assert done.returncode == 0, done.stderr
    for trial in study(tmp_path).trials:
        steps = trial.intermediate_values
        is_pruned = any(value > 9 for value in steps.values())
        assert trial.state == (TrialState.PRUNED if is_pruned else TrialState.COMPLETE) and len(steps) in (1, 2, 3)
    assert {trial.state for trial in study(tmp_path).trials} == {TrialState.PRUNED, TrialState.COMPLETE}
    assert (tmp_path / "multirun" / "11").is_dir()


# ---- optuna-dashboard


def test_optuna_dashboard_opens_the_storage(tmp_path: Path) -> None:
    assert sweep(tmp_path, "hydra.sweeper.n_trials=3").returncode == 0
    port = free_port()
    program = Path(sys.executable).with_name("optuna-dashboard")
    command = [str(program), "--port", str(port), "--host", "127.0.0.1", str(tmp_path / "study.log")]
    with (
        run_server(command, tmp_path, environment(tmp_path)),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer,
    ):
        assert '"study"' in answer.read().decode()
