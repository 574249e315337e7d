"""The page of a study's output: its best trials, and the value of each."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trialmaker.experiment.output_page.scores import metric_text, score_texts
from trialmaker.platform.run_result import RunResult
from trialmaker.training.objective import Objective

LONG_NUMBER = re.compile(r"(?<==)-?\d+\.\d{3,}(e-?\d+)?$")
MAX_TRIALS = 10  # that the page lists


def study_values(
    trials: Sequence[RunResult], objective: Objective, epochs: int, test_metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what the page shows of a study's trials.

    Args:
        trials: those that have ended, in the order of their numbers.
        objective: that they were to optimize.
        epochs: that a trial was to train.
        test_metrics: of the study's best model; empty where that was not tested.
    """
    ranked = _ranked(trials, objective)
    best = _best(ranked)
    scores = score_texts(replace(best, test_metrics=dict(test_metrics)), epochs) if best else []
    return {
        "objective": objective.name,
        "progress": ("trials_done", {"count": len(trials)}),
        "scores": [*scores, ("best_trial", str(best.trial))] if best else [],
        "charts": _charts([trial for trial in trials if trial in ranked], objective),
        "trials": list(_rows(ranked[:MAX_TRIALS], trials, objective)),
        "trial_counts": list(Counter(trial.status for trial in trials).items()),
        "best_command": best.command if best else "",
    }


def study_line(name: str, trials: Sequence[RunResult], objective: Objective, test_metrics: Mapping[str, float]) -> str:
    """Return a line on a study's result; see ``study_values``."""
    words = [f"finished study={name} trials={len(trials)}"]
    if best := _best(_ranked(trials, objective)):
        metrics = {objective.name: best.best_metrics[objective.name], **test_metrics}
        words += [f"best trial={best.trial}", *(f"{metric}={value:.4f}" for metric, value in metrics.items())]
    return " ".join(words)


def _ranked(trials: Sequence[RunResult], objective: Objective) -> list[RunResult]:
    """Return the trials that were validated, the best first."""
    measured = [trial for trial in trials if objective.name in trial.best_metrics]
    return sorted(measured, key=lambda trial: _rank(trial, objective))


def _best(ranked: Sequence[RunResult]) -> RunResult | None:
    return next((trial for trial in ranked if trial.status == "finished"), None)


def _rank(trial: RunResult, objective: Objective) -> tuple[float, float]:
    """Return what sorts the trials as ``Objective.is_better`` does their epochs."""
    value = trial.best_metrics[objective.name]
    return -value if objective.direction == "maximize" else value, trial.best_metrics.get("val_loss", math.inf)


def _charts(trials: Sequence[RunResult], objective: Objective) -> list[tuple[str, dict[str, str], str]]:
    from trialmaker.experiment.output_page.charts import line_chart

    points = [(trial.trial or 0, trial.best_metrics[objective.name]) for trial in trials]
    better = max if objective.direction == "maximize" else min
    best = [(number, better(value for _, value in points[: at + 1])) for at, (number, _) in enumerate(points)]
    chart = line_chart(
        {"trial": points, "best": best}, percent=objective.name.endswith("accuracy"), points_only="trial"
    )
    return [("value_by_trial", {"objective": objective.name}, chart)] if points else []


def _rows(ranked: Sequence[RunResult], trials: Sequence[RunResult], objective: Objective) -> Iterator[dict[str, Any]]:
    """Yield number, value, status and the overrides that not all trials have."""
    counts = Counter(word for trial in trials for word in trial.differences)
    for trial in ranked:
        yield {
            "number": trial.trial,
            "value": metric_text(objective.name, trial.best_metrics[objective.name]),
            "status": trial.status,
            "words": [_rounded(word) for word in trial.differences if counts[word] < len(trials) or len(trials) == 1],
        }


def _rounded(override: str) -> str:
    """Return an override with four digits of its number, if its value is one; the command has them all."""
    return LONG_NUMBER.sub(lambda match: f"{float(match[0]):.4g}", override)
