"""The metrics of an epoch, and of any split."""

from collections.abc import Sequence

import numpy as np


def epoch_metrics(
    losses: Sequence[float],
    accuracies: Sequence[float],
    *,
    seconds: float,
    batch_size: int,
    learning_rate: float,
    validation: tuple[float, float],
) -> dict[str, float]:
    """Return the metrics of ``EpochDone``.

    Args:
        losses, accuracies: of each of the epoch's steps, averaged over them all at once, so that it doesn't matter by
            which calls they were made.
        seconds: that the steps took.
        learning_rate: of the last step.
        validation: loss and accuracy of the validation split.
    """
    val_loss, val_accuracy = validation
    return {
        "loss": float(np.mean(losses)),
        "accuracy": float(np.mean(accuracies)),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
        "learning_rate": learning_rate,
        "seconds": seconds,
        "examples_per_second": len(losses) * batch_size / seconds,
    }


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean cross-entropy, in nats, and share of right answers, of float32 [N, K] logits and int32 [N] labels."""
    loss, right = loss_and_right_sums(logits, labels)
    return loss / len(labels), right / len(labels)


def loss_and_right_sums(logits: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Return the sum of the cross-entropies, in nats, and the number of right answers, as ``loss_and_accuracy``."""
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of logits that are not finite; then the loss is nan, which the loop refuses
        wide -= wide.max(axis=1, keepdims=True)
    log_likelihood = wide[np.arange(len(labels)), labels] - np.log(np.exp(wide).sum(axis=1))
    return float(-log_likelihood.sum()), int((logits.argmax(axis=1) == labels).sum())
