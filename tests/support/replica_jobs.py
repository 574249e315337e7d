"""Trainings that several processes make together, or one by itself, for tests.

One of the processes calls ``main``, which makes the jobs in order over one connection, and writes
``FOLDER/JOB.COUNT.INDEX.json`` of each. With one address it is one by itself that has three devices, which share out
its processor, and writes ``FOLDER/JOB.devices.json``.
"""

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from support.bright_thirds import SHAPE, examples
from support.choices import values
from support.waiting import wait_until
from trialmaker.errors import UserError
from trialmaker.training import calls, loop, program_cache, schedules
from trialmaker.training.checkpoint_files import read_checkpoint
from trialmaker.training.checkpointer import Checkpointer
from trialmaker.training.device_replicas import DeviceReplicas
from trialmaker.training.events import EpochDone, Event, StepsDone
from trialmaker.training.loop_state import LoopState
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program
from trialmaker.training.replicas import LostReplica, Replicas
from trialmaker.training.snapshot import Snapshot

TIMES = ("seconds", "examples_per_second")
BATCH, STEPS, EPOCHS = 17, 5, 3  # no part of a batch is as large as another
KILLED_AT = 8  # in the middle of the second epoch


@dataclass(frozen=True)
class Case:
    """A training: choices of ``conf/``, and what differs from them."""

    model: dict[str, Any]
    optimizer: dict[str, Any]
    augment: str
    smoothing: float = 0.0
    jit_compile: bool = False
    precision: str = "float32"
    batch_size: int = BATCH
    learning_rate: float = 0.01
    replicas: Replicas | None = field(default=None, compare=False)

    def program(self) -> Program:
        """Return its program, begun."""
        weights = program_cache.initialized_model(model=self.model, seed=5, **SHAPE).get_weights()
        return program_cache.prepare_program(
            weights=weights,
            model=self.model,
            optimizer=self.optimizer,
            augment=values("augment", self.augment),
            label_smoothing=self.smoothing,
            jit_compile=self.jit_compile,
            precision=self.precision,
            replicas=self.replicas,
            **SHAPE,
        )

    def plan(self) -> TrainingPlan:
        """Return what its loop is asked to do."""
        shape = values("schedule", "one_cycle")
        schedule = schedules.schedule(**shape, learning_rate=self.learning_rate, steps_per_epoch=STEPS, epochs=EPOCHS)
        return TrainingPlan(
            learning_rates=lambda steps: schedule(tf.constant(steps)).numpy(),
            objective=Objective("val_accuracy", "maximize"),
            seed=11,
            epochs=EPOCHS,
            batch_size=self.batch_size,
            early_validation=0.5,
        )


MLP = values("model", "mlp") | {"hidden_units": (8, 6), "dropout_rate": 0.3}
CNN = values("model", "cnn") | {"filters": (3, 4), "dense_units": (6,), "dropout_rate": 0.2, "batch_norm": True}
CASES = {
    "default": Case(
        values("model", "cnn") | {"filters": (32, 64), "dense_units": (128,)},
        values("optimizer", "adam"),
        "affine",
        learning_rate=0.001,
    ),
    "mlp": Case(MLP, values("optimizer", "adam"), "shift", jit_compile=True),
    "cnn": Case(
        CNN, values("optimizer", "adamw") | {"weight_decay": 0.1, "global_clipnorm": 0.5}, "affine", smoothing=0.1
    ),
    "bfloat16": Case(CNN, values("optimizer", "adam"), "shift", precision="bfloat16"),
    "norm": Case(
        MLP | {"batch_norm": True}, values("optimizer", "momentum") | {"clipnorm": 0.1}, "none", 0.1, jit_compile=True
    ),
}


def train(
    case: Case,
    *,
    start: Snapshot | None = None,
    stop: Callable[[int], str | None] = lambda _: None,
    listeners: Sequence[Any] = (),
    validated: int = 41,
) -> dict[str, Any]:
    """Train from the start or from a snapshot; return what it came to, but for times."""
    program, events = case.program(), list[Event]()
    state = LoopState.restore(start, program) if start else LoopState()
    listeners = [make(state, program) for make in listeners]
    outcome = loop.fit(
        case.plan(),
        program=program,
        train=examples(BATCH * STEPS + 3, 0),
        validation=examples(validated, 1),
        state=state,
        stop=lambda: stop(state.step),
        listeners=[events.append, *listeners],
    )
    epochs = [event for event in events if isinstance(event, EpochDone)]
    weights = state.snapshot(program).numbered("weights")
    return {
        "reason": outcome.reason,
        "steps": outcome.steps,
        "cuts": [event.step for event in events if isinstance(event, StepsDone)],
        "losses": [loss for event in events if isinstance(event, StepsDone) for loss in event.losses],
        "metrics": [value for event in epochs for name, value in event.metrics.items() if name not in TIMES],
        "weights": [float(value) for weight in weights for value in weight.ravel()],
        "bits": hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest(),
    }


def train_on_devices(case: Case, replicas: DeviceReplicas) -> dict[str, Any]:
    """Train on several devices of this process; return also how many different copies of the variables they hold."""
    counts: list[int] = []

    def count_copies(_: LoopState, program: Program) -> Callable[[Event], None]:
        def copies() -> int:
            variables = [*program.model.weights, *program.optimizer.variables]
            values = (replicas.strategy.experimental_local_results(one.value) for one in variables)
            return len({b"".join(one.numpy().tobytes() for one in copy) for copy in zip(*values, strict=True)})

        return lambda _: counts.append(copies())

    return train(case, listeners=[count_copies]) | {"copies": counts}


def lose_the_last(case: Case, folder: Path, replicas: Replicas) -> dict[str, Any]:
    """Train until the last replica kills itself; the first leaves a checkpoint of what was before."""

    def die(event: Event) -> None:
        if isinstance(event, StepsDone) and event.step == KILLED_AT and replicas.index == replicas.count - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpointers: list[Checkpointer] = []

    def keep(state: LoopState, program: Program) -> Checkpointer:
        place = folder / "checkpoint"
        checkpointers.append(Checkpointer(place, lambda: state.snapshot(program), 1e9, keeps_latest=True))
        return checkpointers[0]

    try:
        train(case, listeners=[lambda *_: die, keep])
    except LostReplica as error:
        if replicas.index == 0:
            checkpointers[0].write_latest()
        return {"lost": str(error)}
    return {}


def wait_for_nobody(replicas: Replicas) -> dict[str, Any]:
    """Wait in a collective that no other replica comes to, until a thread ends that; the others need not be there."""
    threading.Timer(0.5, replicas.abort, ["instance 2 of 2 gives no sign of life"]).start()
    try:
        replicas.agree(None)
    except LostReplica as error:
        return {"lost": str(error)}
    return {}


def main(index: int, addresses: Sequence[str], folder: Path, jobs: Sequence[str]) -> None:
    """Make the jobs as one of the processes."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    replicas = Replicas.connect(addresses, index) if len(addresses) > 1 else _device_replicas()
    for job in jobs:
        calls.CALL_SECONDS = 0.0 if job in ("stop", "lost") else 0.8  # each step is a call of its own
        result = _result(job, replicas, folder)
        place = "devices" if replicas.holds_several else f"{replicas.count}.{index}"
        (folder / f"{job}.{place}.json").write_text(json.dumps(result))
    os._exit(0)  # TensorFlow waits for all processes otherwise


def _device_replicas() -> DeviceReplicas:
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration() for _ in range(3)])
    return DeviceReplicas([f"CPU:{number}" for number in range(3)])


def _result(job: str, replicas: Replicas, folder: Path) -> dict[str, Any]:
    case = replace(CASES.get(job, CASES["mlp"]), replicas=replicas)
    if job == "stop":  # the last is to stop soon, the others later
        after = 3 if replicas.index == replicas.count - 1 else 7
        return train(
            case,
            stop=lambda step: f"limit of {replicas.index}" if step >= after else None,
            validated=replicas.count - 1,  # so that one has nothing to validate
        )
    if job == "lost":
        return lose_the_last(case, folder, replicas)
    if job == "resumed":
        wait_until(lambda: (folder / f"lost.{replicas.count + 1}.0.json").exists())
        return train(case, start=read_checkpoint(folder / "checkpoint"))
    if job == "small":
        try:
            return train(replace(case, batch_size=replicas.count - 1))
        except UserError as error:
            return {"error": str(error)}
    if isinstance(replicas, DeviceReplicas):
        return train_on_devices(case, replicas)
    if job == "alone":
        return wait_for_nobody(replicas) if replicas.index == 0 else {}
    return train(case)
