"""A training whose MLflow server fails in every way: nothing of it is lost, and nothing waits for the server."""

import math
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient

from support.entry import PROJECT, SMALL, Train
from support.journals import dead_journal
from support.mlflow_record import TrainingRecord, read_record
from support.outage_proxy import Outage, OutageProxy
from support.servers import mlflow_server
from support.step_times import longest_gap, step_times
from support.waiting import wait_until
from trialmaker.cli.main import main
from trialmaker.tracking import connection, recovery
from trialmaker.tracking.client import Tracker
from trialmaker.tracking.messages import Start

EPOCHS = 400
OUTAGES = (Outage.CUTS, Outage.ERROR, Outage.REFUSES, Outage.UNAUTHORIZED, Outage.SLOW)
LIMIT_SECONDS = 90  # of a training that ends long before; whoever waits for an answer waits for ever
SLOW_SECONDS = 5  # that a slow answer takes
GAP_SECONDS = 4  # between two steps at most, on a busy machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a team's server."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def proxy(server: str) -> Iterator[OutageProxy]:
    with OutageProxy(int(server.rpartition(":")[2])) as proxy:
        yield proxy


def test_each_epoch_is_recorded_once_whatever_fails_meanwhile(
    train: Train, proxy: OutageProxy, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the creation of the run is lost, too."""
    monkeypatch.setattr("trialmaker.tracking.client.END_SECONDS", LIMIT_SECONDS)
    proxy.creations_to_lose = 1

    def fail() -> None:
        wait_until(lambda: list((tmp_path / "output" / "logs").glob("*/tracking.jsonl")))
        for outage in OUTAGES:
            time.sleep(0.5)
            with proxy.away(outage, delay_seconds=SLOW_SECONDS):
                time.sleep(0.7)

    failures = threading.Thread(target=fail)
    failures.start()
    result = train(*SMALL, f"training.epochs={EPOCHS}", f"tracking.uri={proxy.address}", "tracking.experiment=fails")
    failures.join()
    assert result.code == 0, result.err
    assert read_record(server, "fails") == TrainingRecord(("FINISHED",), EPOCHS, has_model=True, has_pictures=True)
    assert longest_gap(result.output) < GAP_SECONDS
    assert result.out.count("MLflow does not answer (") >= 1 and "MLflow answers again" in result.out


def test_a_server_that_never_answers_holds_the_first_step_up_for_a_second_at_most(
    proxy: OutageProxy, tmp_path: Path
) -> None:
    proxy.begin(Outage.SILENT)
    tracker = Tracker(Start(proxy.address, tmp_path, "e", "run", tmp_path, PROJECT, {}, "", 2.0))
    began = time.monotonic()
    tracker.wait_for_store(math.inf)
    assert time.monotonic() - began < LIMIT_SECONDS
    tracker.progress.is_given_up = True
    tracker.journal.close()
    tracker.connection.close()


def test_a_server_that_never_answers_delays_neither_the_first_step_nor_the_end_and_sync_delivers_the_rest(
    train: Train,
    proxy: OutageProxy,
    server: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.begin(Outage.SILENT)
    monkeypatch.setattr("trialmaker.tracking.client.END_SECONDS", 1.0)
    began, clock = time.time(), time.monotonic()
    limit = (f"training.max_seconds={LIMIT_SECONDS}", "training.margin_seconds=2", "training.epochs=60")
    result = train(*SMALL, *limit, f"tracking.uri={proxy.address}", "tracking.experiment=silent")
    connection._connections[0].close()  # as the process' end does
    assert time.monotonic() - clock < LIMIT_SECONDS
    assert result.code == 0, result.err
    assert (result.output / "success").exists() and (result.output / "model" / "best.json").exists()
    assert longest_gap(result.output) < GAP_SECONDS and step_times(result.output)[0] - began < LIMIT_SECONDS - 5
    assert f"python -m trialmaker sync {result.output} delivers the rest" in result.out
    sync = ["sync", str(result.output), "--to", proxy.address]
    with proxy.away(Outage.REFUSES):
        assert main(sync) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(sync) == 0
    assert f": delivered to {proxy.address}\n" in capsys.readouterr().out
    assert read_record(server, "silent") == TrainingRecord(("FINISHED",), 60, has_model=True, has_pictures=True)


def contents(client: MlflowClient, experiment: str) -> dict:
    """Return what a server has of the only run of an experiment."""
    there = client.get_experiment_by_name(experiment)
    assert there
    (run,) = client.search_runs([there.experiment_id])
    names = set(run.data.tags) - {"trialmaker.run_key"}
    return {
        "info": (run.info.run_name, run.info.status, run.info.end_time - run.info.start_time < 1000),
        "params": run.data.params,
        "tags": {name: run.data.tags[name] for name in names},
        "metrics": [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "val_accuracy")],
        "data": len(run.inputs.dataset_inputs),
        "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
    }


def test_a_delivery_that_is_broken_off_after_any_request_is_gone_on_with(
    proxy: OutageProxy, server: str, tmp_path: Path
) -> None:
    """The server gets that request, and whoever delivers never learns of it, as when it is killed."""
    client = MlflowClient(server)
    lines: list[str] = []
    for passed in count():
        output = tmp_path / str(passed)
        dead_journal(output, uri=proxy.address, experiment=f"broken off {passed}")
        proxy.answers_to_pass = passed
        recovery.recover(output, [proxy.address], lines.append)
        proxy.answers_to_pass = None
        if ": delivered to " in lines[-1]:
            break
        recovery.recover(output, [proxy.address], lines.append)
        assert ": delivered to " in lines[-1]
    assert passed > 5
    whole = contents(client, f"broken off {passed}")
    assert whole["info"] == ("run one", "KILLED", True) and whole["metrics"] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    for before in range(passed):
        assert contents(client, f"broken off {before}") == whole
