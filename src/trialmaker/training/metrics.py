"""The metrics of an epoch, and of any split."""

import numpy as np

from trialmaker.training.events import StepsDone


def epoch_metrics(
    calls: list[StepsDone], batch_size: int, learning_rate: float, logits: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Return the metrics of ``EpochDone``.

    Args:
        calls: the epoch's calls; their losses and accuracies are averaged over steps.
        learning_rate: of the last step.
        logits: of the validation split, float32 [N, K]; labels: int32 [N].
    """
    losses = np.concatenate([call.losses for call in calls])
    seconds = sum(call.seconds for call in calls)
    val_loss, val_accuracy = loss_and_accuracy(logits, labels)
    return {
        "loss": float(losses.mean()),
        "accuracy": float(np.concatenate([call.accuracies for call in calls]).mean()),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
        "learning_rate": learning_rate,
        "seconds": seconds,
        "examples_per_second": len(losses) * batch_size / seconds,
    }


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return mean cross-entropy, in nats, and share of right answers, of float32 [N, K] logits and int32 [N] labels."""
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of logits that are not finite; then the loss is nan, which the loop refuses
        wide -= wide.max(axis=1, keepdims=True)
    log_likelihood = wide[np.arange(len(labels)), labels] - np.log(np.exp(wide).sum(axis=1))
    return float(-log_likelihood.mean()), float((logits.argmax(axis=1) == labels).mean())
