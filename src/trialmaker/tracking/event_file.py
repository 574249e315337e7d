"""Pictures for TensorBoard, written without TensorFlow."""

import io
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from trialmaker.platform.atomic_files import write_bytes
from trialmaker.training.events import PICTURES_SUFFIX

RGBA = 4  # channels
LAST = 10**10 - 1  # in place of a time: TensorBoard reads a directory's files in the order of their names


def write_images(directory: Path, images: Mapping[str, bytes], step: int) -> None:
    """Write an event file with pictures; what is written again takes the place of what was there.

    Args:
        directory: of the event files; each directory is a run of TensorBoard's.
        images: PNG files by tag.
        step: the epoch that they belong to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = time.time()
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for tag, png in images.items():
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # of PNG's first chunk
        image = Summary.Image(width=width, height=height, colorspace=RGBA, encoded_image_string=png)
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
    write_bytes(directory / f"events.out.tfevents.{LAST}.{socket.gethostname()}{PICTURES_SUFFIX}", file.getvalue())
