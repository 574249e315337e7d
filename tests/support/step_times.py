"""When a training's steps and epochs ended, by the clock of the training process, as TensorFlow writes it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event


def step_times(output: Path) -> list[float]:
    """Return when TensorFlow wrote the losses of steps and epochs of an output's run, seconds since 1970, in order."""
    events = [event for file in output.glob("tensorboard/*/train/*tfevents*") for event in _events(file.read_bytes())]
    return sorted(event.wall_time for event in events if event.step)


def longest_gap(output: Path) -> float:
    """Return the longest time between two of them, which is that between two steps, or more."""
    return max((late - early for early, late in pairwise(step_times(output))), default=float("nan"))


def _events(content: bytes) -> Iterator[Event]:
    """Yield the events of a file: each has its length in 8 bytes before it, then 4 of a checksum, and 4 behind it."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        yield Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16
