"""What an output's folder holds: its files, and the runs that left them."""

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
    return [
        ([f"{name}/" if (output / name).is_dir() else name for name in names], key, command)
        for names, key, command in ENTRIES
        if any((output / name).exists() or name in ALWAYS for name in names)
    ]


def other_runs(output: Path, own: RunResult) -> list[RunResult]:
    """Return the results of the output's runs that are no trials, the latest first; none where there is only one.

    Args:
        own: the run that the page is of, which may not have left its result yet.
    """
    results = [result for _, result in run_results(output) if result.trial is None]
    others = [one for one in results if (one.started_at, one.process_id, one.name) != _key(own)]
    latest = sorted(others, key=lambda result: result.started_at, reverse=True)
    return [own, *latest][:MAX_LISTED_RUNS] if latest else []


def _key(result: RunResult) -> tuple[str, int, str]:
    return result.started_at, result.process_id, result.name


def trials_of(output: Path, study: str) -> list[RunResult]:
    """Return the results of a study's trials that have ended, in the order of their numbers."""
    results = [result for _, result in run_results(output) if result.study == study and result.trial is not None]
    return sorted(results, key=lambda result: result.trial or 0)
