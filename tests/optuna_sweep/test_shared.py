"""One study of several machines: a command that serves it, others that work on it, and what becomes of lost ones."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import optuna
import psutil
import pytest
from optuna.storages import BaseStorage
from optuna.storages._grpc.auto_generated.api_pb2_grpc import add_StorageServiceServicer_to_server
from optuna.storages._grpc.servicer import OptunaStorageProxyService
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_sweep import application, leases
from optuna_sweep.attributes import OWNER
from optuna_sweep.proxy_client import PatientProxy, StorageAway
from optuna_sweep.proxy_server import serving
from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study
from support.hosts import hosts_obstacle, network
from support.servers import free_port
from support.sweeping import APP, environment, study
from support.waiting import HANG_SECONDS, wait_until

WORDS = ("sleep=0.2", "hydra.sweeper.n_trials=40", "hydra/sweeper/sampler=random")
Command = subprocess.Popen[str]


def start(root: Path, *words: str) -> Command:
    root.mkdir(exist_ok=True)
    with (root / "out").open("a") as output:
        command = [sys.executable, str(APP), "-m", *WORDS, *words]
        return subprocess.Popen(command, cwd=root, env=environment(root), stdout=output, stderr=output, text=True)


def kill(command: Command) -> None:
    """Kill a command and its workers, as the loss of their machine does."""
    processes = [psutil.Process(command.pid), *psutil.Process(command.pid).children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    command.wait()


def ended_count(root: Path) -> int:
    with suppress(KeyError):
        return sum(trial.state.is_finished() for trial in study(root).get_trials(deepcopy=False))
    return 0


def test_each_trial_is_run_whichever_machine_is_lost_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    chief, places = tmp_path / "chief", [tmp_path / "second", tmp_path / "third"]
    served = (f"hydra.sweeper.serve=127.0.0.1:{port}",)
    shared = ("hydra.sweeper.shared=true", f"hydra.sweeper.storage='grpc://127.0.0.1:{port}'")
    commands = [start(chief, *served), *(start(place, *shared) for place in places)]
    wait_until(lambda: (chief / "study.log").exists() and ended_count(chief) >= 6)
    kill(commands[1])
    wait_until(lambda: ended_count(chief) >= 12)
    kill(commands[0])
    wait_until(lambda: "does not answer" in (places[1] / "out").read_text())  # it sees that the first one is gone
    commands[:2] = [start(chief, *served), start(places[0], *shared)]
    assert [command.wait(timeout=HANG_SECONDS) for command in commands] == [0, 0, 0], [
        (place / "out").read_text() for place in (chief, *places)
    ]
    trials = study(chief).get_trials(deepcopy=False)
    assert Counter(trial.state for trial in trials) == {TrialState.COMPLETE: 40}
    logs = "".join(path.read_text() for path in tmp_path.glob("*/multirun/worker-*.log"))
    runs = Counter(re.findall(r"task of trial (\d+) of", logs))
    assert len(runs) == 40 and sum(runs.values()) <= 44  # those that were killed were run again
    third = (places[1] / "out").read_text()
    assert f"grpc://127.0.0.1:{port}, the study's storage, does not answer: waiting up to 300 s" in third
    assert f"grpc://127.0.0.1:{port}: answers again, after " in third


def test_a_machine_that_comes_late_finds_the_study_done(tmp_path: Path) -> None:
    port = free_port()
    storage = open_storage(str(tmp_path / "study.log"))
    done = Study(storage, "study", [StudyDirection.MINIMIZE], 2, 0, optuna.pruners.NopPruner())
    done.prepare()
    for _ in range(2):
        trial = done.claim(optuna.samplers.RandomSampler(seed=0))
        assert trial
        done.tell(trial, TrialState.COMPLETE, [1.0])
    words = (
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.shared=true",
        f"hydra.sweeper.storage='grpc://127.0.0.1:{port}'",
    )
    with serving(storage, f"127.0.0.1:{port}"):
        late = start(tmp_path / "late", *words)
        assert late.wait(timeout=HANG_SECONDS) == 0
    assert "study study has ended: 2 of 2 trials are done" in (tmp_path / "late" / "out").read_text()


def test_a_storage_that_stays_away_ends_the_command_with_a_line(tmp_path: Path) -> None:
    port = free_port()
    words = ("hydra.sweeper.storage_seconds=1.5", "hydra.sweeper.shared=true")
    command = start(tmp_path, *words, f"hydra.sweeper.storage='grpc://127.0.0.1:{port}'")
    assert command.wait(timeout=HANG_SECONDS) != 0
    last = (tmp_path / "out").read_text().splitlines()[-1]
    assert f"grpc://127.0.0.1:{port}, the study's storage, has not answered for 1.5 s (UNAVAILABLE): start the" in last


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "study.log"))
    port = free_port()
    with serving(storage, f"127.0.0.1:{port}"):
        command = start(tmp_path / "second", f"hydra.sweeper.serve=127.0.0.1:{port}")
        assert command.wait(timeout=HANG_SECONDS) != 0
    last = (tmp_path / "second" / "out").read_text().splitlines()[-1]
    assert f"hydra.sweeper.serve=127.0.0.1:{port}: 127.0.0.1:{port} cannot be listened on: another process" in last


class Lossy(OptunaStorageProxyService):
    """Optuna's proxy, of which the network loses the answer to the first end of a trial."""

    def __init__(self, storage: BaseStorage) -> None:
        super().__init__(storage)
        self.answers = 0

    def SetTrialStateValues(self, request: Any, context: Any) -> Any:
        answer = super().SetTrialStateValues(request, context)
        self.answers += 1
        if self.answers == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return answer


def test_an_end_whose_answer_is_lost_is_no_error(tmp_path: Path) -> None:
    port = free_port()
    server = grpc.server(ThreadPoolExecutor(2))
    storage = open_storage(str(tmp_path / "study.log"))
    add_StorageServiceServicer_to_server(Lossy(storage), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    client = PatientProxy(host="127.0.0.1", port=port, away_seconds=HANG_SECONDS)
    trial_id = client.create_new_trial(client.create_new_study([StudyDirection.MINIMIZE], "study"))
    assert client.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    assert client.get_trial(trial_id).value == 1.0
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):  # which nobody lost
        client.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    server.stop(None).wait()
    client.patience.seconds = 0.5
    with pytest.raises(StorageAway, match=r"has not answered for 0\.5 s"):
        client.get_trial(trial_id)
    client.close()


class Full(OptunaStorageProxyService):
    """Optuna's proxy on a full disk."""

    def CreateNewStudy(self, _request: Any, _context: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "study.log")


def test_a_full_disk_behind_a_proxy_is_a_short_line(tmp_path: Path) -> None:
    port = free_port()
    server = grpc.server(ThreadPoolExecutor(2))
    add_StorageServiceServicer_to_server(Full(open_storage(str(tmp_path / "study.log"))), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    client = PatientProxy(host="127.0.0.1", port=port, away_seconds=HANG_SECONDS)
    with pytest.raises(StorageAway) as refusal:
        client.create_new_study([StudyDirection.MINIMIZE], "study")
    assert str(refusal.value) == f"grpc://127.0.0.1:{port}: no space is left where the study is stored"
    client.close()
    server.stop(None).wait()


def test_a_silent_machine_is_dead_by_ones_own_clock_too(tmp_path: Path) -> None:
    """Whose clock is minutes ahead, or behind, is neither dead at once nor alive for ever."""
    pruner = optuna.pruners.NopPruner()
    shared = Study(open_storage(str(tmp_path / "s.log")), "s", [StudyDirection.MINIMIZE], 1, 3, pruner, is_shared=True)
    shared.prepare()
    trial = shared.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    for skew in (-200.0, 200.0):
        owner = {"host": "elsewhere", "pid": 1, "began": 0.0, "seen": time.time() + skew, "lease": 0.3, "attempt": 0}
        shared.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        shared.storage.set_trial_system_attr(trial._trial_id, OWNER, owner)
        assert not leases.is_own(shared.storage.get_trial(trial._trial_id))
        assert not shared.leases.recover()
        time.sleep(0.35)
        assert shared.leases.recover()
    assert leases.SHARED_HEARTBEAT_SECONDS * leases.LEASE_BEATS < 60


def test_a_lost_trial_of_a_study_that_is_not_shared_is_run_again_at_once(tmp_path: Path) -> None:
    """Its command may end before it could see whether heartbeats come."""
    storage = open_storage(str(tmp_path / "s.log"))
    alone = Study(storage, "s", [StudyDirection.MINIMIZE], 1, 3, optuna.pruners.NopPruner())
    alone.prepare()
    trial = alone.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    seen = time.time() - leases.LEASE_BEATS * leases.HEARTBEAT_SECONDS - 1
    owner = {"host": "elsewhere", "pid": 1, "began": 0.0, "seen": seen, "attempt": 0}
    alone.storage.set_trial_system_attr(trial._trial_id, OWNER, owner)
    assert alone.leases.recover()


@pytest.fixture
def _application() -> Iterator[None]:
    before = application.registered()
    yield
    application.register(before)


@pytest.mark.usefixtures("_application")
def test_a_storage_is_served_to_a_command_that_has_not_called_yet(tmp_path: Path) -> None:
    end = time.monotonic() + 0.5
    application.register(application.Application(is_awaited=lambda: time.monotonic() < end))
    with serving(open_storage(str(tmp_path / "s.log")), f"127.0.0.1:{free_port()}"):
        pass
    assert time.monotonic() >= end


@pytest.mark.usefixtures("_application")
def test_the_wait_for_a_storage_ends_when_the_application_knows_that_it_is_in_vain() -> None:
    class Over(BaseException):
        pass

    def end() -> None:
        raise Over

    application.register(application.Application(when_away=end))
    client = PatientProxy(host="127.0.0.1", port=free_port(), away_seconds=HANG_SECONDS)
    with pytest.raises(Over):
        client.wait_for_answer()
    client.close()


@pytest.mark.skipif(bool(hosts_obstacle()), reason=f"needs machines on a network: {hosts_obstacle()}")
def test_machines_of_their_own_share_a_study_while_one_is_cut_off_and_one_loses_its_power(tmp_path: Path) -> None:
    with network(3) as hosts:
        places = [tmp_path / name for name in ("first", "second", "third")]
        served = f"hydra.sweeper.serve={hosts[0].address}:13000"
        shared = ("hydra.sweeper.shared=true", f"hydra.sweeper.storage='grpc://{hosts[0].address}:13000'")
        words = [(served,), shared, shared]

        def begin(index: int) -> Command:
            root = places[index]
            root.mkdir(exist_ok=True)
            with (root / "out").open("a") as output:
                command = [sys.executable, str(APP), "-m", *WORDS, *words[index]]
                return hosts[index].popen(
                    *command, environment=environment(root), cwd=root, stdout=output, stderr=output
                )

        commands = [begin(index) for index in range(3)]
        wait_until(lambda: (places[0] / "study.log").exists() and ended_count(places[0]) >= 6)
        hosts[1].cut()
        hosts[2].kill_all()
        commands[2].wait()
        ended = ended_count(places[0])
        wait_until(lambda: ended_count(places[0]) >= ended + 8)  # the first one works alone
        hosts[1].restore()
        commands[2] = begin(2)
        assert [command.wait(timeout=HANG_SECONDS) for command in commands] == [0, 0, 0], [
            (place / "out").read_text()[-2000:] for place in places
        ]
    trials = study(places[0]).get_trials(deepcopy=False)
    assert Counter(trial.state for trial in trials) == {TrialState.COMPLETE: 40}
