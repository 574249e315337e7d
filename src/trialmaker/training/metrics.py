"""The metrics of an epoch, and of any split."""

import numpy as np

from trialmaker.training.events import StepsDone


def epoch_metrics(
    chunks: list[StepsDone], batch_size: int, learning_rate: float, logits: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    losses = np.concatenate([chunk.losses for chunk in chunks])
    seconds = sum(chunk.seconds for chunk in chunks)
    val_loss, val_accuracy = loss_and_accuracy(logits, labels)
    return {
        "loss": float(losses.mean()),
        "accuracy": float(np.concatenate([chunk.accuracies for chunk in chunks]).mean()),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
        "learning_rate": learning_rate,
        "seconds": seconds,
        "examples_per_second": len(losses) * batch_size / seconds,
    }


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy, in nats, and share of right answers, of float32 [N, K] logits and int32 [N] labels."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    log_likelihood = wide[np.arange(len(labels)), labels] - np.log(np.exp(wide).sum(axis=1))
    return float(-log_likelihood.mean()), float((logits.argmax(axis=1) == labels).mean())
