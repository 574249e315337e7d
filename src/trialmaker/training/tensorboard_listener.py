"""TensorBoard event files: the platform's job page shows them."""

from pathlib import Path

import tensorflow as tf

from trialmaker.platform import paths
from trialmaker.training.events import EpochDone, Event


class TensorBoardListener:
    """A listener that writes a scalar for each metric of each epoch.

    Args:
        directory: of the event files. Where there is one, they get another like it, since a directory is one curve.
    """

    def __init__(self, directory: Path) -> None:
        self.writer = tf.summary.create_file_writer(str(paths.claim_directory(directory)))

    def __call__(self, event: Event) -> None:
        """Write the metrics of an epoch that has ended."""
        if isinstance(event, EpochDone):
            with self.writer.as_default(step=event.epoch):
                for name, value in event.metrics.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()
