"""The one look at the test split, by the best weights: of a run, or of a study's best model."""

import logging
from collections.abc import Mapping

import numpy as np

from trialmaker.platform.console import FILE_LOGGER
from trialmaker.training.metrics import loss_and_accuracy

log, file_log = logging.getLogger(__name__), logging.getLogger(FILE_LOGGER)


def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return ``test_loss`` and ``test_accuracy`` of float32 [N, K] logits and int32 [N] labels."""
    loss, accuracy = loss_and_accuracy(logits, labels)
    return {"test_loss": loss, "test_accuracy": accuracy}


def log_best(
    epoch: int, objective: str, value: float, test_metrics: Mapping[str, float], *, is_repeated: bool = False
) -> None:
    """Log the line of the best epoch: its objective, and what its weights reach on the test split.

    Args:
        is_repeated: whether it was printed before the run was interrupted; then the log file alone gets it.
    """
    tested = " ".join(f"{name}={test_metrics[name]:.4f}" for name in ("test_loss", "test_accuracy"))
    write = file_log.info if is_repeated else log.info
    write(f"best epoch={epoch} {objective}={value:.4f} {tested}")
