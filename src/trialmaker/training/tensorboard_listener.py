"""TensorBoard event files: the platform's job page shows them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import summary_v2

from trialmaker.platform import paths
from trialmaker.training.events import PICTURES_SUFFIX, EpochDone, Event, StepsMean


class TensorBoardListener:
    """A listener that writes a run's hparams, its metrics, and the best value of the objective so far; to be closed.

    In TensorBoard each directory is a run and each tag a chart: ``train/``, ``validation/`` and ``test/`` in the run's
    directory share the tags ``loss`` and ``accuracy``, and so the charts.

    Args:
        directory: of the event files. Where there is one, they get another like it, since a directory is one curve.
        run_name: that the table of hparams shows; no other run's.
        hparams: names and values: bool, int, float or str.
        objective: the name of the metric that decides what is best.
        has_curves: whether to write each epoch's metrics; without, a run leaves a single small file.
        positions: of a run that goes on in that directory, what ``positions`` returned: what its event files have
            beyond is cut off. None for a new run.
    """

    def __init__(
        self,
        directory: Path,
        *,
        run_name: str,
        hparams: Mapping[str, Any],
        objective: str,
        has_curves: bool,
        positions: Mapping[str, int] | None = None,
    ) -> None:
        self.directory = paths.claim_directory(directory) if positions is None else directory
        self.objective, self.has_curves = objective, has_curves
        self.writers: dict[str, tf.summary.SummaryWriter] = {}
        if positions is not None:
            _cut_back(directory, positions)
        if not positions:
            self._write_start(run_name, hparams)

    def _write_start(self, run_name: str, hparams: Mapping[str, Any]) -> None:
        with self._writer("").as_default(step=0):
            start = summary_v2.hparams_pb(dict(hparams), trial_id=run_name)
            tf.summary.experimental.write_raw_pb(start.SerializeToString())

    def __call__(self, event: Event) -> None:
        """Write the metrics of an epoch, or of some steps, that have ended."""
        if isinstance(event, EpochDone):
            if self.has_curves:
                validation = {name: value for name, value in event.metrics.items() if name.startswith("val_")}
                training = {name: value for name, value in event.metrics.items() if name not in validation}
                self._write("train", event.epoch, training)
                self._write("validation", event.epoch, _without_prefix(validation))
            if event.best_weights is not None:
                self._write("", event.epoch, {f"best_{self.objective}": event.metrics[self.objective]})
            self._flush()
        elif isinstance(event, StepsMean) and self.has_curves:
            self._write("train", event.step, {"step_loss": event.loss, "step_accuracy": event.accuracy})

    def record_test(self, epoch: int, metrics: Mapping[str, float]) -> Path:
        """Write the metrics of the test split, ``test_loss`` and ``test_accuracy``, of an epoch's weights.

        Returns:
            the directory of event files about the test split.
        """
        self._write("test", epoch, _without_prefix(metrics))
        self._close()  # TensorBoard reads a directory's files one after another
        return self.directory / "test"

    def positions(self) -> dict[str, int]:
        """Return how many bytes each event file has, by its path in the directory, once all is written."""
        self._flush()
        return {path.relative_to(self.directory).as_posix(): path.stat().st_size for path in _files(self.directory)}

    def _flush(self) -> None:
        for writer in self.writers.values():
            writer.flush()

    def __enter__(self) -> "TensorBoardListener":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()

    def _write(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        with self._writer(split).as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)

    def _writer(self, split: str) -> tf.summary.SummaryWriter:
        if split not in self.writers:
            self.writers[split] = tf.summary.create_file_writer(str(self.directory / split))
        return self.writers[split]


def _cut_back(directory: Path, positions: Mapping[str, int]) -> None:
    """Cut a directory's event files back to the sizes given, and remove those that have none.

    The pictures stay, which the tracking process draws once.
    """
    for path in _files(directory):
        size = positions.get(path.relative_to(directory).as_posix())
        if size is None or path.is_symlink():
            path.unlink()
        elif size < path.stat().st_size:
            os.truncate(path, size)


def _files(directory: Path) -> list[Path]:
    files = [path for path in directory.rglob("events.out.tfevents.*") if path.is_file() or path.is_symlink()]
    return [path for path in files if not path.name.endswith(PICTURES_SUFFIX)]


def _without_prefix(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name.partition("_")[2]: value for name, value in metrics.items()}
