"""The reports of a trial, on their way to its study's storage."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._grpc.server import make_server
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from optuna_sweep.attributes import OWNER
from optuna_sweep.live_trial import LiveTrial
from optuna_sweep.proxy_client import REPORTS_METHOD, PatientProxy, StorageAway
from optuna_sweep.proxy_server import serving
from optuna_sweep.reports import write_values
from optuna_sweep.storage import open_storage
from optuna_sweep.study import Study
from support.servers import free_port
from support.waiting import HANG_SECONDS


@pytest.fixture(params=["journal", "sqlite", "our proxy", "Optuna's proxy"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    if request.param == "sqlite":
        yield open_storage(f"sqlite:///{tmp_path / 'study.db'}")
        return
    journal = open_storage(str(tmp_path / "study.log"))
    if request.param == "journal":
        yield journal
        return
    port = free_port()
    with closing(PatientProxy(host="127.0.0.1", port=port, away_seconds=HANG_SECONDS)) as proxy:
        if request.param == "our proxy":
            with serving(journal, f"127.0.0.1:{port}"):
                yield proxy
            return
        server = make_server(journal, "127.0.0.1", port, ThreadPoolExecutor(2))
        server.start()
        yield proxy
        server.stop(None).wait()


def a_trial(storage: BaseStorage, pruner: optuna.pruners.BasePruner) -> tuple[Study, Trial]:
    study = Study(storage, "study", [StudyDirection.MINIMIZE], 3, 3, pruner)
    study.prepare()
    trial = study.claim(optuna.samplers.RandomSampler(seed=0))
    assert trial
    return study, trial


def test_values_are_stored_together_and_not_of_a_trial_that_has_ended(storage: BaseStorage) -> None:
    study, trial = a_trial(storage, optuna.pruners.NopPruner())
    write_values(storage, trial._trial_id, {1: 0.5, 2: 0.25})
    assert storage.get_trial(trial._trial_id).intermediate_values == {1: 0.5, 2: 0.25}
    study.tell(trial, TrialState.COMPLETE, [0.25])
    with pytest.raises(UpdateFinishedTrialError):
        write_values(storage, trial._trial_id, {3: 0.1})
    with pytest.raises(KeyError):
        write_values(storage, 99, {3: 0.1})
    assert storage.get_trial(trial._trial_id).intermediate_values == {1: 0.5, 2: 0.25}


def test_a_trial_whose_reports_are_kept_back_is_pruned_as_any_other(tmp_path: Path) -> None:
    study, first = a_trial(open_storage(str(tmp_path / "study.log")), optuna.pruners.MedianPruner(n_startup_trials=1))
    live = LiveTrial(first, write_seconds=60.0)
    for step in (1, 2):
        live.report(1.0, step)
        assert not live.should_prune()
    assert not study.storage.get_trial(first._trial_id).intermediate_values
    live.flush()
    study.tell(first, TrialState.COMPLETE, [1.0])
    second = study.claim(optuna.samplers.RandomSampler(seed=1))
    assert second
    live = LiveTrial(second, write_seconds=60.0)
    live.report(2.0, 1)
    assert live.should_prune() and study.storage.get_trial(second._trial_id).intermediate_values == {1: 2.0}


def test_a_trial_that_another_process_has_is_no_longer_its_own(tmp_path: Path) -> None:
    _, trial = a_trial(open_storage(str(tmp_path / "study.log")), optuna.pruners.NopPruner())
    live = LiveTrial(trial)
    assert live.is_own()
    owner = {"host": "elsewhere", "pid": 1, "began": 0.0, "seen": 0.0, "attempt": 1}
    trial.storage.set_trial_system_attr(trial._trial_id, OWNER, owner)
    assert not live.is_own()


@pytest.mark.parametrize(
    "request_text",
    [
        "[0, [[9223372036854775808, 0.5]]]",
        "[0, [[1e999, 1]]]",
        f"[0, [[1, 1{400 * '0'}]]]",
        "[1e999, [[1, 0.5]]]",
        100_000 * "[",
        "{}",
    ],
)
def test_a_malformed_report_is_refused_and_leaves_the_study_as_it_was(tmp_path: Path, request_text: str) -> None:
    journal, port = open_storage(str(tmp_path / "study.log")), free_port()
    _, trial = a_trial(journal, optuna.pruners.NopPruner())
    before = (tmp_path / "study.log").read_bytes()
    with serving(journal, f"127.0.0.1:{port}"), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.RpcError) as refusal:
            channel.unary_unary(REPORTS_METHOD)(request_text.encode())
        assert isinstance(refusal.value, grpc.Call) and refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        channel.unary_unary(REPORTS_METHOD)(b"[0, []]")  # which says nothing, and writes nothing
        assert (tmp_path / "study.log").read_bytes() == before
        with closing(PatientProxy(host="127.0.0.1", port=port, away_seconds=HANG_SECONDS)) as proxy:
            assert not proxy.get_trial(trial._trial_id).intermediate_values


def test_another_server_than_a_proxy_ends_the_command_with_a_line() -> None:
    port = free_port()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    refusal = pytest.raises(StorageAway, match=f"grpc://127.0.0.1:{port}: UNIMPLEMENTED: Method not found!")
    with closing(PatientProxy(host="127.0.0.1", port=port, away_seconds=HANG_SECONDS)) as proxy, refusal:
        proxy.get_all_studies()
    server.stop(None).wait()


def test_an_end_that_comes_between_costs_no_later_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, other = (open_storage(str(tmp_path / "study.log")) for _ in range(2))
    study, trial = a_trial(storage, optuna.pruners.NopPruner())
    append = storage._backend.append_logs  # type: ignore[attr-defined]

    def append_late(logs: list[dict[str, object]]) -> None:
        other.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
        append(logs)

    with monkeypatch.context() as patch:
        patch.setattr(storage._backend, "append_logs", append_late)  # type: ignore[attr-defined]
        with pytest.raises(UpdateFinishedTrialError):
            write_values(storage, trial._trial_id, {1: 0.5, 2: 0.5, 3: 0.5})
    assert storage.get_trial(trial._trial_id).state == TrialState.COMPLETE
    assert [one.state for one in study.trials()].count(TrialState.COMPLETE) == 1
