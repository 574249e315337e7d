"""A training that goes on from a checkpoint equals the one that was never interrupted, bit for bit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from support.bright_thirds import SHAPE, examples
from support.choices import values
from trialmaker.training import calls, loop, program_cache, schedules
from trialmaker.training.checkpoint_files import read_checkpoint, write_checkpoint
from trialmaker.training.checkpointer import Checkpointer
from trialmaker.training.events import EarlyValidation, EpochDone, Event, StepsDone, StepsMean, Stopping
from trialmaker.training.loop_state import LoopState
from trialmaker.training.objective import Objective
from trialmaker.training.plan import TrainingPlan
from trialmaker.training.program import Program
from trialmaker.training.snapshot import Misfit, Snapshot
from trialmaker.training.step_means import StepMeans

EXAMPLES, BATCH, STEPS = 100, 16, 6  # of which an epoch has 6 steps
MODELS: dict[str, dict[str, Any]] = {
    "mlp": values("model", "mlp") | {"hidden_units": (8, 6)},
    "cnn": values("model", "cnn") | {"filters": (3, 4), "dense_units": (6,), "dropout_rate": 0.0, "batch_norm": False},
}


TIMES = ("seconds", "examples_per_second")
TRAIN, VALIDATION = examples(EXAMPLES, 0), examples(40, 1)


@dataclass(frozen=True)
class Case:
    """A training: choices of ``conf/``, and what differs from them."""

    optimizer: str
    model: str = "mlp"
    schedule: str = "constant"
    augment: str = "none"
    model_fields: dict[str, Any] = field(default_factory=dict)
    optimizer_fields: dict[str, Any] = field(default_factory=dict)
    smoothing: float = 0.0
    patience: int | None = None
    jit_compile: bool = False
    precision: str = "float32"

    def program(self) -> Program:
        """Return its program, begun."""
        model = MODELS[self.model] | self.model_fields
        weights = program_cache.initialized_model(model=model, seed=5, **SHAPE).get_weights()
        return program_cache.prepare_program(
            weights=weights,
            model=model,
            optimizer=values("optimizer", self.optimizer) | self.optimizer_fields,
            augment=values("augment", self.augment),
            label_smoothing=self.smoothing,
            jit_compile=self.jit_compile,
            precision=self.precision,
            **SHAPE,
        )

    def plan(self) -> TrainingPlan:
        rate = values("optimizer", self.optimizer)["learning_rate"]
        shape = values("schedule", self.schedule)
        schedule = schedules.schedule(**shape, learning_rate=rate, steps_per_epoch=STEPS, epochs=4)
        return TrainingPlan(
            learning_rates=lambda steps: schedule(tf.constant(steps)).numpy(),
            objective=Objective("val_loss", "maximize" if self.patience else "minimize"),
            seed=11,
            epochs=4,
            batch_size=BATCH,
            patience=self.patience,
            early_validation=0.5,
        )


NORM, DROPOUT, BOTH = {"batch_norm": True}, {"dropout_rate": 0.3}, {"batch_norm": True, "dropout_rate": 0.3}
DECAY = {"weight_decay": 0.01}
CASES = [
    Case("momentum", schedule="one_cycle", augment="affine", model_fields=BOTH),
    Case("nesterov", "cnn", "cosine", "shift", smoothing=0.1),
    Case("adam", "cnn", "one_cycle", "none", BOTH, {"global_clipnorm": 1.0}),
    Case("adamw", schedule="cosine", augment="shift", model_fields=NORM, smoothing=0.1),
    Case("nadam", schedule="exponential", augment="affine", model_fields=DROPOUT),
    Case("adamax", schedule="one_cycle", model_fields=NORM, smoothing=0.1),
    Case("lamb", schedule="cosine_short_warmup", augment="shift", model_fields=BOTH, optimizer_fields=DECAY),
    Case("lion", schedule="exponential", model_fields=NORM, patience=2),
    Case("adagrad", schedule="cosine", optimizer_fields=DECAY, patience=2),
    Case("adadelta", schedule="one_cycle", model_fields=DROPOUT, smoothing=0.1, jit_compile=True),
    Case("ftrl", augment="affine", model_fields=NORM),
    Case("rmsprop", optimizer_fields={"centered": True, "momentum": 0.5}, model_fields=DROPOUT, patience=2),
    Case("adam", "cnn", "one_cycle", "shift", BOTH, smoothing=0.1, precision="bfloat16"),
    Case("momentum", model_fields=BOTH, jit_compile=True, precision="bfloat16"),
]


@dataclass(frozen=True)
class Instant:
    """An event of the loop: that of a step, or of the validation after it."""

    event: type
    step: int | None = None  # None for any

    def is_that_of(self, event: Event) -> bool:
        step = event.epoch * STEPS if isinstance(event, EpochDone) else event.step
        return isinstance(event, self.event) and self.step in (None, step)


@dataclass
class Recording:
    """What a training told, and what a checkpoint would hold after each event of the loop."""

    events: list[Event] = field(default_factory=list)
    captures: list[tuple[Event, int, Snapshot]] = field(default_factory=list)  # with the number of events until then
    reason: str = ""
    best_weights: bytes = b""

    def at(self, instant: Instant) -> tuple[list[Event], Snapshot]:
        """Return the events until an instant, and the snapshot."""
        count, snapshot = next(rest for event, *rest in self.captures if instant.is_that_of(event))
        return self.events[:count], snapshot

    @property
    def last(self) -> Snapshot:
        return self.captures[-1][-1]


def train(case: Case, start: Snapshot | None = None, *, stop_at: Instant | None = None) -> Recording:
    """Train from the start or from a snapshot, to the end or until an instant."""
    program, recording = case.program(), Recording()
    state, means = LoopState(), StepMeans(4, [recording.events.append])
    if start:
        state = LoopState.restore(start.part("loop"), program)
        means.restore(start.part("means"))

    def capture(event: Event) -> None:
        snapshot = Snapshot.join({"loop": state.snapshot(program), "means": means.snapshot()})
        recording.captures.append((event, len(recording.events), snapshot))

    def stop() -> str | None:
        events = [event for event, *_ in recording.captures[-1:]]
        return "signal" if stop_at and any(stop_at.is_that_of(event) for event in events) else None

    outcome = loop.fit(
        case.plan(),
        program=program,
        train=TRAIN,
        validation=VALIDATION,
        state=state,
        stop=stop,
        listeners=[means, capture],
    )
    recording.reason, recording.best_weights = outcome.reason, bits(program.model.get_weights())
    return recording


def bits(arrays: Sequence[np.ndarray]) -> bytes:
    return b"".join(array.tobytes() for array in arrays)


def told(events: Sequence[Event]) -> list[str]:
    """Return the events without times, and without where the steps were cut into calls."""
    steps, means, validations = [], [], []
    for event in events:
        if isinstance(event, StepsDone):
            first = event.step - len(event.losses) + 1
            steps += zip(range(first, event.step + 1), event.losses, event.accuracies, strict=True)
        elif isinstance(event, StepsMean):
            means.append(event)
        elif isinstance(event, EpochDone | EarlyValidation):
            metrics = {name: value for name, value in event.metrics.items() if name not in TIMES}
            place = (event.epoch, event.stopped_by) if isinstance(event, EpochDone) else event.step
            validations.append((place, metrics, bits(getattr(event, "best_weights", None) or [])))
    return [str(entry) for entry in [*steps, *means, *validations]]


def same(snapshot: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots are equal bit for bit, but for times."""
    values = [json.loads(json.dumps(one.values)) for one in (snapshot, other)]
    for one in values:
        del one["loop"]["seconds"]
        for name in TIMES:
            (one["loop"]["best"] or {"metrics": {name: 0}})["metrics"].pop(name)
    kinds = [[(name, array.dtype, array.shape) for name, array in one.arrays.items()] for one in (snapshot, other)]
    contents = [bits(list(one.arrays.values())) for one in (snapshot, other)]
    return bool(values[0] == values[1] and kinds[0] == kinds[1] and contents[0] == contents[1])


def differences(recording: Recording, whole: Recording, events: Sequence[Event] = ()) -> list[str]:
    """Return in what a recording, behind the events that it goes on from, is not the uninterrupted training."""
    equals = {
        "events": told([*events, *recording.events]) == told(whole.events),
        "reason": recording.reason == whole.reason,
        "best weights": recording.best_weights == whole.best_weights,
        "last state": same(recording.last, whole.last),
    }
    return [name for name, is_equal in equals.items() if not is_equal]


INSTANTS = {
    "the early validation is due": Instant(StepsDone, 3),
    "the early validation is made": Instant(EarlyValidation, 3),
    "in an epoch's middle": Instant(StepsDone, 8),
    "at an epoch's last step": Instant(StepsDone, 12),
    "at an epoch's end": Instant(EpochDone, 12),
    "at the next one's first step": Instant(StepsDone, 13),
}


REBUILT = ("nesterov", "lamb")  # whose program is compiled anew before it goes on, as a new process does


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.optimizer} {case.precision}")
def test_a_resumed_training_equals_the_uninterrupted_one(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(case)
    assert whole.reason == ("patience" if case.patience else "epochs")
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.0)  # each step is a call, so that there is an event after each
    interrupted = train(case)
    assert not differences(interrupted, whole)
    for instant in INSTANTS.values():
        events, snapshot = interrupted.at(instant)
        assert not differences(train(case, snapshot), whole, events)
    if case.optimizer in REBUILT:
        program_cache._program.cache_clear()
        program_cache._initialized_model.cache_clear()
    events, snapshot = interrupted.at(INSTANTS["in an epoch's middle"])
    write_checkpoint(tmp_path, snapshot)
    assert not differences(train(case, read_checkpoint(tmp_path)), whole, events)


SMALL = Case("adam", augment="shift", model_fields=DROPOUT)


@pytest.fixture(scope="module")
def whole() -> Recording:
    """A training that was not interrupted, each step a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "CALL_SECONDS", 0.0)
        return train(SMALL)


def test_it_may_be_killed_at_any_instant(whole: Recording) -> None:
    for _, count, snapshot in whole.captures:
        resumed = train(SMALL, snapshot)
        assert not differences(resumed, whole, whole.events[:count])


@pytest.mark.parametrize(
    ("instant", "stopped_by"),
    [
        (Instant(StepsDone, 3), "signal"),  # the early validation is due, and made later
        (Instant(EarlyValidation, 3), "signal"),
        (Instant(StepsDone, 8), "signal"),
        (Instant(StepsDone, 12), None),  # a whole epoch, whose validation is still made
        (Instant(EpochDone, 12), None),
        (Instant(StepsDone, 13), "signal"),
        (Instant(StepsDone, 24), None),  # the last
    ],
    ids=str,
)
def test_a_stopped_training_goes_on(
    instant: Instant, stopped_by: str | None, whole: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.0)
    stopped = train(SMALL, stop_at=instant)
    assert stopped.reason == "signal"
    assert [event for event in stopped.events if isinstance(event, Stopping)] == [stopped.at(Instant(Stopping))[0][-1]]
    last = next(event for event in reversed(stopped.events) if isinstance(event, EpochDone))
    assert last.stopped_by == stopped_by
    events, snapshot = stopped.at(Instant(Stopping))
    assert not differences(train(SMALL, snapshot), whole, events)
    events, snapshot = stopped.events, stopped.last  # what a part of an epoch brought is not in the state
    events = [event for event in events if getattr(event, "stopped_by", None) is None]
    assert not differences(train(SMALL, snapshot), whole, events)


def test_a_training_that_dies_goes_on_from_its_last_checkpoint(
    whole: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.0)
    program, state, events = SMALL.program(), LoopState(), list[Event]()
    means = StepMeans(4, [events.append])

    def capture() -> Snapshot:
        return Snapshot.join({"loop": state.snapshot(program), "means": means.snapshot()})

    def die(event: Event) -> None:
        if isinstance(event, StepsDone) and event.step == 15:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Checkpointer(tmp_path, capture, every_seconds=0) as checkpoints:
        loop.fit(
            SMALL.plan(),
            program=program,
            train=TRAIN,
            validation=VALIDATION,
            state=state,
            stop=lambda: None,
            listeners=[means, checkpoints, die],
        )
    snapshot = read_checkpoint(tmp_path)
    assert snapshot
    count = next(count for _, count, other in whole.captures if same(snapshot, other))
    assert not differences(train(SMALL, snapshot), whole, whole.events[:count])


def test_it_may_be_stopped_after_each_step_in_turn(whole: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.0)
    events: list[Event] = []
    snapshot = None
    for _ in range(100):
        resumed = train(SMALL, snapshot, stop_at=Instant(StepsDone))
        before, snapshot = resumed.at(Instant(Stopping))
        if resumed.reason != "signal":
            break
        events += before
    assert not differences(resumed, whole, events)


def test_the_best_epoch_may_be_a_part_in_the_outcome_but_not_in_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.0)
    stopped = train(SMALL, stop_at=Instant(StepsDone, 10))
    part = stopped.events[-1]
    assert isinstance(part, EpochDone) and part.stopped_by == "signal" and part.best_weights is not None
    assert stopped.best_weights == bits(part.best_weights)
    assert stopped.last.values["loop"]["best"]["epoch"] == 1
    assert bits(stopped.last.part("loop").numbered("best")) != stopped.best_weights


@pytest.mark.parametrize(
    "change",
    [
        (lambda now, _: {name: 0 * array for name, array in now.items() if "/optimizer/" in name}),
        (lambda _, later: {name: array for name, array in later.items() if "/optimizer/" in name}),
        (lambda _, later: {name: array for name, array in later.items() if "/weights/" in name}),
        (lambda now, _: {"loop/losses": now["loop/losses"] + 1e-7}),
        (lambda now, _: {"means/losses": now["means/losses"] + 1e-7}),
    ],
    ids=["no slots", "slots of another step", "weights of another step", "other losses", "other means"],
)
def test_what_a_checkpoint_holds_is_needed(change: Any, whole: Recording) -> None:
    """The comparison sees a difference where there is one."""
    events, now = whole.at(Instant(StepsDone, 9))
    _, later = whole.at(Instant(StepsDone, 10))
    changed = replace(now, arrays=now.arrays | change(now.arrays, later.arrays))
    assert differences(train(SMALL, changed), whole, events)


def test_a_snapshot_of_another_program_is_refused(whole: Recording) -> None:
    other = replace(SMALL, optimizer="sgd")
    with pytest.raises(ValueError, match=r"^optimizer: \d+ variables there, \d+ here$"):
        train(other, whole.last)


@pytest.mark.parametrize(
    ("values", "arrays", "difference"),
    [
        ({"temperature": 1.0}, {}, "loop: other fields: temperature"),
        ({"seconds": None}, {}, "loop: other fields: seconds"),
        ({"precision": "bfloat16"}, {}, "precision: bfloat16 there, float32 here"),
        ({}, {"weights/1": np.zeros(3, np.float32)}, r"weights/1: float32\[3\] there, float32\[8\] here"),
        ({}, {"optimizer/0": np.zeros((), np.float32)}, r"optimizer/0: float32\[\] there, int\d+\[\] here"),
        ({}, {"optimizer/3": None}, r"optimizer/3 is missing"),
        ({}, {"best/0": None}, r"best/0 is missing"),
        ({"best": {}}, {}, r"best: \d+ variables there, 0 here"),
        ({}, {"losses": None}, r"not a number for each step: losses bool\[0\], accuracies float64\[\d+\]"),
        ({"epoch_steps": 2}, {}, "loop: 3 steps of an epoch of 2"),
    ],
    ids=str,
)
def test_a_snapshot_that_does_not_fit_changes_nothing(
    values: dict[str, Any], arrays: dict[str, np.ndarray], difference: str, whole: Recording
) -> None:
    _, snapshot = whole.at(Instant(StepsDone, 9))
    part = snapshot.part("loop")
    changed = Snapshot(
        {name: value for name, value in {**part.values, **values}.items() if value is not None},
        {name: array for name, array in {**part.arrays, **arrays}.items() if array is not None},
    )
    program = SMALL.program()
    before = bits([variable.numpy() for variable in (*program.model.weights, *program.optimizer.variables)])
    with pytest.raises(Misfit, match=f"^{difference}$"):
        LoopState.restore(changed, program)
    assert bits([variable.numpy() for variable in (*program.model.weights, *program.optimizer.variables)]) == before
