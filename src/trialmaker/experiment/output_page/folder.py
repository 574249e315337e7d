"""What an output's folder holds: its files, and the runs that left them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from trialmaker.platform.run_result import RunResult, run_results

# (names, key of the text that explains them, what to type to open them or ""); the page lists those that are there.
ENTRIES = (
    (("index.html",), "file_page", ""),
    (("model",), "file_model", ""),
    (("model/best.json",), "file_best", ""),
    (("mlflow.db", "mlartifacts"), "file_mlflow", "python -m trialmaker ui PATH"),
    (("logs",), "file_logs", ""),
    (("tensorboard",), "file_tensorboard", "tensorboard --logdir PATH/tensorboard"),
    (("studies",), "file_studies", ""),
    (("checkpoints",), "file_checkpoints", ""),
    (("success", "failure"), "file_end", ""),
)
ALWAYS = ("index.html", "success")  # which are written after the page
MAX_LISTED_RUNS = 20


def entries(output: Path) -> list[tuple[list[str], str, str]]:
    """Return (names, key, command) of what lies in an output; a folder's name ends in a slash."""
    listed = []
    for names, key, command in ENTRIES:
        there = [name for name in names if (output / name).exists() or names[0] in ALWAYS]
        if there:
            listed.append(([f"{name}/" if (output / name).is_dir() else name for name in there], key, command))
    return listed


def other_runs(results: Sequence[RunResult], own: RunResult | None) -> list[RunResult]:
    """Return the results of the output's runs, a study as one, the best of an objective first; none of one run alone.

    Args:
        results: of all runs and trials of the output.
        own: the run that the page is of, which may not have left its result yet; None for a study.
    """
    trials: dict[str, list[RunResult]] = {}
    for result in results:
        if result.trial is not None:
            trials.setdefault(result.study or "", []).append(result)
    runs = [one for one in results if one.trial is None and (own is None or _key(one) != _key(own))]
    studies = [_as_study(name, of_study) for name, of_study in trials.items()]
    others = [*runs, *studies]
    if own is None:
        return sorted(others, key=_rank)[:MAX_LISTED_RUNS] if len(others) > 1 or runs else []
    return sorted([own, *others], key=_rank)[:MAX_LISTED_RUNS] if others else []


def best_run(runs: Sequence[RunResult]) -> RunResult | None:
    """Return the best of listed runs, which all have one objective and data set; else None."""
    measured = [run for run in runs if run.objective in run.best_metrics]
    is_one_kind = len({(run.objective, run.data) for run in measured}) == 1
    return measured[0] if measured and is_one_kind and len(runs) > 1 else None


def run_of(results: Iterable[RunResult], run_id: str) -> str:
    """Return the name of the run with an id in MLflow; "" for one that left no result here."""
    names = (result.name for result in results if run_id and result.mlflow_run_id == run_id)
    return next(names, "")


def _as_study(name: str, trials: Sequence[RunResult]) -> RunResult:
    """Return a study as its best trial, under the study's name."""
    return replace(min(trials, key=_rank), name=f"{name} ({len(trials)})", started_at="")


def _rank(result: RunResult) -> tuple[str, str, float]:
    """Return the key that sorts runs by data set and objective, the best first."""
    value = result.best_metrics.get(result.objective)
    lower_is_better = result.objective.endswith("loss")
    order = float("inf") if value is None else value if lower_is_better else -value
    return result.data, result.objective, order


def _key(result: RunResult) -> tuple[str, int, str]:
    return result.started_at, result.process_id, result.name


def all_results(output: Path) -> list[RunResult]:
    """Return the results that an output's runs and trials have left; a page reads them once."""
    return [result for _, result in run_results(output)]


def trials_of(results: Iterable[RunResult], study: str) -> list[RunResult]:
    """Return the results of a study's trials that have ended, in the order of their numbers."""
    trials = [result for result in results if result.study == study and result.trial is not None]
    return sorted(trials, key=lambda result: result.trial or 0)
