"""Numbers of the page as people read them."""

from collections.abc import Iterator
from typing import Any

from trialmaker.platform.run_result import RunResult


def metric_text(name: str, value: float) -> str:
    """Return an accuracy as ``97.41 %``, another metric as ``0.0832``."""
    return f"{100 * value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"


def score_texts(result: RunResult, epochs: int) -> list[tuple[str, str]]:
    """Return (key of the name, number) of what a run has reached, the objective first.

    Args:
        result: the run's.
        epochs: that it was to train.
    """
    return list(_score_texts(result, epochs))


def _score_texts(result: RunResult, epochs: int) -> Iterator[tuple[str, str]]:
    metrics: dict[str, Any] = {**result.best_metrics, **result.test_metrics}
    names = dict.fromkeys((result.objective, "test_accuracy", "val_accuracy", "test_loss"))
    yield from ((name, metric_text(name, metrics[name])) for name in names if name in metrics)
    if result.best_epoch:
        yield "best_epoch", f"{result.best_epoch} / {epochs}"


def duration(seconds: float) -> tuple[str, dict[str, int]]:
    """Return (key of the text, its values) of a duration such as ``35 s``, ``12 min 5 s`` or ``3 h 20 min``."""
    if seconds < 59.5:
        return "seconds", {"seconds": round(seconds)}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return "minutes", {"minutes": minutes, "seconds": rest}
    return "hours", {"hours": minutes // 60, "minutes": minutes % 60}


def shortened(name: str, limit: int = 24) -> str:
    """Return a name, of a long one its beginning and its end."""
    return name if len(name) <= limit else f"{name[: limit - 7]}…{name[-6:]}"
