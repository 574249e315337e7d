"""Several processes that train together come to what one would: curves and weights, to rounding."""

import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from support.entry import PROJECT
from support.processes import command
from support.replica_jobs import CASES, EPOCHS, KILLED_AT, STEPS, train
from support.servers import free_port
from trialmaker.errors import UserError
from trialmaker.training import augmentation
from trialmaker.training.checkpoint_files import read_checkpoint
from trialmaker.training.replicas import LostReplica, Replicas, lost_replicas
from trialmaker.training.replicated_step import replicated_step

JOBS = {
    1: ["mlp", "default", "bfloat16"],  # on three devices
    2: ["mlp", "cnn", "default", "bfloat16", "resumed", "alone"],
    3: ["small", "mlp", "cnn", "default", "norm", "stop", "lost"],
}
SECONDS = 300  # on a machine that does other things too
PROCESS = """
import sys
from pathlib import Path
from trialmaker.experiment.tensorflow_import import importing_tensorflow
index, addresses, folder, *jobs = sys.argv[1:]
with importing_tensorflow(Path(folder), is_shown=False):  # in half the time
    from support import replica_jobs
replica_jobs.main(int(index), addresses.split(","), Path(folder), jobs)
"""
Results = dict[tuple[str, int], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of what the processes leave, two and three of them at the same time."""
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        processes = [
            stack.enter_context(process) for count, jobs in JOBS.items() for process in _group(count, jobs, folder)
        ]
        ends = [(process.communicate(timeout=SECONDS)[0], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0, 0, 0, 0, 0, -9], "\n".join(text for text, _ in ends)
    return folder


def _group(count: int, jobs: list[str], folder: Path) -> Iterator[Any]:
    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(count))
    path = os.pathsep.join(str(PROJECT / place) for place in ("src", "tests"))
    for index in range(count):
        yield command(
            folder, "-c", PROCESS, str(index), addresses, str(folder), *jobs, PYTHONPATH=path, TF_CPP_MIN_LOG_LEVEL="3"
        )


def results(folder: Path, job: str, count: int) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{job}.{count}.*.json"))]


@pytest.mark.parametrize(("name", "count"), [*itertools.product(["mlp", "cnn", "default"], [2, 3]), ("norm", 3)])
def test_several_replicas_train_as_one_process_does(name: str, count: int, folder: Path) -> None:
    """Losses of each step, and weights after the last, differ by some units in the last place of a float32.

    That holds where training is stable. At a learning rate so high that a change of 1e-7 in the weights that it begins
    with changes the losses after ten steps by a percent, as SGD's 0.05 with this network, rounding does so too.
    """
    alone, together = train(CASES[name]), results(folder, name, count)
    assert len(together) == count
    assert all(other == together[0] for other in together)  # bit for bit, where calls were cut too
    assert (together[0]["steps"], together[0]["reason"]) == (STEPS * EPOCHS, "epochs")
    for what in ("losses", "metrics", "weights"):
        np.testing.assert_allclose(together[0][what], alone[what], rtol=1e-5, atol=3e-6, err_msg=what)


def test_they_do_so_in_bfloat16_to_its_rounding(folder: Path) -> None:
    alone, (first, second) = train(CASES["bfloat16"]), results(folder, "bfloat16", 2)
    devices = json.loads((folder / "bfloat16.devices.json").read_text())
    assert first == second and set(devices["copies"]) == {1}
    for together in (first, devices):
        np.testing.assert_allclose(together["losses"], alone["losses"], rtol=0.05)


@pytest.mark.parametrize("name", ["mlp", "default"])
def test_several_devices_of_one_process_do_so_too(name: str, folder: Path) -> None:
    alone, together = train(CASES[name]), json.loads((folder / f"{name}.devices.json").read_text())
    assert set(together["copies"]) == {1}  # bit for bit after each call
    for what in ("losses", "metrics", "weights"):
        np.testing.assert_allclose(together[what], alone[what], rtol=1e-5, atol=3e-6, err_msg=what)


def test_the_first_reason_to_stop_is_that_of_all(folder: Path) -> None:
    stopped = results(folder, "stop", 3)
    assert len(stopped) == 3 and all(other == stopped[0] for other in stopped)
    assert (stopped[0]["reason"], stopped[0]["steps"]) == ("limit of 2", 3)


def test_a_lost_replica_ends_the_others_and_the_training_goes_on_with_fewer(folder: Path) -> None:
    lost = results(folder, "lost", 3)
    assert len(lost) == 2
    assert all(re.fullmatch(r"[^{}\n]{10,}", one["lost"]) for one in lost), lost
    snapshot = read_checkpoint(folder / "checkpoint")
    assert snapshot and 0 < snapshot.values["step"] <= KILLED_AT
    whole, together, alone = train(CASES["mlp"]), results(folder, "resumed", 2), train(CASES["mlp"], start=snapshot)
    assert together[0] == together[1]
    for resumed in (together[0], alone):
        assert resumed["steps"] == STEPS * EPOCHS
        np.testing.assert_allclose(resumed["weights"], whole["weights"], rtol=1e-4, atol=5e-6)
        np.testing.assert_allclose(resumed["losses"], whole["losses"][snapshot.values["step"] :], rtol=1e-4, atol=5e-6)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Socket closed\nAdditional GRPC error information from remote target", "Socket closed"),
        (r"Socket closed\nAdditional GRPC error : {\"grpc_message\":\"Socket closed\"}\nRestart", "Socket closed"),
        (r"Collective ops is aborted by: connection\\nreset {{node while/body}}", "connection"),
        ("{{node while/body}}\n\nunreachable [Op:run]", "unreachable [Op:run]"),
        ("Graph execution error:\n\nDetected at node MatMul\n", "Detected at node MatMul"),
        ("", "UnavailableError"),
    ],
)
def test_of_a_lost_replica_the_first_line_is_told(message: str, cause: str) -> None:
    with pytest.raises(LostReplica, match=f"^{re.escape(cause)}$"), lost_replicas():
        raise tf.errors.UnavailableError(None, None, message)


def test_a_collective_may_be_aborted_from_another_thread(folder: Path) -> None:
    assert results(folder, "alone", 2)[0] == {"lost": "instance 2 of 2 gives no sign of life"}


def test_a_batch_smaller_than_the_replicas_is_refused(folder: Path) -> None:
    assert {one["error"] for one in results(folder, "small", 3)} == {
        "training.batch_size=2 is less than the 3 instances that share out each batch: raise it to 3, or use at most 2"
        " instances"
    }


def test_a_batch_normalization_that_takes_the_moments_of_a_part_is_refused() -> None:
    model = keras.Sequential([keras.layers.Input([3]), keras.layers.BatchNormalization(name="norm")])
    replicas = Replicas(tf.distribute.get_strategy(), 0, 2)
    optimizer = keras.optimizers.SGD()
    with pytest.raises(UserError, match=r"^norm: Keras' .*: use trialmaker\.models\.batch_normalization\.BatchNorm"):
        replicated_step(model, optimizer, augmentation.build(name="none"), None, replicas=replicas, jit_compile=False)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 17, 1024])
@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_parts_are_a_whole_and_as_equal_as_can_be(size: int, count: int) -> None:
    parts = [range(size)[Replicas(tf.distribute.get_strategy(), index, count).part(size)] for index in range(count)]
    assert [example for part in parts for example in part] == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
