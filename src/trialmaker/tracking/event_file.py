"""Pictures for TensorBoard, written without TensorFlow."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

RGBA = 4  # channels


def write_images(directory: Path, images: Mapping[str, bytes], step: int) -> None:
    """Write an event file with pictures.

    Args:
        directory: of the event files; each directory is a run of TensorBoard's.
        images: PNG files by tag.
        step: the epoch that they belong to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = time.time()
    path = directory / f"events.out.tfevents.{int(now):010}.{socket.gethostname()}.{os.getpid()}.pictures"
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for tag, png in images.items():
            width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # of PNG's first chunk
            image = Summary.Image(width=width, height=height, colorspace=RGBA, encoded_image_string=png)
            summary = Summary(value=[Summary.Value(tag=tag, image=image)])
            writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
